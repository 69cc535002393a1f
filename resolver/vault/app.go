package vault

import (
	"context"
	"maps"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// App is an OAuth client of ours at a service. Its secrets are sealed.
type App struct {
	ID           string // app_…
	Organisation string // All: everybody's, which managed apps are
	Connector    string
	Mode         string // AppManaged, AppOwn
	Name         string
	ClientID     string
	// Params are further values that are not secret, such as a tenant.
	Params map[string]string
	// RedirectURIs are the addresses, besides our own callback, to which people
	// may be sent back with a code. They stand at the service too.
	RedirectURIs []string
	Active       bool

	CreatedAt, UpdatedAt time.Time
	Version              int64
}

const (
	// AppManaged is the operator's app, for every organisation.
	AppManaged = "managed"
	// AppOwn was brought by one organisation, for its accounts.
	AppOwn = "own"
)

const appColumns = "id, organisation, connector, mode, name, client_id, params, active, created_at, updated_at, version"

func scanApp(s scanner) (a App, err error) {
	err = s.Scan(&a.ID, &a.Organisation, &a.Connector, &a.Mode, &a.Name, &a.ClientID, jsonCol{&a.Params}, bitCol{&a.Active},
		timeCol{&a.CreatedAt}, timeCol{&a.UpdatedAt}, &a.Version)
	a.RedirectURIs = strings.Fields(a.Params[redirectParam])
	delete(a.Params, redirectParam)
	return a, err
}

// redirectParam is where RedirectURIs stand in the column params, with spaces
// between them, which no URI has.
const redirectParam = "@redirect_uris"

// paramsText is the column params.
func (a *App) paramsText() string {
	if len(a.RedirectURIs) == 0 {
		return jsonText(a.Params)
	}
	all := maps.Clone(a.Params)
	if all == nil {
		all = map[string]string{}
	}
	all[redirectParam] = strings.Join(a.RedirectURIs, " ")
	return jsonText(all)
}

func (a *App) check() error {
	for _, f := range []struct{ field, value string }{{"connector", a.Connector}, {"name", a.Name}} {
		if err := checkName(f.field, f.value); err != nil {
			return err
		}
	}
	switch {
	case a.Mode != AppManaged && a.Mode != AppOwn:
		return invalid("mode", "must be managed or own")
	case len(a.ClientID) > maxText:
		return invalid("client_id", "is longer than %d bytes", maxText)
	case len(a.RedirectURIs) > maxRedirectURIs:
		return invalid("redirect_uris", "are more than %d", maxRedirectURIs)
	}
	for name := range a.Params {
		if strings.HasPrefix(name, "@") {
			return invalid("params", "has a name that begins with @")
		}
	}
	for _, uri := range a.RedirectURIs {
		if err := checkRedirectURI(uri); err != nil {
			return err
		}
	}
	return nil
}

const maxRedirectURIs = 20

// checkRedirectURI takes absolute URIs without a fragment (RFC 6749 §3.1.2); plain
// HTTP only to this machine, and schemes of one's own for apps on phones.
func checkRedirectURI(uri string) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme == "" || len(uri) > maxText || strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' }):
		return invalid("redirect_uris", "has one that is no absolute URI")
	case strings.Contains(uri, "#"):
		return invalid("redirect_uris", "has one with a fragment (#)")
	case u.User != nil:
		return invalid("redirect_uris", "has one with a user name")
	case u.Scheme == "https" && u.Host != "":
		return nil
	case u.Scheme == "http":
		if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return invalid("redirect_uris", "has one with http:// that is not for this machine")
		}
		return nil
	case !strings.Contains(u.Scheme, "."): // RFC 8252 §7.1: com.example.app; keeps javascript: and data: away
		return invalid("redirect_uris", "has a scheme that is neither https nor a reversed domain name such as com.example.app")
	}
	return nil
}

// CreateApp stores an app. Organisation, Connector, Mode, Name, ClientID and
// Params are used of a; secrets are client_secret, private_key and the like.
func (s *View) CreateApp(ctx context.Context, a App, secrets secret.Values) (App, error) {
	if a.Mode == AppManaged && a.Organisation == "" && s.org == All {
		a.Organisation = All
	}
	org, err := s.placeShared(a.Organisation)
	if err != nil {
		return App{}, err
	}
	if a.Name == "" {
		a.Name = "default"
	}
	now := s.v.moment()
	a.ID, a.Organisation, a.Active, a.CreatedAt, a.UpdatedAt, a.Version = newID("app", now), org, true, now, now, 1
	if err := a.check(); err != nil {
		return App{}, err
	}
	if err := (&Credentials{Secrets: secrets}).check(); err != nil {
		return App{}, err
	}
	err = s.v.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, "INSERT INTO apps ("+appColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			a.ID, a.Organisation, a.Connector, a.Mode, a.Name, a.ClientID, a.paramsText(), bit(a.Active), micros(now), micros(now), a.Version)
		if err != nil {
			return err
		}
		if err := t.putSecrets(ctx, a.owner(), secrets); err != nil {
			return err
		}
		return s.tellApp(ctx, t, &a, "app.created")
	})
	if err != nil {
		return App{}, err
	}
	return a, nil
}

func (s *View) tellApp(ctx context.Context, t *tx, a *App, code string) error {
	t.changed(Change{Kind: KindApp, ID: a.ID, Connector: a.Connector})
	e := s.event(AuditAdmin, code, a.Organisation)
	e.Connector, e.Detail = a.Connector, a.ID
	return t.audit(ctx, e)
}

// App returns one app: the view's or everybody's.
func (s *View) App(ctx context.Context, id string) (App, error) {
	a, err := one(ctx, s.v, s.v.r, scanApp, "SELECT "+appColumns+" FROM apps WHERE id = ?", id)
	if err == nil && !s.sees(a.Organisation) && a.Organisation != All {
		err = ErrNotFound
	}
	if err != nil {
		return App{}, err
	}
	return a, nil
}

// AppFilter narrows a list; empty fields match all.
type AppFilter struct{ Connector, Mode string }

// Apps lists the view's apps and everybody's.
func (s *View) Apps(ctx context.Context, f AppFilter, p Page) (List[App], error) {
	w := &where{}
	if s.org != All {
		w.add("organisation IN (?, '*')", s.org)
	}
	w.is("connector", f.Connector)
	w.is("mode", f.Mode)
	return appList.read(ctx, s.v, w, p)
}

var appList = listing[App]{columns: appColumns, from: "apps", key: "id", kind: "app", scan: scanApp, id: func(a App) string { return a.ID }}

// AppSecrets says which secrets an app has.
func (s *View) AppSecrets(ctx context.Context, id string) ([]SecretInfo, error) {
	if _, err := s.App(ctx, id); err != nil {
		return nil, err
	}
	return s.v.secretInfos(ctx, id)
}

// UnsealApp returns an app with its secrets open. Params are not among them.
func (v *Vault) UnsealApp(ctx context.Context, id string) (App, secret.Values, error) {
	a, err := one(ctx, v, v.r, scanApp, "SELECT "+appColumns+" FROM apps WHERE id = ?", id)
	if err != nil {
		return App{}, nil, err
	}
	values, err := v.unsealAll(ctx, v.r, a.owner())
	return a, values, err
}

// AppsFor lists the active apps that an organisation may connect a connector's
// accounts through: its own first, then managed ones, older before newer; only
// those of the mode that was chosen (SetAppMode).
func (v *Vault) AppsFor(ctx context.Context, connector, org string) ([]App, error) {
	mode, err := v.AppMode(ctx, connector, org)
	if err != nil {
		return nil, err
	}
	apps, err := collect(ctx, v, v.r, scanApp, "SELECT "+appColumns+` FROM apps
		WHERE connector = ? AND organisation IN (?, '*') AND active = 1
		ORDER BY CASE WHEN mode = 'own' THEN 0 ELSE 1 END, id`, connector, org)
	return inMode(apps, mode), err
}

// AppEdit is what may be changed; nil leaves a thing as it is.
type AppEdit struct {
	Name, ClientID *string
	Params         map[string]string
	RedirectURIs   []string
	Active         *bool
	// Secrets that are named are replaced, or deleted where zero.
	Secrets secret.Values
}

// UpdateApp edits an app that is at version, or at any if version is 0.
func (s *View) UpdateApp(ctx context.Context, id string, version int64, e AppEdit) (App, error) {
	if err := (&Credentials{Secrets: e.Secrets}).check(); err != nil {
		return App{}, err
	}
	return s.editApp(ctx, id, version, func(t *tx, a *App) error {
		set(&a.Name, e.Name)
		set(&a.ClientID, e.ClientID)
		set(&a.Active, e.Active)
		if e.Params != nil {
			a.Params = e.Params
		}
		if e.RedirectURIs != nil {
			a.RedirectURIs = e.RedirectURIs
		}
		if err := a.check(); err != nil {
			return err
		}
		if err := t.putSecrets(ctx, a.owner(), e.Secrets); err != nil {
			return err
		}
		a.Version++
		a.UpdatedAt = s.v.moment()
		_, err := t.exec(ctx, "UPDATE apps SET name = ?, client_id = ?, params = ?, active = ?, updated_at = ?, version = ? WHERE id = ?",
			a.Name, a.ClientID, a.paramsText(), bit(a.Active), micros(a.UpdatedAt), a.Version, id)
		if err != nil {
			return err
		}
		return s.tellApp(ctx, t, a, "app.updated")
	})
}

// DeleteApp deletes an app that no account was connected through; otherwise it
// returns ErrInUse, because those accounts could not refresh any more.
func (s *View) DeleteApp(ctx context.Context, id string, version int64) error {
	_, err := s.editApp(ctx, id, version, func(t *tx, a *App) error {
		var used int
		err := t.row(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM accounts WHERE connector = ? AND app_id = ? LIMIT 1) AS found", a.Connector, id).Scan(&used)
		if err != nil {
			return err
		}
		if used > 0 {
			return ErrInUse
		}
		if err := t.dropSecrets(ctx, id); err != nil {
			return err
		}
		if _, err := t.exec(ctx, "DELETE FROM apps WHERE id = ?", id); err != nil {
			return err
		}
		return s.tellApp(ctx, t, a, "app.deleted")
	})
	return err
}

func (s *View) editApp(ctx context.Context, id string, version int64, f func(*tx, *App) error) (App, error) {
	var a App
	err := s.v.write(ctx, func(t *tx) (err error) {
		a, err = one(ctx, s.v, t, scanApp, t.locked("SELECT "+appColumns+" FROM apps WHERE id = ?"), id)
		if err != nil {
			return err
		}
		if !s.sees(a.Organisation) {
			return ErrNotFound
		}
		if version != 0 && version != a.Version {
			return ErrConflict
		}
		return f(t, &a)
	})
	if err != nil {
		return App{}, err
	}
	return a, nil
}
