package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountConnectorEdits(a *API) {
	register(a, operation{id: "create-connector", method: http.MethodPost, path: "/connectors", role: vault.RoleOperator, noun: "CONNECTOR", status: http.StatusCreated, summary: "Make a custom connector",
		detail: "From a form or from YAML. Where the form has credentials, an account named \"default\" is made of them and granted to the agents."}, a.createConnector)
	register(a, operation{id: "update-connector", method: http.MethodPatch, path: "/connectors/{key}", role: vault.RoleOperator, noun: "CONNECTOR", summary: "Edit a custom connector"}, a.patchConnector)
	register(a, operation{id: "delete-connector", method: http.MethodDelete, path: "/connectors/{key}", role: vault.RoleOperator, noun: "CONNECTOR", status: http.StatusNoContent, summary: "Delete a custom connector",
		detail: "With the account that was made with it. Other accounts must be deleted first."}, a.deleteConnector)
}

type createConnectorIn struct{ Body NewConnector }

func (a *API) createConnector(ctx context.Context, c *Caller, in *createConnectorIn) (*connectorOut, error) {
	if err := everybodys(c); err != nil {
		return nil, err
	}
	key, err := keyOf(in.Body.Name)
	if err != nil {
		return nil, err
	}
	if _, taken := a.c.Catalogue.Connector(key); taken {
		return nil, problem(http.StatusConflict, "CONNECTOR_EXISTS", "There is a connector "+key+" already, which the API cannot edit. Choose another name.")
	}
	f := &in.Body.ConnectorForm
	form := f.over(map[string]any{"name": in.Body.Name})
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
	})
	if err != nil {
		return nil, err
	}
	if v, err = a.connect(ctx, c, v, work); err != nil {
		return nil, err
	}
	out := a.shownConnector(v)
	out.Location, out.Body.AccountID = Base+"/connectors/"+key, text(v.Form, formAccount)
	return out, nil
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

// formWork is what is to be done about the credentials of a form.
type formWork struct {
	form *ConnectorForm
	opt  *providers.Option
	app  secret.Values // secrets of the OAuth client that were sent
	// cred and proof are the account's; cred is nil where none were sent.
	cred  *vault.Credentials
	proof *vault.Connection
}

// hasCredentials reports whether the form sends any.
func (f *ConnectorForm) hasCredentials() bool {
	return f.ClientID != nil || f.ClientSecret != nil || f.RefreshToken != nil || f.ServiceAccount != nil || f.ServiceAccountEmail != nil
}

// prepareCredentials checks and tests the credentials of a form before anything
// is stored. stored is the form so far, with the ids of the account and the app
// that were made of it. It returns nil where there is nothing to do.
func (a *API) prepareCredentials(ctx context.Context, c *Caller, con *providers.Connector, f *ConnectorForm, stored map[string]any) (*formWork, error) {
	if err := a.knownAgents(ctx, c, f.Agents); err != nil {
		return nil, err
	}
	opt, ok := con.Option("")
	switch {
	case ok && f.hasCredentials():
	case f.Agents == nil:
		return nil, nil
	case text(stored, formAccount) == "":
		return nil, problem(http.StatusUnprocessableEntity, "INVALID_INPUT", "agents is for connectors whose form has credentials. Make an account, and grant that.").at("body.agents", "there is no account to grant")
	default:
		return &formWork{form: f, opt: opt}, nil
	}
	w := &formWork{form: f, opt: opt, app: secret.Values{}}
	if f.ClientSecret != nil {
		w.app["client_secret"] = secret.New(*f.ClientSecret)
	}
	return w, a.prepareAccount(ctx, con, w, stored)
}

func (a *API) knownAgents(ctx context.Context, c *Caller, ids []string) error {
	for i, id := range ids {
		_, err := c.Agent(ctx, id)
		if errors.Is(err, vault.ErrNotFound) {
			return problem(http.StatusUnprocessableEntity, "AGENT_NOT_FOUND", "There is no agent "+id+" here.").at(fmt.Sprintf("body.agents[%d]", i), "is no agent")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// prepareAccount puts what was sent over what the account has, and tests it.
func (a *API) prepareAccount(ctx context.Context, con *providers.Connector, w *formWork, stored map[string]any) error {
	fields, app, refresh, err := a.before(ctx, w.opt, stored)
	if err != nil {
		return err
	}
	for name, v := range map[string]*string{"refresh_token": w.form.RefreshToken, "service_account": w.form.ServiceAccount, "service_account_email": w.form.ServiceAccountEmail} {
		switch {
		case v == nil:
		case w.opt.HasField(name):
			fields[name] = secret.New(*v)
		default:
			return problem(http.StatusUnprocessableEntity, "INVALID_INPUT", name+" does not go with this grant type.").at("body."+name, "does not go with this grant type")
		}
	}
	values, err := w.opt.Validate(fields)
	if err != nil {
		return badDefinition(err)
	}
	w.cred = credentialsOf(w.opt, values)
	if w.form.RefreshToken == nil {
		w.cred.RefreshToken = refresh // what it was rotated to
	}
	if needsPerson(w.opt) {
		return nil
	}
	maps.Copy(app, w.app)
	if w.form.ClientID != nil {
		app["client_id"] = secret.New(*w.form.ClientID)
	}
	verdict, err := a.try(ctx, Trial{Connector: con, Option: w.opt, Fields: values, App: app})
	w.proof = &vault.Connection{Provider: &verdict.Provider}
	return err
}

// before is what the form's account and app have now.
func (a *API) before(ctx context.Context, opt *providers.Option, stored map[string]any) (fields, app secret.Values, refresh secret.Value, err error) {
	fields, app = secret.Values{}, secret.Values{}
	if id := text(stored, formApp); id != "" {
		x, secrets, err := a.v.UnsealApp(ctx, id)
		if err != nil {
			return nil, nil, refresh, err
		}
		app = appValues(x, secrets)
	}
	if id := text(stored, formAccount); id != "" {
		u, err := a.v.Unseal(ctx, id)
		if err != nil {
			return nil, nil, refresh, err
		}
		refresh = u.RefreshToken
		for name, v := range u.Credential.Fields {
			if opt.HasField(name) {
				fields[name] = v
			}
		}
	}
	return fields, app, refresh, nil
}

// connect stores the credentials of a form: an app, an account, its grants. It
// writes their ids into the connector's form, for later edits.
func (a *API) connect(ctx context.Context, c *Caller, v vault.Connector, w *formWork) (vault.Connector, error) {
	if w == nil {
		return v, nil
	}
	org := vault.DefaultOrganisation
	if w.form.Organisation != nil {
		org = *w.form.Organisation
	}
	appID, err := a.saveApp(ctx, c, v, w, org)
	if err != nil {
		return v, err
	}
	accountID := text(v.Form, formAccount)
	switch {
	case w.cred == nil: // only the grants change
	case accountID == "":
		acct, err := c.CreateAccount(ctx, vault.NewAccount{Organisation: org, Connector: v.Key, Option: w.opt.Name, Name: formDefault, AppID: appID, Credentials: w.cred, Connected: w.proof})
		if err != nil {
			return v, err
		}
		accountID = acct.ID
	default:
		if err := a.renewAccount(ctx, c, accountID, w); err != nil {
			return v, err
		}
	}
	if w.form.Agents != nil {
		if err := a.grantTo(ctx, c, accountID, w.form.Agents); err != nil {
			return v, err
		}
	}
	if text(v.Form, formAccount) == accountID && text(v.Form, formApp) == appID {
		return v, nil
	}
	return c.UpdateConnector(ctx, v.Key, v.Version, func(x *vault.Connector) error {
		if x.Form == nil {
			x.Form = map[string]any{}
		}
		x.Form[formAccount], x.Form[formApp] = accountID, appID
		return nil
	})
}

// saveApp stores the OAuth client of a form; it returns "" where there is none.
func (a *API) saveApp(ctx context.Context, c *Caller, v vault.Connector, w *formWork, org string) (string, error) {
	id := text(v.Form, formApp)
	if w.form.ClientID == nil && w.form.ClientSecret == nil {
		return id, nil
	}
	if id != "" {
		_, err := c.UpdateApp(ctx, id, 0, vault.AppEdit{ClientID: w.form.ClientID, Secrets: w.app})
		return id, err
	}
	app := vault.App{Organisation: org, Connector: v.Key, Mode: vault.AppOwn, Name: formDefault}
	if w.form.ClientID != nil {
		app.ClientID = *w.form.ClientID
	}
	app, err := c.CreateApp(ctx, app, w.app)
	return app.ID, err
}

// renewAccount gives the form's account its new credentials.
func (a *API) renewAccount(ctx context.Context, c *Caller, id string, w *formWork) error {
	if w.proof == nil {
		_, err := c.SetCredentials(ctx, id, 0, *w.cred)
		return err
	}
	w.proof.Credentials = w.cred
	_, err := c.Connect(ctx, id, 0, *w.proof)
	return err
}

// grantTo makes exactly these agents the ones that may use the account.
func (a *API) grantTo(ctx context.Context, c *Caller, accountID string, agents []string) error {
	l, err := c.Grants(ctx, vault.GrantFilter{AccountID: accountID}, vault.Page{Limit: 500})
	if err != nil {
		return err
	}
	for _, g := range l.Items {
		if !slices.Contains(agents, g.AgentID) {
			if err := c.DeleteGrant(ctx, g.ID, 0); err != nil && !errors.Is(err, vault.ErrNotFound) {
				return err
			}
		}
	}
	for _, id := range agents {
		_, err := c.CreateGrant(ctx, vault.NewGrant{AgentID: id, AccountID: accountID, Scopes: []string{"read", "write"}})
		if err != nil && !errors.Is(err, vault.ErrExists) {
			return err
		}
	}
	return nil
}

type patchConnectorIn struct {
	PathKey
	IfMatch
	Body struct {
		ConnectorForm
		Version int64 `json:"version,omitempty" doc:"The version that is edited; or use If-Match."`
	}
}

func (a *API) patchConnector(ctx context.Context, c *Caller, in *patchConnectorIn) (*connectorOut, error) {
	if err := everybodys(c); err != nil {
		return nil, err
	}
	if _, builtin := a.c.Catalogue.Connector(in.Key); builtin {
		return nil, problem(http.StatusConflict, "READ_ONLY", "Only custom connectors are edited here.")
	}
	version, err := in.editVersion(in.Body.Version)
	if err != nil {
		return nil, err
	}
	v, err := c.Connector(ctx, in.Key)
	if err != nil {
		return nil, err
	}
	if version != 0 && version != v.Version {
		return nil, vault.ErrConflict
	}
	f := &in.Body.ConnectorForm
	form := f.over(v.Form)
	if f.Definition == nil && v.Form["hosts"] == nil && f.Hosts == nil { // it was made of YAML, which stays
		f.Definition = &v.Definition
	}
	con, source, err := a.build(in.Key, f, form)
	if err != nil {
		return nil, err
	}
	if err := a.mayRedirect(ctx, c, v, f, form, source); err != nil {
		return nil, err
	}
	work, err := a.prepareCredentials(ctx, c, con, f, v.Form)
	if err != nil {
		return nil, err
	}
	v, err = c.UpdateConnector(ctx, in.Key, v.Version, func(x *vault.Connector) error {
		x.Title, x.Type, x.State, x.Definition, x.Form, x.LastError = connectorOf(con).Title, connectorOf(con).Type, stateOf(f.Active, x.State), source, form, ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	if v, err = a.connect(ctx, c, v, work); err != nil {
		return nil, err
	}
	return a.shownConnector(v), nil
}

// written are the members of a form that become the connector's YAML.
var written = append([]string{"title", "grant_type", "content_type", "scope", "header_as_payload"}, whereTo...)

// whereTo are the members of a form that say where credentials go.
var whereTo = []string{"hosts", "base_url", "token_url", "authorize_url", "device_url", "test_path"}

// mayRedirect keeps an operator, who may set secrets and not read them, from
// sending those of a connector's accounts to a host of their choice.
func (a *API) mayRedirect(ctx context.Context, c *Caller, v vault.Connector, f *ConnectorForm, form map[string]any, source string) error {
	if c.Role.Includes(vault.RoleAdmin) {
		return nil
	}
	same := f.Definition == nil || source == v.Definition
	for _, name := range whereTo {
		same = same && fmt.Sprint(v.Form[name]) == fmt.Sprint(form[name])
	}
	if same {
		return nil
	}
	l, err := c.Accounts(ctx, vault.AccountFilter{Connector: v.Key}, vault.Page{Limit: 1})
	if err == nil && len(l.Items) > 0 {
		err = problem(http.StatusForbidden, "INVALID_PERMISSIONS", "The connector has accounts, whose credentials would go elsewhere. That needs the role admin.")
	}
	return err
}

type deleteConnectorIn struct {
	PathKey
	IfMatch
}

func (a *API) deleteConnector(ctx context.Context, c *Caller, in *deleteConnectorIn) (*nothing, error) {
	if err := everybodys(c); err != nil {
		return nil, err
	}
	if _, builtin := a.c.Catalogue.Connector(in.Key); builtin {
		return nil, problem(http.StatusConflict, "READ_ONLY", "Only custom connectors are deleted here.")
	}
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	v, err := c.Connector(ctx, in.Key)
	if err != nil {
		return nil, err
	}
	if version != 0 && version != v.Version {
		return nil, vault.ErrConflict
	}
	l, err := c.Accounts(ctx, vault.AccountFilter{Connector: in.Key}, vault.Page{Limit: 2})
	if err != nil {
		return nil, err
	}
	own := text(v.Form, formAccount)
	if len(l.Items) > 1 || len(l.Items) == 1 && l.Items[0].ID != own {
		return nil, problem(http.StatusConflict, "CONNECTOR_IN_USE", "Accounts of this connector are left. Delete them first.")
	}
	if len(l.Items) == 1 {
		if err := c.DeleteAccount(ctx, own, 0); err != nil {
			return nil, err
		}
	}
	if app := text(v.Form, formApp); app != "" {
		if err := c.DeleteApp(ctx, app, 0); err != nil && !errors.Is(err, vault.ErrNotFound) {
			return nil, err
		}
	}
	return &nothing{}, c.DeleteConnector(ctx, in.Key, v.Version)
}
