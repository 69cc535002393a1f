package admin

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// subject is an account that is to be connected, and all that it takes.
type subject struct {
	acct vault.Account
	con  *providers.Connector
	opt  *providers.Option
	// oauth obtains tokens; nil for options without a token endpoint.
	oauth *oauth.Config
	// app are the values of the OAuth client, appID its row; both may be empty.
	app       secret.Values
	appID     string
	redirects []string // redirect URIs that were registered for the app
	// fields are the account's values, as the option asks for them.
	fields secret.Values
}

// choice is what may be chosen for one attempt to connect; zero leaves a thing as
// the account has it.
type choice struct {
	option string
	appID  string
	// fields are laid over those that the account has.
	fields map[string]string
}

// person is the vault as the person sees it who connects an account by a link.
func (a *API) person(org string) *Caller {
	return &Caller{View: a.v.As(vault.Actor{Kind: "person"}, org), Role: vault.RoleViewer, Name: "person"}
}

// subject reads an account and its connector, and finds the OAuth client. The
// fields are not checked yet; see complete.
func (a *API) subject(ctx context.Context, c *Caller, id string, ch choice) (*subject, error) {
	acct, err := c.Account(ctx, id)
	if err != nil {
		return nil, err
	}
	name := ch.option
	if name == "" {
		name = acct.Option
	}
	t := &subject{acct: acct}
	if t.con, t.opt, err = a.option(ctx, c, acct.Connector, name); err != nil {
		return nil, err
	}
	t.oauth = t.opt.OAuth
	u, err := a.v.Unseal(ctx, id)
	if err != nil {
		return nil, err
	}
	t.fields = secret.Values{}
	for name, v := range u.Credential.Fields {
		if t.opt.HasField(name) {
			t.fields[name] = v
		}
	}
	for name, v := range ch.fields {
		t.fields[name] = secret.New(v)
	}
	if t.oauth == nil {
		return t, nil
	}
	return t, a.findApp(ctx, c, t, ch.appID)
}

// findApp finds the OAuth client: the one that was chosen, the account's, or the
// one of the connector's mode. Where there is none its values are empty.
func (a *API) findApp(ctx context.Context, c *Caller, t *subject, chosen string) error {
	id := chosen
	if id == "" {
		id = t.acct.AppID
	}
	if id == "" {
		apps, err := a.v.AppsFor(ctx, t.con.Key, t.acct.Organisation)
		if err != nil {
			return err
		}
		if len(apps) == 0 {
			return nil
		}
		id = apps[0].ID
	}
	app, secrets, err := a.v.UnsealApp(ctx, id)
	switch {
	case errors.Is(err, vault.ErrNotFound), err == nil && !mayUse(c, &app, t):
		return problem(http.StatusUnprocessableEntity, "APP_NOT_FOUND", "There is no such app of this connector here.").at("body.app_id", "is no app of this connector")
	case err != nil:
		return err
	case !app.Active && chosen == "" && t.acct.AppID != id:
		return nil
	case !app.Active:
		return problem(http.StatusConflict, "APP_INACTIVE", "The app of this account is switched off. Switch it on, or choose another one.")
	}
	t.app, t.appID, t.redirects = appValues(app, secrets), app.ID, app.RedirectURIs
	return nil
}

// mayUse reports whether an app may serve an account: of its connector, and of
// its organisation or everybody's.
func mayUse(c *Caller, app *vault.App, t *subject) bool {
	return app.Connector == t.con.Key && (app.Organisation == vault.All || app.Organisation == t.acct.Organisation)
}

// complete checks the fields against the option's schema, and fills in defaults.
func (t *subject) complete() error {
	plain := map[string]string{}
	for name, v := range t.fields {
		plain[name] = v.Reveal()
	}
	values, err := validated(t.opt, plain)
	if err != nil {
		return err
	}
	t.fields = values
	return nil
}

// missing are the fields that a person must still fill in.
func (t *subject) missing() (out []providers.FieldDef) {
	for _, f := range t.opt.Fields {
		if !f.Optional && f.Default == "" && t.fields.Get(f.Name).IsZero() {
			out = append(out, f)
		}
	}
	return out
}

// request is what every token request for the account has in common.
func (a *API) request(t *subject) oauth.Request {
	return oauth.Request{HTTP: a.c.Connections.Client(t.con), App: t.app, Fields: t.fields, Account: t.meta(nil)}
}

// meta is what {account.…} may read, with what was captured just now.
func (t *subject) meta(captured map[string]string) map[string]string {
	m := map[string]string{}
	maps.Copy(m, t.acct.Captured)
	maps.Copy(m, captured)
	m["id"], m["name"] = t.acct.ID, t.acct.Name
	return m
}

// scopes are those to ask for: nil leaves them to the connector. With more they
// are the connector's, those that the account was granted, and more.
func (t *subject) scopes(more []string) []string {
	if len(more) == 0 {
		return nil
	}
	all := slices.Concat(t.opt.OptionDef.OAuth.Scopes, t.acct.Scopes, more)
	var out []string
	for _, s := range all {
		if s = strings.TrimSpace(s); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// asked are the scopes that scopes stands for, for people to read.
func (t *subject) asked(scopes []string) []string {
	if scopes != nil {
		return scopes
	}
	return t.opt.OptionDef.OAuth.Scopes
}
