package api

import (
	"context"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// AppMode says which OAuth clients a connector's accounts are connected through.
type AppMode struct {
	Mode string `json:"mode" enum:"auto,managed,own" doc:"managed: the operator's. own: the organisation's own. auto: its own if it has one, else the operator's."`
}

type appModeOut struct {
	Body struct {
		AppMode
		AppID       string   `json:"app_id,omitempty" doc:"The client that a new account would be connected through; absent where there is none."`
		RedirectURI string   `json:"redirect_uri" doc:"Our callback: register it at the service."`
		Hosts       []string `json:"hosts" doc:"Where a client is sent that is entered now and names no hosts."`
		OpenHosts   []string `json:"open_hosts" doc:"Endpoints whose host an account's fields decide: whoever enters a client must name hosts where there are any."`
	}
}

func (a *API) getAppMode(ctx context.Context, c *signin.Caller, in *PathKey) (*appModeOut, error) {
	con, err := a.turns.Connector(ctx, c.View, in.Key)
	if err != nil {
		return nil, err
	}
	org := c.Organisation()
	mode, err := a.v.AppMode(ctx, in.Key, org)
	if err != nil {
		return nil, err
	}
	if org == vault.All {
		org = vault.DefaultOrganisation
	}
	apps, err := a.v.AppsFor(ctx, in.Key, org)
	if err != nil {
		return nil, err
	}
	out := &appModeOut{}
	out.Body.Mode, out.Body.RedirectURI = mode, c.Origin+paths.Callback
	hosts, open := con.FixedHosts(secret.Values{})
	out.Body.Hosts, out.Body.OpenHosts = append([]string{}, hosts...), append([]string{}, open...)
	if len(apps) > 0 {
		out.Body.AppID = apps[0].ID
	}
	return out, nil
}

type setAppModeIn struct {
	PathKey
	Body AppMode
}

func (a *API) setAppMode(ctx context.Context, c *signin.Caller, in *setAppModeIn) (*appModeOut, error) {
	if _, err := a.turns.Connector(ctx, c.View, in.Key); err != nil {
		return nil, err
	}
	if err := c.SetAppMode(ctx, in.Key, in.Body.Mode); err != nil {
		return nil, err
	}
	return a.getAppMode(ctx, c, &in.PathKey)
}
