package api

import (
	"context"
	"net/http"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountTokens(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "list-tokens", Method: http.MethodGet, Path: "/tokens", Role: vault.RoleAdmin, Noun: "TOKEN", Summary: "List admin tokens"}, a.listTokens)
	rest.Register(a.rest, rest.Operation{ID: "create-token", Method: http.MethodPost, Path: "/tokens", Role: vault.RoleAdmin, Noun: "TOKEN", Status: http.StatusCreated, Summary: "Make an admin token"}, a.createToken)
	rest.Register(a.rest, rest.Operation{ID: "delete-token", Method: http.MethodDelete, Path: "/tokens/{id}", Role: vault.RoleAdmin, Noun: "TOKEN", Status: http.StatusNoContent, Summary: "End an admin token"}, a.deleteToken)
}

type AdminToken struct {
	TokenInfo
	Role         string `json:"role" enum:"admin,operator,viewer"`
	Organisation string `json:"organisation" doc:"* is every one."`
	CreatedBy    string `json:"created_by"`
}

func adminTokenOf(x vault.AdminToken) AdminToken {
	return AdminToken{tokenOf(x.TokenInfo), string(x.Role), x.Organisation, x.CreatedBy}
}

func (a *API) listTokens(ctx context.Context, c *signin.Caller, in *rest.PageQuery) (*rest.ListOut[AdminToken], error) {
	l, err := c.AdminTokens(ctx, in.Page())
	return rest.Listed(l, err, adminTokenOf)
}

type createTokenIn struct {
	Body struct {
		Name         string    `json:"name" minLength:"1" maxLength:"128"`
		Role         string    `json:"role" enum:"admin,operator,viewer"`
		Organisation string    `json:"organisation,omitempty" doc:"Default: the caller's own; * is every one."`
		ExpiresAt    time.Time `json:"expires_at,omitzero" doc:"Absent: never."`
	}
}

type createTokenOut struct {
	Body struct {
		AdminToken
		Token *string `json:"token" nullable:"true" doc:"Shown this once; null when the request is repeated."`
	}
}

func (a *API) createToken(ctx context.Context, c *signin.Caller, in *createTokenIn) (*createTokenOut, error) {
	if err := rest.Ahead(in.Body.ExpiresAt); err != nil {
		return nil, err
	}
	x, token, err := c.CreateAdminToken(ctx, in.Body.Name, vault.Role(in.Body.Role), in.Body.Organisation, in.Body.ExpiresAt)
	if err != nil {
		return nil, err
	}
	c.ShownOnce("token")
	out := &createTokenOut{}
	out.Body.AdminToken, out.Body.Token = adminTokenOf(x), rest.Revealed(token)
	return out, nil
}

func (a *API) deleteToken(ctx context.Context, c *signin.Caller, in *rest.PathID) (*rest.Nothing, error) {
	return &rest.Nothing{}, c.DeleteAdminToken(ctx, in.ID)
}

func mountMe(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "get-me", Method: http.MethodGet, Path: "/me", Role: vault.RoleViewer, Noun: "TOKEN", Summary: "Who is calling"}, a.me)
	rest.Register(a.rest, rest.Operation{ID: "get-status", Method: http.MethodGet, Path: "/status", Role: vault.RoleViewer, Noun: "VAULT", Summary: "How the vault is",
		Detail: "Counts everything, and so takes a while in a large vault. For tokens of every organisation."}, a.status)
}

type meOut struct {
	Body struct {
		Name         string `json:"name"`
		Role         string `json:"role" enum:"admin,operator,viewer"`
		Organisation string `json:"organisation" doc:"* is every one."`
		// Of people who signed in:
		CSRFToken string     `json:"csrf_token,omitempty" doc:"What a page sends as X-CSRF-Token, where the session's cookie opens the API."`
		ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When the session ends."`
	}
}

func (a *API) me(_ context.Context, c *signin.Caller, _ *struct{}) (*meOut, error) {
	out := &meOut{}
	out.Body.Name, out.Body.Role, out.Body.Organisation = c.Name, string(c.Role), c.Organisation()
	if c.SignIn != nil {
		out.Body.CSRFToken, out.Body.ExpiresAt = c.CSRF, rest.OptionalTime(c.SignIn.ExpiresAt)
	}
	return out, nil
}

type vaultStatusOut struct {
	Body struct {
		Driver        string           `json:"driver" enum:"sqlite,postgres"`
		SchemaVersion int64            `json:"schema_version"`
		Bytes         int64            `json:"bytes" doc:"Of the database."`
		Rows          map[string]int64 `json:"rows"`
		Accounts      map[string]int64 `json:"accounts" doc:"By state."`
		Keys          []string         `json:"keys" doc:"Ids of the keys; the first seals."`
		Sealed        map[string]int64 `json:"sealed" doc:"Secrets by the key that sealed them."`
		DroppedEvents int64            `json:"dropped_events"`
	}
}

func (a *API) status(ctx context.Context, c *signin.Caller, _ *struct{}) (*vaultStatusOut, error) {
	if c.Organisation() != vault.All {
		return nil, problem.New(http.StatusForbidden, "INVALID_PERMISSIONS", "Only a token for every organisation sees the whole vault.")
	}
	st, err := a.v.Status(ctx)
	if err != nil {
		return nil, err
	}
	out := &vaultStatusOut{}
	b := &out.Body
	b.Driver, b.SchemaVersion, b.Bytes, b.Rows, b.Keys, b.Sealed, b.DroppedEvents = st.Driver, st.SchemaVersion, st.Bytes, st.Rows, st.Keys, st.Secrets, st.DroppedEvents
	b.Accounts = map[string]int64{}
	for s, n := range st.States {
		b.Accounts[string(s)] = n
	}
	return out, nil
}
