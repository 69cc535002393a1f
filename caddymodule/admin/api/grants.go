package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/rule"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountGrants(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "list-grants", Method: http.MethodGet, Path: "/grants", Role: vault.RoleViewer, Noun: "GRANT", Summary: "List who may use what",
		Detail: "Grants of the configuration file come first and are read-only."}, a.listGrants)
	rest.Register(a.rest, rest.Operation{ID: "list-agent-grants", Method: http.MethodGet, Path: "/agents/{id}/grants", Role: vault.RoleViewer, Noun: "AGENT", Summary: "List what an agent may use"}, a.listAgentGrants)
	rest.Register(a.rest, rest.Operation{ID: "create-grant", Method: http.MethodPost, Path: "/agents/{id}/grants", Role: vault.RoleOperator, Noun: "GRANT", Status: http.StatusCreated, Summary: "Let an agent use an account",
		Detail: "Of its own organisation. It holds from the agent's next request on, open tunnels included."}, a.createGrant)
	rest.Register(a.rest, rest.Operation{ID: "get-grant", Method: http.MethodGet, Path: "/agents/{id}/grants/{grant_id}", Role: vault.RoleViewer, Noun: "GRANT", Summary: "Read a grant"}, a.getGrant)
	rest.Register(a.rest, rest.Operation{ID: "update-grant", Method: http.MethodPatch, Path: "/agents/{id}/grants/{grant_id}", Role: vault.RoleOperator, Noun: "GRANT", Summary: "Edit a grant"}, a.patchGrant)
	rest.Register(a.rest, rest.Operation{ID: "delete-grant", Method: http.MethodDelete, Path: "/agents/{id}/grants/{grant_id}", Role: vault.RoleOperator, Noun: "GRANT", Status: http.StatusNoContent, Summary: "Take an account away from an agent"}, a.deleteGrant)
}

type Grant struct {
	ID           string     `json:"id,omitempty"`
	Organisation string     `json:"organisation"`
	AgentID      string     `json:"agent_id"`
	AccountID    string     `json:"account_id,omitempty" doc:"Absent for grants of the configuration file that are of every account."`
	Connector    string     `json:"connector"`
	Scopes       []string   `json:"scopes"`
	Rules        []Rule     `json:"rules,omitempty"`
	Operations   []string   `json:"operations,omitempty"`
	Budgets      []string   `json:"budgets,omitempty"`
	ExpiresAt    *time.Time `json:"expires_at,omitempty"`
	CreatedAt    *time.Time `json:"created_at,omitempty"`
	UpdatedAt    *time.Time `json:"updated_at,omitempty"`
	Version      int64      `json:"version,omitempty"`
	ReadOnly     bool       `json:"read_only,omitempty" doc:"Declared in the configuration file."`
}

type Rule struct {
	Hosts   []string `json:"hosts,omitempty" doc:"In lower case, *.name for every name below; absent: every host of the connector." example:"[\"api.example.com\"]"`
	Methods []string `json:"methods,omitempty" doc:"In capitals; absent: any." example:"[\"GET\"]"`
	Path    string   `json:"path,omitempty" doc:"* is a run of characters in one segment, ** at the end any rest; absent: any." example:"/repos/*/issues/**"`
}

func grantOf(g vault.Grant) Grant {
	b := Grant{ID: g.ID, Organisation: g.Organisation, AgentID: g.AgentID, AccountID: g.AccountID, Connector: g.Connector, Scopes: g.Scopes, Operations: g.Operations, Budgets: g.Budgets,
		ExpiresAt: rest.OptionalTime(g.ExpiresAt), CreatedAt: rest.OptionalTime(g.CreatedAt), UpdatedAt: rest.OptionalTime(g.UpdatedAt), Version: g.Version}
	for _, r := range g.Rules {
		b.Rules = append(b.Rules, Rule{r.Hosts, r.Methods, r.Path})
	}
	return b
}

func rulesOf(in []Rule) []vault.Rule {
	var out []vault.Rule
	for _, r := range in {
		out = append(out, vault.Rule{Hosts: r.Hosts, Methods: r.Methods, Path: r.Path})
	}
	return out
}

// rules refuses those that name what the connector has no operation of.
func (a *API) rules(operations []string, connector string) error {
	con, ok := a.c.Catalogue.Connector(connector)
	if len(operations) == 0 || a.c.Operations == nil || !ok {
		return nil
	}
	if _, err := rule.New(operations, a.c.Operations(con)); err != nil {
		return problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", problem.Sentence(err.Error())).At("body.operations", err.Error())
	}
	return nil
}

type grantOut struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     Grant
}

func shownGrant(g vault.Grant) *grantOut {
	return &grantOut{ETag: rest.Etag(g.Version), Body: grantOf(g)}
}

type listGrantsIn struct {
	rest.PageQuery
	AgentID      string `query:"agent_id"`
	AccountID    string `query:"account_id"`
	Connector    string `query:"connector"`
	Organisation string `query:"organisation"`
}

func (a *API) listGrants(ctx context.Context, c *signin.Caller, in *listGrantsIn) (*rest.ListOut[Grant], error) {
	l, err := c.Grants(ctx, vault.GrantFilter{AgentID: in.AgentID, AccountID: in.AccountID, Connector: in.Connector, Organisation: in.Organisation}, in.Page())
	out, err := rest.Listed(l, err, grantOf)
	if err == nil && in.After == "" {
		var file []Grant
		for _, x := range a.fileAgents(c, in.Organisation, "") {
			for _, g := range a.fileGrants(x.ID) {
				if in.covers(&g) {
					file = append(file, g)
				}
			}
		}
		out.Body.Items = slices.Insert(out.Body.Items, 0, file...)
	}
	return out, err
}

// covers reports whether a grant of the configuration file is asked for. One without
// an account is of all those that the file has.
func (in *listGrantsIn) covers(g *Grant) bool {
	return (in.AgentID == "" || in.AgentID == g.AgentID) && (in.Connector == "" || in.Connector == g.Connector) &&
		(in.AccountID == "" || in.AccountID == g.AccountID || g.AccountID == "" && strings.HasPrefix(in.AccountID, vault.FileAgent+g.Connector+":"))
}

type listAgentGrantsIn struct {
	rest.PathID
	rest.PageQuery
}

func (a *API) listAgentGrants(ctx context.Context, c *signin.Caller, in *listAgentGrantsIn) (*rest.ListOut[Grant], error) {
	file := strings.HasPrefix(in.ID, vault.FileAgent)
	if file {
		if _, err := a.fileAgent(c, in.ID); err != nil {
			return nil, err
		}
	} else if _, err := c.Agent(ctx, in.ID); err != nil {
		return nil, err
	}
	l, err := c.Grants(ctx, vault.GrantFilter{AgentID: in.ID}, in.Page())
	out, err := rest.Listed(l, err, grantOf)
	if err == nil && file && in.After == "" {
		out.Body.Items = slices.Insert(out.Body.Items, 0, a.fileGrants(in.ID)...)
	}
	return out, err
}

// fileGrants are the grants that the configuration file gives an agent.
func (a *API) fileGrants(id string) (out []Grant) {
	for _, d := range a.c.Declared.Agents() {
		if vault.FileAgent+d.Name != id {
			continue
		}
		for _, g := range d.Grants {
			b := Grant{Organisation: vault.DefaultOrganisation, AgentID: id, Connector: g.Connector, Scopes: []string{"read"}, Operations: g.Operations, Budgets: g.Budgets, ReadOnly: true}
			for _, more := range []struct {
				scope string
				has   bool
			}{{"write", g.Write}, {"presign", g.Presign}, {"placeholder", g.Placeholder}, {"confined", g.Confined}} {
				if more.has {
					b.Scopes = append(b.Scopes, more.scope)
				}
			}
			if g.Account != "" {
				b.AccountID = fileAccountID(DeclaredAccount{Connector: g.Connector, Name: g.Account})
			}
			out = append(out, b)
		}
	}
	return out
}

type createGrantIn struct {
	rest.PathID
	Body struct {
		AccountID string   `json:"account_id" minLength:"1" maxLength:"128"`
		Scopes    []string `json:"scopes" minItems:"1" maxItems:"5" enum:"read,write,presign,placeholder,confined" doc:"read, write or both. Reading is GET, HEAD, OPTIONS and what the connector lists. With presign beside them the agent may have URLs that work without the proxy for a while; with placeholder a credential of the client's own stays on a request, and the account's is placed where there is none, or a placeholder; with confined it is for confined runs alone (attache exec --confine)."`
		Rules     []Rule   `json:"rules,omitempty" maxItems:"50" doc:"A request must match one of them; absent: every request."`
		// Operations are rules as package rule has them.
		Operations []string  `json:"operations,omitempty" maxItems:"100" doc:"Rules of what the agent may do: allow or deny, operations, on and resources. The first that matches decides, a deny is the end wherever it stands, and what none matches is refused. With read alone among the scopes they allow reading at most. Absent: whatever the scopes say." example:"[\"allow read\", \"allow issues/create on acme/*\"]"`
		Budgets    []string  `json:"budgets,omitempty" maxItems:"50" doc:"How much may be used by this grant, and what it costs, line by line." example:"[\"budget 1000 requests per day\"]"`
		ExpiresAt  time.Time `json:"expires_at,omitzero" doc:"Absent: never."`
	}
}

func (a *API) createGrant(ctx context.Context, c *signin.Caller, in *createGrantIn) (*grantOut, error) {
	if strings.HasPrefix(in.ID, vault.FileAgent) {
		if _, err := a.fileAgent(c, in.ID); err != nil {
			return nil, problem.New(http.StatusNotFound, "AGENT_NOT_FOUND", "There is no such agent here.")
		}
	} else if _, err := c.Agent(ctx, in.ID); err != nil {
		return nil, a.rest.Explain(err, "AGENT", c)
	}
	if strings.HasPrefix(in.Body.AccountID, vault.FileAgent) {
		return nil, problem.New(http.StatusConflict, "READ_ONLY", "An account of the configuration file is granted there.").At("body.account_id", "is declared in the configuration file")
	}
	acct, err := c.Account(ctx, in.Body.AccountID)
	if err != nil {
		return nil, a.rest.Explain(err, "ACCOUNT", c)
	}
	if err := a.rules(in.Body.Operations, acct.Connector); err != nil {
		return nil, err
	}
	if err := rest.Ahead(in.Body.ExpiresAt); err != nil {
		return nil, err
	}
	g, err := c.CreateGrant(ctx, vault.NewGrant{AgentID: in.ID, AccountID: in.Body.AccountID, Scopes: in.Body.Scopes, Rules: rulesOf(in.Body.Rules), Operations: in.Body.Operations, Budgets: in.Body.Budgets, ExpiresAt: in.Body.ExpiresAt})
	if err != nil {
		return nil, err
	}
	out := shownGrant(g)
	out.Location = paths.API + "/agents/" + in.ID + "/grants/" + g.ID
	return out, nil
}

type PathGrant struct {
	rest.PathID
	GrantID string `path:"grant_id" maxLength:"128"`
}

// grant finds a grant of the agent that the path names.
func (in *PathGrant) grant(ctx context.Context, c *signin.Caller) (vault.Grant, error) {
	g, err := c.Grant(ctx, in.GrantID)
	if err == nil && g.AgentID != in.ID {
		err = vault.ErrNotFound
	}
	return g, err
}

func (a *API) getGrant(ctx context.Context, c *signin.Caller, in *PathGrant) (*grantOut, error) {
	g, err := in.grant(ctx, c)
	return shownGrant(g), err
}

type patchGrantIn struct {
	PathGrant
	rest.IfMatch
	Body struct {
		Scopes     []string    `json:"scopes,omitempty" minItems:"1" maxItems:"5" enum:"read,write,presign,placeholder,confined"`
		Rules      *[]Rule     `json:"rules,omitempty" maxItems:"50" doc:"Replaces all of them; [] allows every request."`
		Operations *[]string   `json:"operations,omitempty" maxItems:"100" doc:"Replaces all of them; [] leaves what the scopes say."`
		Budgets    *[]string   `json:"budgets,omitempty" maxItems:"50" doc:"Replaces all of them."`
		ExpiresAt  rest.Ending `json:"expires_at,omitempty"`
		Version    int64       `json:"version,omitempty" doc:"The version that is edited; or use If-Match."`
	}
}

func (a *API) patchGrant(ctx context.Context, c *signin.Caller, in *patchGrantIn) (*grantOut, error) {
	version, err := in.EditVersion(in.Body.Version)
	if err != nil {
		return nil, err
	}
	g, err := in.grant(ctx, c)
	if err != nil {
		return nil, err
	}
	if in.Body.Operations != nil {
		if err := a.rules(*in.Body.Operations, g.Connector); err != nil {
			return nil, err
		}
	}
	end, err := in.Body.ExpiresAt.Edit()
	if err != nil {
		return nil, err
	}
	e := vault.GrantEdit{Scopes: in.Body.Scopes, ExpiresAt: end, Operations: in.Body.Operations, Budgets: in.Body.Budgets}
	if in.Body.Rules != nil {
		rules := rulesOf(*in.Body.Rules)
		e.Rules = &rules
	}
	g, err = c.UpdateGrant(ctx, in.GrantID, version, e)
	return shownGrant(g), err
}

type deleteGrantIn struct {
	PathGrant
	rest.IfMatch
}

func (a *API) deleteGrant(ctx context.Context, c *signin.Caller, in *deleteGrantIn) (*rest.Nothing, error) {
	version, err := in.Version()
	if err != nil {
		return nil, err
	}
	if _, err := in.grant(ctx, c); err != nil {
		return nil, err
	}
	return &rest.Nothing{}, c.DeleteGrant(ctx, in.GrantID, version)
}
