package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountConnectorEdits(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "create-connector", Method: http.MethodPost, Path: "/connectors", Role: vault.RoleOperator, Noun: "CONNECTOR", Status: http.StatusCreated, Summary: "Make a custom connector",
		Detail: "From a form, from YAML, or from the URL of an MCP server. Where the form has credentials, an account named \"default\" is made of them and granted to the agents."}, a.createConnector)
	rest.Register(a.rest, rest.Operation{ID: "update-connector", Method: http.MethodPatch, Path: "/connectors/{key}", Role: vault.RoleOperator, Noun: "CONNECTOR", Summary: "Edit a custom connector"}, a.patchConnector)
	rest.Register(a.rest, rest.Operation{ID: "delete-connector", Method: http.MethodDelete, Path: "/connectors/{key}", Role: vault.RoleOperator, Noun: "CONNECTOR", Status: http.StatusNoContent, Summary: "Delete a custom connector",
		Detail: "With the account that was made with it, and with its OAuth clients. Other accounts must be deleted first."}, a.deleteConnector)
}

type createConnectorIn struct{ Body NewConnector }

func (a *API) createConnector(ctx context.Context, c *signin.Caller, in *createConnectorIn) (*connectorOut, error) {
	if err := everybodys(c); err != nil {
		return nil, err
	}
	name, err := in.Body.named()
	if err != nil {
		return nil, err
	}
	key, err := keyOf(name)
	if err != nil {
		return nil, err
	}
	if _, taken := a.c.Catalogue.Connector(key); taken {
		return nil, problem.New(http.StatusConflict, "CONNECTOR_EXISTS", "There is a connector "+key+" already, which the API cannot edit. Choose another name.")
	}
	f := &in.Body.ConnectorForm
	if f.Title == nil && f.Definition == nil && f.MCP == nil {
		f.Title = &name // the key is in lower case; people read what they wrote
	}
	form := f.over(map[string]any{"name": name})
	if f.MCP != nil {
		return a.createMCP(ctx, c, key, f, form)
	}
	con, source, err := a.build(key, f, form)
	if err != nil {
		return nil, err
	}
	work, err := a.prepareCredentials(ctx, c, con, f, nil)
	if err != nil {
		return nil, err
	}
	v, err := c.CreateConnector(ctx, vault.Connector{
		Key: key, Organisation: vault.All, Title: connectorOf(con).Title, Type: connectorOf(con).Type, State: stateOf(f.Active, ""), Definition: source, Form: form,
	}, c.Role.Includes(vault.RoleAdmin))
	if err != nil {
		return nil, err
	}
	if v, err = a.connect(ctx, c, v, work); err != nil {
		return nil, err
	}
	out, err := a.shownConnector(ctx, c, v)
	if err == nil {
		out.Location = paths.API + "/connectors/" + key
	}
	return out, err
}

// createMCP makes a connector from an MCP server's URL. What was begun is taken
// back where its client cannot be stored.
func (a *API) createMCP(ctx context.Context, c *signin.Caller, key string, f *ConnectorForm, form map[string]any) (*connectorOut, error) {
	if _, err := c.Connector(ctx, key); err == nil { // before anything is registered elsewhere
		return nil, vault.ErrExists
	}
	w, err := a.ofMCP(ctx, c, key, f, form, nil)
	if err != nil {
		return nil, err
	}
	v, err := c.CreateConnector(ctx, vault.Connector{
		Key: key, Organisation: vault.All, Title: connectorOf(w.con).Title, Type: connectorOf(w.con).Type, State: stateOf(f.Active, ""), Definition: w.source, Form: form,
	}, c.Role.Includes(vault.RoleAdmin))
	if err != nil {
		return nil, err
	}
	if v, err = a.storeMCP(ctx, c, v, w); err != nil {
		_ = c.DeleteConnector(ctx, key, 0)
		return nil, err
	}
	out, err := a.shownConnector(ctx, c, v)
	if err == nil {
		out.Location = paths.API + "/connectors/" + key
	}
	return out, err
}

// build makes the connector of a form or of its YAML.
func (a *API) build(key string, f *ConnectorForm, form map[string]any) (*providers.Connector, string, error) {
	source, err := "", error(nil)
	if f.Definition != nil {
		source = *f.Definition
		for _, name := range written { // the YAML says it now
			delete(form, name)
		}
	} else if source, err = definitionOf(key, form); err != nil {
		return nil, "", err
	}
	con, err := a.check(key, source)
	return con, source, err
}

// customConnector finds the connector that c wants to edit or delete while it is
// at version; 0 is any.
func (a *API) customConnector(ctx context.Context, c *signin.Caller, key string, version int64) (vault.Connector, error) {
	if err := everybodys(c); err != nil {
		return vault.Connector{}, err
	}
	if _, builtin := a.c.Catalogue.Connector(key); builtin {
		return vault.Connector{}, problem.New(http.StatusConflict, "READ_ONLY", "Only custom connectors are edited and deleted here.")
	}
	v, err := c.Connector(ctx, key)
	if err == nil && version != 0 && version != v.Version {
		err = vault.ErrConflict
	}
	return v, err
}

type patchConnectorIn struct {
	PathKey
	rest.IfMatch
	Body struct {
		ConnectorForm
		Version int64 `json:"version,omitempty" doc:"The version that is edited; or use If-Match."`
	}
}

func (a *API) patchConnector(ctx context.Context, c *signin.Caller, in *patchConnectorIn) (*connectorOut, error) {
	version, err := in.EditVersion(in.Body.Version)
	if err != nil {
		return nil, err
	}
	v, err := a.customConnector(ctx, c, in.Key, version)
	if err != nil {
		return nil, err
	}
	f := &in.Body.ConnectorForm
	form := f.over(v.Form)
	if f.MCP != nil {
		return a.patchMCP(ctx, c, v, f, form)
	}
	if f.Definition == nil && v.Form["hosts"] == nil && f.Hosts == nil { // it was made of YAML, which stays
		f.Definition = &v.Definition
	}
	con, source, err := a.build(in.Key, f, form)
	if err != nil {
		return nil, err
	}
	// Before anything is tried: the transaction decides, but would be too late to
	// keep a test request from taking the secrets there.
	if err := a.mayMove(ctx, c, &v, &vault.Connector{Definition: source, Form: form}); err != nil {
		return nil, err
	}
	work, err := a.prepareCredentials(ctx, c, con, f, v.Form)
	if err != nil {
		return nil, err
	}
	v, err = c.UpdateConnector(ctx, in.Key, v.Version, moves(c), func(x *vault.Connector) error {
		x.Title, x.Type, x.State, x.Definition, x.Form, x.LastError = connectorOf(con).Title, connectorOf(con).Type, stateOf(f.Active, x.State), source, form, ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	if v, err = a.connect(ctx, c, v, work); err != nil {
		return nil, err
	}
	return a.shownConnector(ctx, c, v)
}

// patchMCP finds an MCP server out anew.
func (a *API) patchMCP(ctx context.Context, c *signin.Caller, v vault.Connector, f *ConnectorForm, form map[string]any) (*connectorOut, error) {
	w, err := a.ofMCP(ctx, c, v.Key, f, form, &v)
	if err != nil {
		return nil, err
	}
	if a.otherIssuer(&v, w.con) {
		if err := a.mayMove(ctx, c, &v, &vault.Connector{Definition: w.source, Form: form}); err != nil {
			return nil, err
		}
		if err := a.unbind(ctx, c, v.Key); err != nil {
			return nil, err
		}
	}
	v, err = c.UpdateConnector(ctx, v.Key, v.Version, moves(c), func(x *vault.Connector) error {
		x.Title, x.Type, x.State, x.Definition, x.Form, x.LastError = connectorOf(w.con).Title, connectorOf(w.con).Type, stateOf(f.Active, x.State), w.source, form, ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	if v, err = a.storeMCP(ctx, c, v, w); err != nil {
		return nil, err
	}
	return a.shownConnector(ctx, c, v)
}

// written are the members of a form that become the connector's YAML.
var written = append([]string{"title", "grant_type", "content_type", "scope", "header_as_payload"}, whereTo...)

// whereTo are the members of a form that say where credentials go.
var whereTo = []string{"hosts", "base_url", "token_url", "authorize_url", "device_url", "test_path"}

// moves keeps an operator, who may set secrets and not read them, from sending
// those of a connector's accounts and apps to a host of their choice: any edit of a
// definition in YAML counts, and of a form what says where credentials go. It is nil
// for those who may.
func moves(c *signin.Caller) func(before, after *vault.Connector) bool {
	if c.Role.Includes(vault.RoleAdmin) {
		return nil
	}
	return func(before, after *vault.Connector) bool {
		if before.Definition == after.Definition {
			return false
		}
		if before.Form["hosts"] == nil || after.Form["hosts"] == nil {
			return true
		}
		return slices.ContainsFunc(whereTo, func(name string) bool { return fmt.Sprint(before.Form[name]) != fmt.Sprint(after.Form[name]) })
	}
}

// mayMove is moves, before the transaction.
func (a *API) mayMove(ctx context.Context, c *signin.Caller, before, after *vault.Connector) error {
	if moved := moves(c); moved == nil || !moved(before, after) {
		return nil
	}
	held, err := c.Held(ctx, before.Key)
	if err == nil && held {
		err = vault.ErrHeld
	}
	return err
}

type deleteConnectorIn struct {
	PathKey
	rest.IfMatch
}

func (a *API) deleteConnector(ctx context.Context, c *signin.Caller, in *deleteConnectorIn) (*rest.Nothing, error) {
	version, err := in.Version()
	if err != nil {
		return nil, err
	}
	v, err := a.customConnector(ctx, c, in.Key, version)
	if err != nil {
		return nil, err
	}
	l, err := c.Accounts(ctx, vault.AccountFilter{Connector: in.Key}, vault.Page{Limit: 2})
	if err != nil {
		return nil, err
	}
	own := text(v.Form, formAccount)
	if len(l.Items) > 1 || len(l.Items) == 1 && l.Items[0].ID != own {
		return nil, problem.New(http.StatusConflict, "CONNECTOR_IN_USE", "Accounts of this connector are left. Delete them first.")
	}
	if len(l.Items) == 1 {
		if _, err := a.turns.Remove(ctx, c.View, l.Items[0], 0, true); err != nil {
			return nil, err
		}
	}
	return &rest.Nothing{}, c.DeleteConnector(ctx, in.Key, v.Version)
}
