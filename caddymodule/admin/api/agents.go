package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountAgents(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "list-agents", Method: http.MethodGet, Path: "/agents", Role: vault.RoleViewer, Noun: "AGENT", Summary: "List agents",
		Detail: "Agents of the configuration file come first and are read-only."}, a.listAgents)
	rest.Register(a.rest, rest.Operation{ID: "create-agent", Method: http.MethodPost, Path: "/agents", Role: vault.RoleOperator, Noun: "AGENT", Status: http.StatusCreated, Summary: "Make an agent",
		Detail: "The answer has its first token, this once."}, a.createAgent)
	rest.Register(a.rest, rest.Operation{ID: "get-agent", Method: http.MethodGet, Path: "/agents/{id}", Role: vault.RoleViewer, Noun: "AGENT", Summary: "Read an agent"}, a.getAgent)
	rest.Register(a.rest, rest.Operation{ID: "update-agent", Method: http.MethodPatch, Path: "/agents/{id}", Role: vault.RoleOperator, Noun: "AGENT", Summary: "Edit an agent"}, a.patchAgent)
	rest.Register(a.rest, rest.Operation{ID: "delete-agent", Method: http.MethodDelete, Path: "/agents/{id}", Role: vault.RoleOperator, Noun: "AGENT", Status: http.StatusNoContent, Summary: "Delete an agent, its tokens and grants"}, a.deleteAgent)
	rest.Register(a.rest, rest.Operation{ID: "set-agent-connectors", Method: http.MethodPut, Path: "/agents/{id}/connectors", Role: vault.RoleOperator, Noun: "AGENT", Summary: "Say which connectors an agent may use",
		Detail: "This is its allow list: whatever it was granted, it uses no others. null allows any."}, a.setConnectors)
}

type Agent struct {
	ID           string         `json:"id" example:"agt_0sgcas726jbkd4vts96p74w2b0"`
	Organisation string         `json:"organisation"`
	Name         string         `json:"name"`
	Description  string         `json:"description,omitempty"`
	Connectors   []string       `json:"connectors" nullable:"true" doc:"The only connectors it may use; null: any."`
	Disabled     bool           `json:"disabled"`
	ExpiresAt    *time.Time     `json:"expires_at,omitempty"`
	Metadata     map[string]any `json:"metadata,omitempty"`
	Budgets      []string       `json:"budgets,omitempty"`
	CreatedAt    *time.Time     `json:"created_at,omitempty"`
	UpdatedAt    *time.Time     `json:"updated_at,omitempty"`
	Version      int64          `json:"version,omitempty"`
	ReadOnly     bool           `json:"read_only,omitempty" doc:"Declared in the configuration file."`
}

func agentOf(x vault.Agent) Agent {
	return Agent{ID: x.ID, Organisation: x.Organisation, Name: x.Name, Description: x.Description, Connectors: x.Connectors, Disabled: x.Disabled,
		ExpiresAt: rest.OptionalTime(x.ExpiresAt), Metadata: x.Metadata, Budgets: x.Budgets, CreatedAt: rest.OptionalTime(x.CreatedAt), UpdatedAt: rest.OptionalTime(x.UpdatedAt), Version: x.Version}
}

// NewAgent is an agent with the token that is shown this once.
type NewAgent struct {
	Agent
	Token *string `json:"token" nullable:"true" doc:"Shown this once; null when the request is repeated."`
}

type agentOut struct {
	ETag string `header:"ETag"`
	Body Agent
}

type newAgentOut struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     NewAgent
}

type listAgentsIn struct {
	rest.PageQuery
	Organisation string `query:"organisation"`
	Name         string `query:"name"`
	Q            string `query:"q" maxLength:"128" doc:"Part of a name or a description."`
	Sort         string `query:"sort" enum:"created,-created,name,-name" doc:"Default: created, the oldest first. A cursor belongs to its order."`
}

func (a *API) listAgents(ctx context.Context, c *signin.Caller, in *listAgentsIn) (*rest.ListOut[Agent], error) {
	l, err := c.Agents(ctx, vault.AgentFilter{Organisation: in.Organisation, Name: in.Name, Words: strings.TrimSpace(in.Q)}, in.Ordered(in.Sort))
	out, err := rest.Listed(l, err, agentOf)
	if err == nil && in.After == "" {
		file := slices.DeleteFunc(a.fileAgents(c, in.Organisation, in.Name), func(x Agent) bool { return !holds(strings.TrimSpace(in.Q), x.Name) })
		out.Body.Items = slices.Insert(out.Body.Items, 0, file...)
	}
	return out, err
}

// fileAgents are the agents of the configuration file.
func (a *API) fileAgents(c *signin.Caller, org, name string) (out []Agent) {
	if a.c.Declared == nil || !seesFile(c, org) {
		return nil
	}
	for _, d := range a.c.Declared.Agents() {
		if name == "" || name == d.Name {
			out = append(out, Agent{ID: vault.FileAgent + d.Name, Organisation: vault.DefaultOrganisation, Name: d.Name, Budgets: d.Budgets, ReadOnly: true})
		}
	}
	return out
}

// fileAgent finds one of them.
func (a *API) fileAgent(c *signin.Caller, id string) (Agent, error) {
	for _, b := range a.fileAgents(c, "", "") {
		if b.ID == id {
			return b, nil
		}
	}
	return Agent{}, vault.ErrNotFound
}

// agent is one of the vault or of the configuration file.
func (a *API) agent(ctx context.Context, c *signin.Caller, id string) (Agent, error) {
	if strings.HasPrefix(id, vault.FileAgent) {
		return a.fileAgent(c, id)
	}
	x, err := c.Agent(ctx, id)
	return agentOf(x), err
}

type createAgentIn struct {
	Body struct {
		Organisation string         `json:"organisation,omitempty" maxLength:"128" doc:"Default: the token's own, or \"default\"."`
		Name         string         `json:"name" minLength:"1" maxLength:"128" doc:"Unique in its organisation; the user name at the proxy."`
		Description  string         `json:"description,omitempty" maxLength:"2048"`
		Connectors   []string       `json:"connectors,omitempty" maxItems:"1000" doc:"The only connectors it may use; absent: any."`
		ExpiresAt    time.Time      `json:"expires_at,omitzero"`
		Metadata     map[string]any `json:"metadata,omitempty"`
		Budgets      []string       `json:"budgets,omitempty" maxItems:"50" doc:"How much the agent may use, and what it costs, line by line." example:"[\"budget 25 USD per month\"]"`
	}
}

func (a *API) createAgent(ctx context.Context, c *signin.Caller, in *createAgentIn) (*newAgentOut, error) {
	if err := a.knownConnectors(ctx, c, in.Body.Connectors); err != nil {
		return nil, err
	}
	if err := rest.Ahead(in.Body.ExpiresAt); err != nil {
		return nil, err
	}
	x, token, err := c.CreateAgent(ctx, vault.NewAgent{Organisation: in.Body.Organisation, Name: in.Body.Name, Description: in.Body.Description,
		Connectors: in.Body.Connectors, ExpiresAt: in.Body.ExpiresAt, Metadata: in.Body.Metadata, Budgets: in.Body.Budgets})
	if err != nil {
		return nil, err
	}
	c.ShownOnce("token")
	return &newAgentOut{ETag: rest.Etag(x.Version), Location: paths.API + "/agents/" + x.ID, Body: NewAgent{agentOf(x), rest.Revealed(token)}}, nil
}

// knownConnectors refuses keys of no connector.
func (a *API) knownConnectors(ctx context.Context, c *signin.Caller, keys []string) error {
	for _, key := range keys {
		if _, ok := a.c.Catalogue.Connector(key); ok {
			continue
		}
		_, err := c.Connector(ctx, key)
		if err != nil && !errors.Is(err, vault.ErrNotFound) {
			return err
		}
		if err != nil {
			return problem.New(http.StatusUnprocessableEntity, "CONNECTOR_NOT_FOUND", "The allow list, connectors, has "+key+", and there is no connector of that name.").At("body.connectors", "the allow list has "+key+", which is no connector")
		}
	}
	return nil
}

func (a *API) getAgent(ctx context.Context, c *signin.Caller, in *rest.PathID) (*agentOut, error) {
	b, err := a.agent(ctx, c, in.ID)
	out := &agentOut{Body: b}
	if !b.ReadOnly {
		out.ETag = rest.Etag(b.Version)
	}
	return out, err
}

type patchAgentIn struct {
	rest.PathID
	rest.IfMatch
	Body struct {
		Name        *string        `json:"name,omitempty" minLength:"1" maxLength:"128"`
		Description *string        `json:"description,omitempty" maxLength:"2048"`
		Disabled    *bool          `json:"disabled,omitempty"`
		ExpiresAt   rest.Ending    `json:"expires_at,omitempty"`
		Metadata    map[string]any `json:"metadata,omitempty" doc:"Replaces all of it."`
		Budgets     *[]string      `json:"budgets,omitempty" maxItems:"50" doc:"Replaces all of them."`
		Version     int64          `json:"version,omitempty" doc:"The version that is edited; or use If-Match."`
	}
}

func (a *API) patchAgent(ctx context.Context, c *signin.Caller, in *patchAgentIn) (*agentOut, error) {
	if err := a.editable(in.ID); err != nil {
		return nil, err
	}
	version, err := in.EditVersion(in.Body.Version)
	if err != nil {
		return nil, err
	}
	end, err := in.Body.ExpiresAt.Edit()
	if err != nil {
		return nil, err
	}
	x, err := c.UpdateAgent(ctx, in.ID, version, vault.AgentEdit{Name: in.Body.Name, Description: in.Body.Description, Disabled: in.Body.Disabled, ExpiresAt: end, Metadata: in.Body.Metadata, Budgets: in.Body.Budgets})
	return &agentOut{rest.Etag(x.Version), agentOf(x)}, err
}

func (a *API) deleteAgent(ctx context.Context, c *signin.Caller, in *rest.DeleteIn) (*rest.Nothing, error) {
	if err := a.editable(in.ID); err != nil {
		return nil, err
	}
	version, err := in.Version()
	if err != nil {
		return nil, err
	}
	return &rest.Nothing{}, c.DeleteAgent(ctx, in.ID, version)
}

type setConnectorsIn struct {
	rest.PathID
	rest.IfMatch
	Body struct {
		Connectors []string `json:"connectors" nullable:"true" maxItems:"1000" doc:"Keys; null: any."`
	}
}

func (a *API) setConnectors(ctx context.Context, c *signin.Caller, in *setConnectorsIn) (*agentOut, error) {
	if err := a.editable(in.ID); err != nil {
		return nil, err
	}
	version, err := in.Version()
	if err != nil {
		return nil, err
	}
	if err := a.knownConnectors(ctx, c, in.Body.Connectors); err != nil {
		return nil, err
	}
	x, err := c.UpdateAgent(ctx, in.ID, version, vault.AgentEdit{Connectors: &in.Body.Connectors})
	return &agentOut{rest.Etag(x.Version), agentOf(x)}, err
}

func mountAgentTokens(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "list-agent-tokens", Method: http.MethodGet, Path: "/agents/{id}/tokens", Role: vault.RoleViewer, Noun: "AGENT", Summary: "List an agent's tokens"}, a.listAgentTokens)
	rest.Register(a.rest, rest.Operation{ID: "create-agent-token", Method: http.MethodPost, Path: "/agents/{id}/tokens", Role: vault.RoleOperator, Noun: "AGENT", Status: http.StatusCreated, Summary: "Give an agent a further token",
		Detail: "Both work until the old one is deleted: that is how a token is rotated."}, a.createAgentToken)
	rest.Register(a.rest, rest.Operation{ID: "delete-agent-token", Method: http.MethodDelete, Path: "/agents/{id}/tokens/{token_id}", Role: vault.RoleOperator, Noun: "TOKEN", Status: http.StatusNoContent, Summary: "End a token"}, a.deleteAgentToken)
}

type TokenInfo struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Last4     string     `json:"last4"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

func tokenOf(i vault.TokenInfo) TokenInfo {
	return TokenInfo{i.ID, i.Name, i.Hint, i.CreatedAt, rest.OptionalTime(i.ExpiresAt)}
}

type NewToken struct {
	TokenInfo
	Token *string `json:"token" nullable:"true" doc:"Shown this once; null when the request is repeated."`
}

type newTokenOut struct{ Body NewToken }

func (a *API) listAgentTokens(ctx context.Context, c *signin.Caller, in *rest.PathID) (*rest.ListOut[TokenInfo], error) {
	if err := a.editable(in.ID); err != nil {
		return nil, err
	}
	infos, err := c.AgentTokens(ctx, in.ID)
	return rest.Listed(vault.List[vault.TokenInfo]{Items: infos}, err, tokenOf)
}

type createAgentTokenIn struct {
	rest.PathID
	Body struct {
		Name      string    `json:"name" minLength:"1" maxLength:"128" doc:"What it is for."`
		ExpiresAt time.Time `json:"expires_at,omitzero" doc:"Absent: never."`
	}
}

func (a *API) createAgentToken(ctx context.Context, c *signin.Caller, in *createAgentTokenIn) (*newTokenOut, error) {
	if err := a.editable(in.ID); err != nil {
		return nil, err
	}
	if err := rest.Ahead(in.Body.ExpiresAt); err != nil {
		return nil, err
	}
	info, token, err := c.AddAgentToken(ctx, in.ID, in.Body.Name, in.Body.ExpiresAt)
	if err != nil {
		return nil, err
	}
	c.ShownOnce("token")
	return &newTokenOut{NewToken{tokenOf(info), rest.Revealed(token)}}, nil
}

type deleteAgentTokenIn struct {
	rest.PathID
	TokenID string `path:"token_id" maxLength:"128"`
}

func (a *API) deleteAgentToken(ctx context.Context, c *signin.Caller, in *deleteAgentTokenIn) (*rest.Nothing, error) {
	if err := a.editable(in.ID); err != nil {
		return nil, err
	}
	return &rest.Nothing{}, c.DeleteAgentToken(ctx, in.ID, in.TokenID)
}
