package connect

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
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Subject is an account that is to be connected, and all that it takes.
type Subject struct {
	Account   vault.Account
	Connector *providers.Connector
	Option    *providers.Option
	// oauth obtains tokens; nil for options without a token endpoint.
	OAuth *oauth.Config
	// App are the values of the OAuth client, appID its row; both may be empty.
	App       secret.Values
	AppID     string
	Redirects []string // redirect URIs that were registered for the app
	// Fields are the account's values, as the option asks for them.
	Fields secret.Values
	// State is sent to the service instead of one of ours, for a caller whose own
	// callback it comes back to; zero: ours. See OwnState.
	State secret.Value
}

// OwnState is under what a caller's own state is kept: it is an account's, so that
// nobody else's sign-in is ended by whoever guesses it.
func OwnState(account string, state secret.Value) secret.Value {
	return secret.New(account + "\x00" + state.Reveal())
}

// Choice is what may be chosen for one attempt to connect; zero leaves a thing as
// the account has it.
type Choice struct {
	Option string
	AppID  string
	// Fields are laid over those that the account has.
	Fields map[string]string
}

// Person is the vault as the person sees it who connects an account by a link.
func (a *Turns) Person(org string) *vault.View {
	return a.v.As(vault.Actor{Kind: "person"}, org)
}

// Subject reads an account and its connector, and finds the OAuth client. The
// fields are not checked yet; see complete.
func (a *Turns) Subject(ctx context.Context, c *vault.View, id string, ch Choice) (*Subject, error) {
	acct, err := c.Account(ctx, id)
	if err != nil {
		return nil, err
	}
	name := ch.Option
	if name == "" {
		name = acct.Option
	}
	t := &Subject{Account: acct}
	if t.Connector, t.Option, err = a.Option(ctx, c, acct.Connector, name); err != nil {
		return nil, err
	}
	u, err := a.v.Unseal(ctx, id)
	if err != nil {
		return nil, err
	}
	t.Fields = secret.Values{}
	for name, v := range u.Credential.Fields {
		if t.Option.HasField(name) {
			t.Fields[name] = v
		}
	}
	for name, v := range ch.Fields {
		t.Fields[name] = secret.New(v)
	}
	t.Option = t.Option.For(t.Fields)
	t.OAuth = t.Option.OAuth
	if t.OAuth == nil {
		return t, nil
	}
	return t, a.findApp(ctx, c, t, ch.AppID)
}

// findApp finds the OAuth client: the one that was chosen, the account's, or the
// one of the connector's mode. Where there is none its values are empty.
func (a *Turns) findApp(ctx context.Context, c *vault.View, t *Subject, chosen string) error {
	id := chosen
	if id == "" {
		id = t.Account.AppID
	}
	if id == "" {
		apps, err := a.v.AppsFor(ctx, t.Connector.Key, t.Account.Organisation)
		if err != nil {
			return err
		}
		if len(apps) == 0 {
			return nil
		}
		id = apps[0].ID
	}
	app, secrets, err := a.v.UnsealApp(ctx, id, t.Connector)
	switch {
	case errors.Is(err, vault.ErrNotFound), err == nil && !app.Serves(t.Connector.Key, t.Account.Organisation):
		return ErrNoSuchApp
	case err != nil:
		return err
	case !app.Active && chosen == "" && t.Account.AppID != id:
		return nil
	case !app.Active:
		return problem.New(http.StatusConflict, "APP_INACTIVE", "The app of this account is switched off. Switch it on, or choose another one.")
	}
	t.App, t.AppID, t.Redirects = app.Client(secrets), app.ID, app.RedirectURIs
	return nil
}

// ErrNoSuchApp is for an app that serves other connectors or organisations.
var ErrNoSuchApp = problem.New(http.StatusUnprocessableEntity, "APP_NOT_FOUND", "There is no such app of this connector here.").At("body.app_id", "is no app of this connector")

// Complete checks the fields against the option's schema, and fills in defaults.
func (t *Subject) Complete() error {
	plain := map[string]string{}
	for name, v := range t.Fields {
		plain[name] = v.Reveal()
	}
	values, err := Validated(t.Option, plain)
	if err != nil {
		return err
	}
	t.Fields = values
	return nil
}

// Missing are the fields that a person must still fill in.
func (t *Subject) Missing() (out []providers.FieldDef) {
	for _, f := range t.Option.Fields {
		if !f.Optional && f.Default == "" && t.Fields.Get(f.Name).IsZero() {
			out = append(out, f)
		}
	}
	return out
}

// request is what every token request for the account has in common.
func (a *Turns) request(t *Subject) oauth.Request {
	return oauth.Request{HTTP: a.c.Connections.Client(t.Connector), App: t.App, Fields: t.Fields, Account: t.meta(nil)}
}

// meta is what {account.…} may read, with what was captured just now.
func (t *Subject) meta(captured map[string]string) map[string]string {
	m := map[string]string{}
	maps.Copy(m, t.Account.Captured)
	maps.Copy(m, captured)
	m["id"], m["name"] = t.Account.ID, t.Account.Name
	return m
}

// Scopes are those to ask for: nil leaves them to the connector. With more they
// are the connector's, those that the account was granted, and more. An account that
// was made with scopes of its own has those instead of the connector's.
func (t *Subject) Scopes(more []string) []string {
	base := t.Account.Settings.Scopes
	switch {
	case len(more) > 0 && base == nil:
		base = t.Option.OptionDef.OAuth.Scopes
	case len(more) == 0 && base == nil:
		return nil
	}
	all := slices.Concat(base, t.Account.Scopes, more)
	var out []string
	for _, s := range all {
		if s = strings.TrimSpace(s); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// Asked are the scopes that scopes stands for, for people to read.
func (t *Subject) Asked(scopes []string) []string {
	if scopes != nil {
		return scopes
	}
	return t.Option.OptionDef.OAuth.Scopes
}
