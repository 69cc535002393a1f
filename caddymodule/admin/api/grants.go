package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/resolver/vault"
)

func mountGrants(a *API) {
	register(a, operation{id: "list-grants", method: http.MethodGet, path: "/grants", role: vault.RoleViewer, noun: "GRANT", summary: "List who may use what"}, a.listGrants)
	register(a, operation{id: "list-agent-grants", method: http.MethodGet, path: "/agents/{id}/grants", role: vault.RoleViewer, noun: "AGENT", summary: "List what an agent may use"}, a.listAgentGrants)
	register(a, operation{id: "create-grant", method: http.MethodPost, path: "/agents/{id}/grants", role: vault.RoleOperator, noun: "GRANT", status: http.StatusCreated, summary: "Let an agent use an account",
		detail: "Of its own organisation. It holds from the agent's next request on, open tunnels included."}, a.createGrant)
	register(a, operation{id: "get-grant", method: http.MethodGet, path: "/agents/{id}/grants/{grant_id}", role: vault.RoleViewer, noun: "GRANT", summary: "Read a grant"}, a.getGrant)
	register(a, operation{id: "update-grant", method: http.MethodPatch, path: "/agents/{id}/grants/{grant_id}", role: vault.RoleOperator, noun: "GRANT", summary: "Edit a grant"}, a.patchGrant)
	register(a, operation{id: "delete-grant", method: http.MethodDelete, path: "/agents/{id}/grants/{grant_id}", role: vault.RoleOperator, noun: "GRANT", status: http.StatusNoContent, summary: "Take an account away from an agent"}, a.deleteGrant)
}

type Grant struct {
	ID           string     `json:"id,omitempty"`
	Organisation string     `json:"organisation"`
	AgentID      string     `json:"agent_id"`
	AccountID    string     `json:"account_id,omitempty" doc:"Absent for grants of the configuration file that are of every account."`
	Connector    string     `json:"connector"`
	Scopes       []string   `json:"scopes"`
	Rules        []Rule     `json:"rules,omitempty"`
	ExpiresAt    *time.Time `json:"expires_at,omitempty"`
	CreatedAt    *time.Time `json:"created_at,omitempty"`
	UpdatedAt    *time.Time `json:"updated_at,omitempty"`
	Version      int64      `json:"version,omitempty"`
	ReadOnly     bool       `json:"read_only,omitempty" doc:"Declared in the configuration file."`
}

type Rule struct {
	Methods []string `json:"methods,omitempty" doc:"In capitals; absent: any." example:"[\"GET\"]"`
	Path    string   `json:"path,omitempty" doc:"* is one segment, ** at the end any rest; absent: any." example:"/repos/*/issues/**"`
}

func grantOf(g vault.Grant) Grant {
	b := Grant{ID: g.ID, Organisation: g.Organisation, AgentID: g.AgentID, AccountID: g.AccountID, Connector: g.Connector, Scopes: g.Scopes,
		ExpiresAt: optionalTime(g.ExpiresAt), CreatedAt: optionalTime(g.CreatedAt), UpdatedAt: optionalTime(g.UpdatedAt), Version: g.Version}
	for _, r := range g.Rules {
		b.Rules = append(b.Rules, Rule{r.Methods, r.Path})
	}
	return b
}

func rulesOf(in []Rule) []vault.Rule {
	var out []vault.Rule
	for _, r := range in {
		out = append(out, vault.Rule{Methods: r.Methods, Path: r.Path})
	}
	return out
}

type grantOut struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     Grant
}

func shownGrant(g vault.Grant) *grantOut { return &grantOut{ETag: etag(g.Version), Body: grantOf(g)} }

type listGrantsIn struct {
	PageQuery
	AgentID      string `query:"agent_id"`
	AccountID    string `query:"account_id"`
	Connector    string `query:"connector"`
	Organisation string `query:"organisation"`
}

func (a *API) listGrants(ctx context.Context, c *Caller, in *listGrantsIn) (*listOut[Grant], error) {
	l, err := c.Grants(ctx, vault.GrantFilter{AgentID: in.AgentID, AccountID: in.AccountID, Connector: in.Connector, Organisation: in.Organisation}, in.page())
	return listed(l, err, grantOf)
}

type listAgentGrantsIn struct {
	PathID
	PageQuery
}

func (a *API) listAgentGrants(ctx context.Context, c *Caller, in *listAgentGrantsIn) (*listOut[Grant], error) {
	file := strings.HasPrefix(in.ID, vault.FileAgent)
	if file {
		if _, err := a.fileAgent(c, in.ID); err != nil {
			return nil, err
		}
	} else if _, err := c.Agent(ctx, in.ID); err != nil {
		return nil, err
	}
	l, err := c.Grants(ctx, vault.GrantFilter{AgentID: in.ID}, in.page())
	out, err := listed(l, err, grantOf)
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
			b := Grant{Organisation: vault.DefaultOrganisation, AgentID: id, Connector: g.Connector, Scopes: []string{"read"}, ReadOnly: true}
			if g.Write {
				b.Scopes = append(b.Scopes, "write")
			}
			if g.Presign {
				b.Scopes = append(b.Scopes, "presign")
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
	PathID
	Body struct {
		AccountID string    `json:"account_id" minLength:"1" maxLength:"128"`
		Scopes    []string  `json:"scopes" minItems:"1" maxItems:"3" enum:"read,write,presign" doc:"read, write or both. Reading is GET, HEAD, OPTIONS and what the connector lists. With presign beside them the agent may have URLs that work without the proxy for a while."`
		Rules     []Rule    `json:"rules,omitempty" maxItems:"50" doc:"A request must match one of them; absent: every request."`
		ExpiresAt time.Time `json:"expires_at,omitzero" doc:"Absent: never."`
	}
}

func (a *API) createGrant(ctx context.Context, c *Caller, in *createGrantIn) (*grantOut, error) {
	if strings.HasPrefix(in.ID, vault.FileAgent) {
		if _, err := a.fileAgent(c, in.ID); err != nil {
			return nil, problem(http.StatusNotFound, "AGENT_NOT_FOUND", "There is no such agent here.")
		}
	} else if _, err := c.Agent(ctx, in.ID); err != nil {
		return nil, a.explain(err, "AGENT", c)
	}
	if strings.HasPrefix(in.Body.AccountID, vault.FileAgent) {
		return nil, problem(http.StatusConflict, "READ_ONLY", "An account of the configuration file is granted there.").at("body.account_id", "is declared in the configuration file")
	}
	if _, err := c.Account(ctx, in.Body.AccountID); err != nil {
		return nil, a.explain(err, "ACCOUNT", c)
	}
	if err := ahead(in.Body.ExpiresAt); err != nil {
		return nil, err
	}
	g, err := c.CreateGrant(ctx, vault.NewGrant{AgentID: in.ID, AccountID: in.Body.AccountID, Scopes: in.Body.Scopes, Rules: rulesOf(in.Body.Rules), ExpiresAt: in.Body.ExpiresAt})
	if err != nil {
		return nil, err
	}
	out := shownGrant(g)
	out.Location = Base + "/agents/" + in.ID + "/grants/" + g.ID
	return out, nil
}

type PathGrant struct {
	PathID
	GrantID string `path:"grant_id" maxLength:"128"`
}

// grant finds a grant of the agent that the path names.
func (in *PathGrant) grant(ctx context.Context, c *Caller) (vault.Grant, error) {
	g, err := c.Grant(ctx, in.GrantID)
	if err == nil && g.AgentID != in.ID {
		err = vault.ErrNotFound
	}
	return g, err
}

func (a *API) getGrant(ctx context.Context, c *Caller, in *PathGrant) (*grantOut, error) {
	g, err := in.grant(ctx, c)
	return shownGrant(g), err
}

type patchGrantIn struct {
	PathGrant
	IfMatch
	Body struct {
		Scopes    []string `json:"scopes,omitempty" minItems:"1" maxItems:"3" enum:"read,write,presign"`
		Rules     *[]Rule  `json:"rules,omitempty" maxItems:"50" doc:"Replaces all of them; [] allows every request."`
		ExpiresAt Ending   `json:"expires_at,omitempty"`
		Version   int64    `json:"version,omitempty" doc:"The version that is edited; or use If-Match."`
	}
}

func (a *API) patchGrant(ctx context.Context, c *Caller, in *patchGrantIn) (*grantOut, error) {
	version, err := in.editVersion(in.Body.Version)
	if err != nil {
		return nil, err
	}
	if _, err := in.grant(ctx, c); err != nil {
		return nil, err
	}
	end, err := in.Body.ExpiresAt.edit()
	if err != nil {
		return nil, err
	}
	e := vault.GrantEdit{Scopes: in.Body.Scopes, ExpiresAt: end}
	if in.Body.Rules != nil {
		rules := rulesOf(*in.Body.Rules)
		e.Rules = &rules
	}
	g, err := c.UpdateGrant(ctx, in.GrantID, version, e)
	return shownGrant(g), err
}

type deleteGrantIn struct {
	PathGrant
	IfMatch
}

func (a *API) deleteGrant(ctx context.Context, c *Caller, in *deleteGrantIn) (*nothing, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	if _, err := in.grant(ctx, c); err != nil {
		return nil, err
	}
	return &nothing{}, c.DeleteGrant(ctx, in.GrantID, version)
}
