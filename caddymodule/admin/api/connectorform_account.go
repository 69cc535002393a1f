package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// formWork is what is to be done about the credentials of a form.
type formWork struct {
	form *ConnectorForm
	con  *providers.Connector
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

// organisation is the one of the form's account.
func (f *ConnectorForm) organisation() string {
	if f.Organisation != nil && *f.Organisation != "" {
		return *f.Organisation
	}
	return vault.DefaultOrganisation
}

// prepareCredentials checks and tests the credentials of a form before anything
// is stored. stored is the form so far, with the ids of the account and the app
// that were made of it. It returns nil where there is nothing to do.
func (a *API) prepareCredentials(ctx context.Context, c *signin.Caller, con *providers.Connector, f *ConnectorForm, stored map[string]any) (*formWork, error) {
	if err := a.knownAgents(ctx, c, f.Agents, f.organisation()); err != nil {
		return nil, err
	}
	opt, ok := con.Option("")
	switch {
	case ok && f.hasCredentials():
	case f.Agents == nil:
		return nil, nil
	case text(stored, formAccount) == "":
		return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "agents is for connectors whose form has credentials. Make an account, and grant that.").At("body.agents", "there is no account to grant")
	default:
		return &formWork{form: f, con: con, opt: opt}, nil
	}
	w := &formWork{form: f, con: con, opt: opt, app: secret.Values{}}
	if opt.OAuth != nil && opt.OAuth.GrantType() == "gcs_service_account" && (filled(f.ClientID) || filled(f.ClientSecret)) {
		return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "client_id and client_secret do not go with this grant type; the key file is the service_account.").At("body.client_id", "does not go with this grant type")
	}
	if f.ClientID != nil { // pasted, perhaps with a line end
		*f.ClientID = strings.TrimSpace(*f.ClientID)
	}
	if f.ClientSecret != nil && !w.awsKeys() {
		clean, err := providers.CleanKey(secret.New(*f.ClientSecret))
		if err != nil {
			return nil, badDefinition(fmt.Errorf("client_secret %w", err))
		}
		w.app["client_secret"] = clean
	}
	return w, a.prepareAccount(ctx, con, w, stored)
}

func filled(s *string) bool { return s != nil && *s != "" }

// awsKeys reports whether client id and secret are a pair of AWS keys, which are
// the account's, not an OAuth client.
func (w *formWork) awsKeys() bool {
	return w.opt.OAuth != nil && w.opt.OAuth.GrantType() == "aws_iam"
}

// knownAgents refuses agents that cannot be granted accounts of organisation org,
// before anything is stored.
func (a *API) knownAgents(ctx context.Context, c *signin.Caller, ids []string, org string) error {
	for i, id := range ids {
		agent, err := a.agent(ctx, c, id)
		if err == nil && agent.Organisation != org {
			return vault.ErrOrganisation
		}
		if errors.Is(err, vault.ErrNotFound) {
			return problem.New(http.StatusUnprocessableEntity, "AGENT_NOT_FOUND", "There is no agent "+id+" here.").At(fmt.Sprintf("body.agents[%d]", i), "is no agent")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// prepareAccount puts what was sent over what the account has, and tests it.
func (a *API) prepareAccount(ctx context.Context, con *providers.Connector, w *formWork, stored map[string]any) error {
	fields, app, refresh, err := a.before(ctx, w, stored)
	if err != nil {
		return err
	}
	sent := map[string]*string{"refresh_token": w.form.RefreshToken, "service_account": w.form.ServiceAccount, "service_account_email": w.form.ServiceAccountEmail}
	if w.awsKeys() {
		sent["access_key_id"], sent["secret_access_key"] = w.form.ClientID, w.form.ClientSecret
	}
	for name, v := range sent {
		switch {
		case v == nil:
		case w.opt.HasField(name):
			fields[name] = secret.New(*v)
		default:
			return problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", name+" does not go with this grant type.").At("body."+name, "does not go with this grant type")
		}
	}
	values, err := w.opt.Validate(fields)
	if err != nil {
		return badDefinition(err)
	}
	w.cred = connect.CredentialsOf(con, w.opt, values)
	if w.form.RefreshToken == nil {
		w.cred.RefreshToken = refresh // what it was rotated to
	}
	if connect.NeedsPerson(w.opt) {
		return nil
	}
	maps.Copy(app, w.app)
	if len(w.app) > 0 { // entered anew, for this definition
		hosts, err := w.con.FixHosts(secret.Values{}, nil)
		if err != nil {
			return badHosts(err)
		}
		app[secret.FixedHosts] = secret.Fixed(hosts)
	}
	if w.form.ClientID != nil && !w.awsKeys() {
		app["client_id"] = secret.New(*w.form.ClientID)
	}
	verdict, err := a.turns.Test(ctx, connect.Trial{Connector: con, Option: w.opt, Fields: values, App: app})
	w.proof = &vault.Connection{Provider: &verdict.Provider}
	return err
}

// before is what the form's account and app have now.
func (a *API) before(ctx context.Context, w *formWork, stored map[string]any) (fields, app secret.Values, refresh secret.Value, err error) {
	fields, app = secret.Values{}, secret.Values{}
	if id := text(stored, formApp); id != "" {
		x, secrets, err := a.v.UnsealApp(ctx, id, w.con)
		if err != nil {
			return nil, nil, refresh, err
		}
		app = x.Client(secrets)
	}
	if id := text(stored, formAccount); id != "" {
		u, err := a.v.Unseal(ctx, id)
		if err != nil {
			return nil, nil, refresh, err
		}
		refresh = u.RefreshToken
		for name, v := range u.Credential.Fields {
			if w.opt.HasField(name) {
				fields[name] = v
			}
		}
	}
	return fields, app, refresh, nil
}

// connect stores the credentials of a form: an app, an account, its grants. It
// writes their ids into the connector's form, for later edits.
func (a *API) connect(ctx context.Context, c *signin.Caller, v vault.Connector, w *formWork) (vault.Connector, error) {
	if w == nil {
		return v, nil
	}
	org := w.form.organisation()
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
	return c.UpdateConnector(ctx, v.Key, v.Version, nil, func(x *vault.Connector) error {
		if x.Form == nil {
			x.Form = map[string]any{}
		}
		x.Form[formAccount], x.Form[formApp] = accountID, appID
		return nil
	})
}

// saveApp stores the OAuth client of a form; it returns "" where there is none.
func (a *API) saveApp(ctx context.Context, c *signin.Caller, v vault.Connector, w *formWork, org string) (string, error) {
	id := text(v.Form, formApp)
	if w.form.ClientID == nil && w.form.ClientSecret == nil || w.awsKeys() {
		return id, nil
	}
	if id != "" {
		e := vault.AppEdit{ClientID: w.form.ClientID, Secrets: w.app, Checked: w.con.Digest()}
		if len(w.app) > 0 {
			var err error
			if e.Hosts, err = w.con.FixHosts(secret.Values{}, nil); err != nil {
				return id, badHosts(err)
			}
		}
		_, err := c.UpdateApp(ctx, id, 0, e)
		return id, err
	}
	hosts, err := w.con.FixHosts(secret.Values{}, nil)
	if err != nil {
		return "", badHosts(err)
	}
	app := vault.App{Organisation: org, Connector: v.Key, Mode: vault.AppOwn, Name: formDefault, Hosts: hosts, Checked: w.con.Digest()}
	if w.form.ClientID != nil {
		app.ClientID = *w.form.ClientID
	}
	app, err = c.CreateApp(ctx, app, w.app)
	return app.ID, err
}

// renewAccount gives the form's account its new credentials.
func (a *API) renewAccount(ctx context.Context, c *signin.Caller, id string, w *formWork) error {
	if w.proof == nil {
		_, err := c.SetCredentials(ctx, id, 0, *w.cred)
		return err
	}
	w.proof.Credentials = w.cred
	_, err := c.Connect(ctx, id, 0, *w.proof)
	return err
}

// grantTo makes exactly these agents the ones that may use the account.
func (a *API) grantTo(ctx context.Context, c *signin.Caller, accountID string, agents []string) error {
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
