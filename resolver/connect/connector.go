package connect

import (
	"context"
	"errors"
	"net/http"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// FlowOf is how a person connects.
func FlowOf(o *providers.Option) string {
	switch {
	case !NeedsPerson(o):
		return "credentials"
	case o.OAuth != nil && o.OAuth.GrantType() == "device_code":
		return "device_code"
	}
	return "popup_oauth"
}

// Compiled compiles a custom connector.
func (a *Turns) Compiled(v vault.Connector) (*providers.Connector, error) {
	def, err := providers.Parse("connector "+v.Key, []byte(v.Definition))
	if err != nil {
		return nil, err
	}
	return a.c.Catalogue.Check(def)
}

// Connector finds a connector that can be connected: a custom one that is active
// for this caller, or one of the catalogue.
func (a *Turns) Connector(ctx context.Context, c *vault.View, key string) (*providers.Connector, error) {
	if con, ok := a.c.Catalogue.Connector(key); ok {
		return con, nil
	}
	v, err := c.Connector(ctx, key)
	if err != nil {
		return nil, err
	}
	if v.State == "inactive" {
		return nil, problem.New(http.StatusConflict, "CONNECTOR_INACTIVE", "The connector "+key+" is switched off; PATCH /connectors/"+key+" with {\"active\": true} switches it on.")
	}
	con, err := a.Compiled(v)
	if err != nil {
		return nil, problem.New(http.StatusConflict, "CONNECTOR_ERROR", problem.Sentence("the connector cannot be used: "+err.Error()))
	}
	return con, nil
}

// Option finds a connector, built in or custom, and one of its options.
func (a *Turns) Option(ctx context.Context, c *vault.View, key, name string) (*providers.Connector, *providers.Option, error) {
	con, err := a.Connector(ctx, c, key)
	if err != nil {
		if errors.Is(err, vault.ErrNotFound) {
			err = problem.New(http.StatusUnprocessableEntity, "CONNECTOR_NOT_FOUND", "There is no connector of that key; GET /api/v1/connectors lists them.").At("body.connector", "is no connector")
		}
		return nil, nil, err
	}
	opt, ok := con.Option(name)
	if !ok {
		return nil, nil, problem.New(http.StatusUnprocessableEntity, "OPTION_NOT_FOUND", "This connector has the options "+con.OptionNames()+".").At("body.option", "is none of "+con.OptionNames())
	}
	return con, opt, nil
}

// NeedsPerson reports whether only a person in a browser can finish connecting.
func NeedsPerson(opt *providers.Option) bool {
	switch opt.Type {
	case providers.TypeOAuth1, providers.TypeMCP:
		return true
	case providers.TypeOAuth2:
		grant := opt.OAuth.GrantType()
		return grant == "authorization_code" || grant == "device_code"
	}
	return false
}
