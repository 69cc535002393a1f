package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountApps(a *API) {
	register(a, operation{id: "list-apps", method: http.MethodGet, path: "/apps", role: vault.RoleViewer, noun: "APP", summary: "List OAuth clients"}, a.listApps)
	register(a, operation{id: "create-app", method: http.MethodPost, path: "/apps", role: vault.RoleOperator, noun: "APP", status: http.StatusCreated, summary: "Store an OAuth client",
		detail: "managed: the operator's, for every organisation. own: of one organisation, for its accounts."}, a.createApp)
	register(a, operation{id: "get-app", method: http.MethodGet, path: "/apps/{id}", role: vault.RoleViewer, noun: "APP", summary: "Read an OAuth client"}, a.getApp)
	register(a, operation{id: "update-app", method: http.MethodPatch, path: "/apps/{id}", role: vault.RoleOperator, noun: "APP", summary: "Edit an OAuth client"}, a.patchApp)
	register(a, operation{id: "get-app-mode", method: http.MethodGet, path: "/connectors/{key}/app-mode", role: vault.RoleViewer, noun: "CONNECTOR", summary: "Which OAuth clients a connector's accounts are connected through"}, a.getAppMode)
	register(a, operation{id: "set-app-mode", method: http.MethodPut, path: "/connectors/{key}/app-mode", role: vault.RoleOperator, noun: "CONNECTOR", summary: "Choose which OAuth clients a connector's accounts are connected through",
		detail: "For the token's organisation, or for everybody with a token of every organisation. Accounts stay with the client that they were connected through until they are connected again."}, a.setAppMode)
	register(a, operation{id: "delete-app", method: http.MethodDelete, path: "/apps/{id}", role: vault.RoleOperator, noun: "APP", status: http.StatusNoContent, summary: "Delete an OAuth client that no account uses"}, a.deleteApp)
}

type App struct {
	ID           string            `json:"id"`
	Organisation string            `json:"organisation" doc:"* is everybody's."`
	Connector    string            `json:"connector"`
	Mode         string            `json:"mode" enum:"managed,own"`
	Name         string            `json:"name"`
	ClientID     string            `json:"client_id,omitempty"`
	Params       map[string]string `json:"params,omitempty" doc:"Further values that are not secret."`
	RedirectURI  string            `json:"redirect_uri,omitempty" doc:"Our callback: register it at the service."`
	RedirectURIs []string          `json:"redirect_uris,omitempty" doc:"Callbacks of your own that authorize may be given."`
	Active       bool              `json:"active"`
	Secrets      []SecretInfo      `json:"secrets,omitempty"`
	CreatedAt    time.Time         `json:"created_at"`
	UpdatedAt    time.Time         `json:"updated_at"`
	Version      int64             `json:"version"`
}

func appOf(x vault.App) App {
	return App{ID: x.ID, Organisation: x.Organisation, Connector: x.Connector, Mode: x.Mode, Name: x.Name, ClientID: x.ClientID,
		Params: x.Params, RedirectURIs: x.RedirectURIs, Active: x.Active, CreatedAt: x.CreatedAt, UpdatedAt: x.UpdatedAt, Version: x.Version}
}

type appOut struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     App
}

func (a *API) shownApp(ctx context.Context, c *Caller, x vault.App) (*appOut, error) {
	infos, err := c.AppSecrets(ctx, x.ID)
	if err != nil {
		return nil, err
	}
	out := &appOut{ETag: etag(x.Version), Body: appOf(x)}
	out.Body.RedirectURI = c.origin + CallbackPath
	out.Body.Secrets = secretsOf(infos)
	return out, nil
}

type listAppsIn struct {
	PageQuery
	Connector string `query:"connector"`
	Mode      string `query:"mode" enum:"managed,own"`
}

func (a *API) listApps(ctx context.Context, c *Caller, in *listAppsIn) (*listOut[App], error) {
	l, err := c.Apps(ctx, vault.AppFilter{Connector: in.Connector, Mode: in.Mode}, in.page())
	return listed(l, err, appOf)
}

type createAppIn struct {
	Body struct {
		Connector    string            `json:"connector" minLength:"1"`
		Mode         string            `json:"mode" enum:"managed,own"`
		Organisation string            `json:"organisation,omitempty" doc:"Of an own app; default: the token's."`
		Name         string            `json:"name,omitempty" maxLength:"128" doc:"Default: \"default\"."`
		ClientID     string            `json:"client_id,omitempty" maxLength:"2048"`
		Params       map[string]string `json:"params,omitempty"`
		RedirectURIs []string          `json:"redirect_uris,omitempty" maxItems:"20" doc:"Callbacks of your own, as they are registered at the service."`
		Secrets      map[string]string `json:"secrets,omitempty" writeOnly:"true" doc:"client_secret, private_key and the like."`
	}
}

// secretValues reads secrets of a request; an empty one deletes.
func secretValues(in map[string]string) secret.Values {
	out := secret.Values{}
	for name, v := range in {
		out[name] = secret.New(v)
	}
	return out
}

// usesApps reports whether a connector has a way to authenticate that goes through
// an OAuth client.
func usesApps(con *providers.Connector) bool {
	return slices.ContainsFunc(con.Options, func(o *providers.Option) bool { return o.Type != providers.TypeCredentials })
}

func (a *API) createApp(ctx context.Context, c *Caller, in *createAppIn) (*appOut, error) {
	con, err := a.connector(ctx, c, in.Body.Connector)
	switch {
	case errors.Is(err, vault.ErrNotFound):
		return nil, problem(http.StatusUnprocessableEntity, "CONNECTOR_NOT_FOUND", "There is no connector of that key.").at("body.connector", "is no connector")
	case err != nil:
		return nil, err
	case !usesApps(con):
		return nil, problem(http.StatusUnprocessableEntity, "INVALID_INPUT", "No way to authenticate of this connector uses an OAuth client. Make an account with credentials.").at("body.connector", "uses no OAuth client")
	}
	x, err := c.CreateApp(ctx, vault.App{Connector: in.Body.Connector, Mode: in.Body.Mode, Organisation: in.Body.Organisation, Name: in.Body.Name,
		ClientID: in.Body.ClientID, Params: in.Body.Params, RedirectURIs: in.Body.RedirectURIs}, secretValues(in.Body.Secrets))
	if err != nil {
		return nil, err
	}
	out, err := a.shownApp(ctx, c, x)
	if err == nil {
		out.Location = Base + "/apps/" + x.ID
	}
	return out, err
}

func (a *API) getApp(ctx context.Context, c *Caller, in *PathID) (*appOut, error) {
	x, err := c.App(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return a.shownApp(ctx, c, x)
}

type patchAppIn struct {
	PathID
	IfMatch
	Body struct {
		Name         *string           `json:"name,omitempty" minLength:"1" maxLength:"128"`
		ClientID     *string           `json:"client_id,omitempty" maxLength:"2048"`
		Params       map[string]string `json:"params,omitempty" doc:"Replaces all of it."`
		RedirectURIs []string          `json:"redirect_uris,omitempty" maxItems:"20" doc:"Replaces all of them."`
		Active       *bool             `json:"active,omitempty"`
		Secrets      map[string]string `json:"secrets,omitempty" writeOnly:"true" doc:"Replaces those that are named; an empty one is deleted."`
		Version      int64             `json:"version,omitempty" doc:"The version that is edited; or use If-Match."`
	}
}

func (a *API) patchApp(ctx context.Context, c *Caller, in *patchAppIn) (*appOut, error) {
	version, err := in.editVersion(in.Body.Version)
	if err != nil {
		return nil, err
	}
	x, err := c.UpdateApp(ctx, in.ID, version, vault.AppEdit{Name: in.Body.Name, ClientID: in.Body.ClientID, Params: in.Body.Params, RedirectURIs: in.Body.RedirectURIs, Active: in.Body.Active, Secrets: secretValues(in.Body.Secrets)})
	if err != nil {
		return nil, err
	}
	return a.shownApp(ctx, c, x)
}

func (a *API) deleteApp(ctx context.Context, c *Caller, in *deleteIn) (*nothing, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return &nothing{}, c.DeleteApp(ctx, in.ID, version)
}
