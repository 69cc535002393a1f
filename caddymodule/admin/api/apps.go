package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountApps(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "list-apps", Method: http.MethodGet, Path: "/apps", Role: vault.RoleViewer, Noun: "APP", Summary: "List OAuth clients"}, a.listApps)
	rest.Register(a.rest, rest.Operation{ID: "create-app", Method: http.MethodPost, Path: "/apps", Role: vault.RoleOperator, Noun: "APP", Status: http.StatusCreated, Summary: "Store an OAuth client",
		Detail: "managed: the operator's, for every organisation. own: of one organisation, for its accounts."}, a.createApp)
	rest.Register(a.rest, rest.Operation{ID: "get-app", Method: http.MethodGet, Path: "/apps/{id}", Role: vault.RoleViewer, Noun: "APP", Summary: "Read an OAuth client"}, a.getApp)
	rest.Register(a.rest, rest.Operation{ID: "update-app", Method: http.MethodPatch, Path: "/apps/{id}", Role: vault.RoleOperator, Noun: "APP", Summary: "Edit an OAuth client"}, a.patchApp)
	rest.Register(a.rest, rest.Operation{ID: "get-app-mode", Method: http.MethodGet, Path: "/connectors/{key}/app-mode", Role: vault.RoleViewer, Noun: "CONNECTOR", Summary: "Which OAuth clients a connector's accounts are connected through"}, a.getAppMode)
	rest.Register(a.rest, rest.Operation{ID: "set-app-mode", Method: http.MethodPut, Path: "/connectors/{key}/app-mode", Role: vault.RoleOperator, Noun: "CONNECTOR", Summary: "Choose which OAuth clients a connector's accounts are connected through",
		Detail: "For the token's organisation, or for everybody with a token of every organisation. Accounts stay with the client that they were connected through until they are connected again."}, a.setAppMode)
	rest.Register(a.rest, rest.Operation{ID: "delete-app", Method: http.MethodDelete, Path: "/apps/{id}", Role: vault.RoleOperator, Noun: "APP", Status: http.StatusNoContent, Summary: "Delete an OAuth client that no account uses"}, a.deleteApp)
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
	Hosts        []string          `json:"hosts" doc:"Where the client may prove itself, fixed when its secrets were entered: they and what people consented to go there and nowhere else."`
	Active       bool              `json:"active"`
	Secrets      []SecretInfo      `json:"secrets,omitempty"`
	CreatedAt    time.Time         `json:"created_at"`
	UpdatedAt    time.Time         `json:"updated_at"`
	Version      int64             `json:"version"`
}

func appOf(x vault.App) App {
	return App{ID: x.ID, Organisation: x.Organisation, Connector: x.Connector, Mode: x.Mode, Name: x.Name, ClientID: x.ClientID,
		Params: x.Params, RedirectURIs: x.RedirectURIs, Active: x.Active, Hosts: append([]string{}, x.Hosts...), CreatedAt: x.CreatedAt, UpdatedAt: x.UpdatedAt, Version: x.Version}
}

type appOut struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     App
}

func (a *API) shownApp(ctx context.Context, c *signin.Caller, x vault.App) (*appOut, error) {
	infos, err := c.AppSecrets(ctx, x.ID)
	if err != nil {
		return nil, err
	}
	out := &appOut{ETag: rest.Etag(x.Version), Body: appOf(x)}
	out.Body.RedirectURI = c.Origin + paths.Callback
	out.Body.Secrets = secretsOf(infos)
	return out, nil
}

type listAppsIn struct {
	rest.PageQuery
	Connector string `query:"connector"`
	Mode      string `query:"mode" enum:"managed,own"`
}

func (a *API) listApps(ctx context.Context, c *signin.Caller, in *listAppsIn) (*rest.ListOut[App], error) {
	l, err := c.Apps(ctx, vault.AppFilter{Connector: in.Connector, Mode: in.Mode}, in.Page())
	return rest.Listed(l, err, appOf)
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
		Hosts        []string          `json:"hosts,omitempty" maxItems:"100" doc:"Where the client may prove itself: login.example.com, *.example.com. Default: where the connector sends it; needed where an account's fields decide that."`
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

func (a *API) createApp(ctx context.Context, c *signin.Caller, in *createAppIn) (*appOut, error) {
	con, err := a.turns.Connector(ctx, c.View, in.Body.Connector)
	switch {
	case errors.Is(err, vault.ErrNotFound):
		return nil, problem.New(http.StatusUnprocessableEntity, "CONNECTOR_NOT_FOUND", "There is no connector of that key.").At("body.connector", "is no connector")
	case err != nil:
		return nil, err
	case !usesApps(con):
		return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "No way to authenticate of this connector uses an OAuth client. Make an account with credentials.").At("body.connector", "uses no OAuth client")
	}
	app := vault.App{ClientID: in.Body.ClientID, Params: in.Body.Params}
	hosts, err := con.FixHosts(app.Client(nil), in.Body.Hosts)
	if err != nil {
		return nil, badHosts(err)
	}
	x, err := c.CreateApp(ctx, vault.App{Hosts: hosts, Checked: con.Digest(), Connector: in.Body.Connector, Mode: in.Body.Mode, Organisation: in.Body.Organisation, Name: in.Body.Name,
		ClientID: in.Body.ClientID, Params: in.Body.Params, RedirectURIs: in.Body.RedirectURIs}, secretValues(in.Body.Secrets))
	if err != nil {
		return nil, err
	}
	out, err := a.shownApp(ctx, c, x)
	if err == nil {
		out.Location = paths.API + "/apps/" + x.ID
	}
	return out, err
}

func (a *API) getApp(ctx context.Context, c *signin.Caller, in *rest.PathID) (*appOut, error) {
	x, err := c.App(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return a.shownApp(ctx, c, x)
}

type patchAppIn struct {
	rest.PathID
	rest.IfMatch
	Body struct {
		Name         *string           `json:"name,omitempty" minLength:"1" maxLength:"128"`
		ClientID     *string           `json:"client_id,omitempty" maxLength:"2048"`
		Params       map[string]string `json:"params,omitempty" doc:"Replaces all of it."`
		RedirectURIs []string          `json:"redirect_uris,omitempty" maxItems:"20" doc:"Replaces all of them."`
		Hosts        []string          `json:"hosts,omitempty" minItems:"1" maxItems:"100" doc:"Replaces all of them, together with all of the secrets, which were entered for the former."`
		Active       *bool             `json:"active,omitempty"`
		Secrets      map[string]string `json:"secrets,omitempty" writeOnly:"true" doc:"Replaces those that are named; an empty one is deleted."`
		Version      int64             `json:"version,omitempty" doc:"The version that is edited; or use If-Match."`
	}
}

func (a *API) patchApp(ctx context.Context, c *signin.Caller, in *patchAppIn) (*appOut, error) {
	version, err := in.EditVersion(in.Body.Version)
	if err != nil {
		return nil, err
	}
	hosts, checked, err := a.newHosts(ctx, c, in)
	if err != nil {
		return nil, err
	}
	x, err := c.UpdateApp(ctx, in.ID, version, vault.AppEdit{Hosts: hosts, Checked: checked, Name: in.Body.Name, ClientID: in.Body.ClientID, Params: in.Body.Params, RedirectURIs: in.Body.RedirectURIs, Active: in.Body.Active, Secrets: secretValues(in.Body.Secrets)})
	if err != nil {
		return nil, err
	}
	return a.shownApp(ctx, c, x)
}

// newHosts are the hosts of an edit: those that it names. An app of an earlier
// release gets its first with its new secrets.
func (a *API) newHosts(ctx context.Context, c *signin.Caller, in *patchAppIn) (hosts []string, checked string, err error) {
	if in.Body.Hosts == nil && len(in.Body.Secrets) == 0 {
		return nil, "", nil
	}
	x, err := c.App(ctx, in.ID)
	if err != nil {
		return nil, "", err
	}
	if in.Body.Hosts == nil && len(x.Hosts) > 0 {
		return nil, "", nil
	}
	con, err := a.turns.Connector(ctx, c.View, x.Connector)
	if err != nil {
		return nil, "", err
	}
	if in.Body.Params != nil {
		x.Params = in.Body.Params
	}
	hosts, err = con.FixHosts(x.Client(nil), in.Body.Hosts)
	if err != nil {
		return nil, "", badHosts(err)
	}
	return hosts, con.Digest(), nil
}

// badHosts is for hosts that no client can be entered for.
func badHosts(err error) error {
	return problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", problem.Sentence(err.Error())).At("body.hosts", "name the hosts of the token endpoint")
}

func (a *API) deleteApp(ctx context.Context, c *signin.Caller, in *rest.DeleteIn) (*rest.Nothing, error) {
	version, err := in.Version()
	if err != nil {
		return nil, err
	}
	return &rest.Nothing{}, c.DeleteApp(ctx, in.ID, version)
}
