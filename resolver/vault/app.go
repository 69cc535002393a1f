package vault

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers"
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
	// Hosts are those to which the app may prove itself, fixed when its secrets
	// were entered: see secret.FixedHosts. The sealed copy decides (UnsealApp); this
	// one is for people.
	Hosts  []string
	Active bool
	// Checked is, for CreateApp, the digest of the connector's definition by which
	// Hosts were found; empty where the vault has none.
	Checked string

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
	a.Hosts = strings.Fields(a.Params[hostsParam])
	delete(a.Params, redirectParam)
	delete(a.Params, hostsParam)
	return a, err
}

// Where RedirectURIs and Hosts stand in the column params, with spaces between
// them, which neither has.
const (
	redirectParam = "@redirect_uris"
	hostsParam    = "@hosts"
)

// paramsText is the column params.
func (a *App) paramsText() string {
	if len(a.RedirectURIs) == 0 && len(a.Hosts) == 0 {
		return jsonText(a.Params)
	}
	all := maps.Clone(a.Params)
	if all == nil {
		all = map[string]string{}
	}
	for name, list := range map[string][]string{redirectParam: a.RedirectURIs, hostsParam: a.Hosts} {
		if len(list) > 0 {
			all[name] = strings.Join(list, " ")
		}
	}
	return jsonText(all)
}

func (a *App) check() error {
	for _, f := range []struct{ field, value string }{{"connector", a.Connector}, {"name", a.Name}} {
		if err := checkName(f.field, f.value); err != nil {
			return err
		}
	}
	a.ClientID = strings.TrimSpace(a.ClientID)
	switch {
	case a.Mode != AppManaged && a.Mode != AppOwn:
		return invalid("mode", "must be managed or own")
	case len(a.ClientID) > maxText:
		return invalid("client_id", "is longer than %d bytes", maxText)
	case a.Mode == AppOwn && a.Organisation == All:
		return invalid("organisation", "of an own app is one organisation: own apps serve its accounts alone")
	case len(a.Hosts) > maxFixedHosts:
		return invalid("hosts", "are more than %d", maxFixedHosts)
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

const (
	maxRedirectURIs = 20
	maxFixedHosts   = 100
)

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
	if secrets, err = appSecrets(secrets); err != nil {
		return App{}, err
	}
	err = s.v.write(ctx, func(t *tx) error {
		if err := t.sameConnector(ctx, a.Connector, a.Checked); err != nil {
			return err
		}
		_, err := t.exec(ctx, "INSERT INTO apps ("+appColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			a.ID, a.Organisation, a.Connector, a.Mode, a.Name, a.ClientID, a.paramsText(), bit(a.Active), micros(now), micros(now), a.Version)
		if err != nil {
			return err
		}
		if err := t.putSecrets(ctx, a.owner(), a.withHosts(secrets)); err != nil {
			return err
		}
		return s.tellApp(ctx, t, &a, "app.created")
	})
	if err != nil {
		return App{}, err
	}
	return a, nil
}

// appSecrets are secrets as they were entered, without the white space that comes
// along when one is pasted.
func appSecrets(entered secret.Values) (secret.Values, error) {
	if entered == nil {
		return nil, nil
	}
	out := make(secret.Values, len(entered))
	for name, v := range entered {
		clean, err := providers.CleanKey(v)
		if err != nil {
			return nil, invalid("secrets."+name, "%v", err)
		}
		out[name] = clean
	}
	return out, (&Credentials{Secrets: out}).check()
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
	infos, err := s.v.secretInfos(ctx, id)
	return slices.DeleteFunc(infos, func(i SecretInfo) bool { return i.Field == secret.FixedHosts }), err
}

// withHosts adds the hosts to an app's secrets, sealed with them.
func (a *App) withHosts(secrets secret.Values) secret.Values {
	all := maps.Clone(secrets)
	if all == nil {
		all = secret.Values{}
	}
	all[secret.FixedHosts] = secret.Fixed(a.Hosts)
	return all
}

// UnsealApp returns an app with its secrets open, secret.FixedHosts among them.
// Params are not.
//
// An app that was entered before there were hosts gets those that its connector
// says now, as far as no account decides; they are kept from then on.
func (v *Vault) UnsealApp(ctx context.Context, id string, con HostFixer) (App, secret.Values, error) {
	a, values, err := v.openApp(ctx, v.r, id)
	if err != nil || !unfixed(values) {
		return a, values, err
	}
	a.Hosts, _ = con.FixedHosts(a.Client(nil))
	if len(a.Hosts) > 0 {
		if err := v.fixApp(ctx, &a); err != nil {
			return App{}, nil, err
		}
	}
	values[secret.FixedHosts] = secret.Fixed(a.Hosts)
	return a, values, nil
}

// HostFixer is a connector: it knows to which hosts it sends a client, and which
// templates leave that to an account.
type HostFixer interface {
	FixedHosts(app secret.Values) (hosts, open []string)
}

// fixApp keeps the hosts of an app of an earlier release. One that was written
// since has them, or lost them to somebody: it goes nowhere.
func (v *Vault) fixApp(ctx context.Context, a *App) error {
	return v.write(ctx, func(t *tx) error {
		var writes int64
		err := t.row(ctx, "SELECT COALESCE(MAX(version), 0) FROM seals WHERE owner_id = ?", a.ID).Scan(&writes)
		if err != nil {
			return err
		}
		_, values, again := v.openApp(ctx, t, a.ID)
		if again != nil {
			return again
		}
		if writes > 0 && !values.Get(secret.FixedHosts).Equal(notYet) {
			a.Hosts = secret.HostsOf(values)
			return nil
		}
		if err := t.putSecrets(ctx, a.owner(), secret.Values{secret.FixedHosts: secret.Fixed(a.Hosts)}); err != nil {
			return err
		}
		_, err = t.exec(ctx, "UPDATE apps SET params = ? WHERE id = ?", a.paramsText(), a.ID)
		return err
	})
}

// notYet stands in FixedHosts where an app of an earlier release was sealed anew
// before its hosts were fixed.
var notYet = secret.New("not yet")

// unfixed reports whether an app was entered by an earlier release.
func unfixed(values secret.Values) bool {
	v := values.Get(secret.FixedHosts)
	return v.IsZero() || v.Equal(notYet)
}

func (v *Vault) openApp(ctx context.Context, q querier, id string) (App, secret.Values, error) {
	a, err := one(ctx, v, q, scanApp, "SELECT "+appColumns+" FROM apps WHERE id = ?", id)
	if err != nil {
		return App{}, nil, err
	}
	values, err := v.unsealAll(ctx, q, a.owner())
	if a.Hosts = nil; !unfixed(values) {
		a.Hosts = secret.HostsOf(values)
	}
	return a, values, err
}

// Serves reports whether the app may be used for an organisation's accounts of a
// connector: an own app only for its organisation's.
func (a *App) Serves(connector, org string) bool {
	return a.Connector == connector && (a.Organisation == org || a.Organisation == All && a.Mode == AppManaged)
}

// mayGoBy refuses an account whose app serves others.
func (t *tx) mayGoBy(ctx context.Context, a *Account) error {
	if a.AppID == "" {
		return nil
	}
	app, err := one(ctx, t.v, t, scanApp, "SELECT "+appColumns+" FROM apps WHERE id = ?", a.AppID)
	if err == nil && app.Serves(a.Connector, a.Organisation) {
		return nil
	}
	if err == nil || errors.Is(err, ErrNotFound) {
		return invalid("app_id", "is no app of this connector for this organisation")
	}
	return err
}

// Client is all that a token request knows of the app: its id, Params, and the
// secrets of UnsealApp.
func (a *App) Client(secrets secret.Values) secret.Values {
	out := secret.Values{}
	for name, v := range a.Params {
		out[name] = secret.New(v)
	}
	maps.Copy(out, secrets)
	if a.ClientID != "" {
		out["client_id"] = secret.New(a.ClientID)
	}
	return out
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
	// Hosts may change only where no secret stays that was entered for others.
	Hosts []string
	// Checked is App's.
	Checked string
}

// UpdateApp edits an app that is at version, or at any if version is 0.
func (s *View) UpdateApp(ctx context.Context, id string, version int64, e AppEdit) (App, error) {
	var err error
	if e.Secrets, err = appSecrets(e.Secrets); err != nil {
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
		if err := t.sameConnector(ctx, a.Connector, e.Checked); err != nil {
			return err
		}
		secrets, err := s.fixHosts(ctx, t, a, &e)
		if err != nil {
			return err
		}
		if err := a.check(); err != nil {
			return err
		}
		if err := t.putSecrets(ctx, a.owner(), secrets); err != nil {
			return err
		}
		a.Version++
		a.UpdatedAt = s.v.moment()
		_, err = t.exec(ctx, "UPDATE apps SET name = ?, client_id = ?, params = ?, active = ?, updated_at = ?, version = ? WHERE id = ?",
			a.Name, a.ClientID, a.paramsText(), bit(a.Active), micros(a.UpdatedAt), a.Version, id)
		if err != nil {
			return err
		}
		return s.tellApp(ctx, t, a, "app.updated")
	})
}

// fixHosts returns the secrets of an edit, with the hosts where those change.
func (s *View) fixHosts(ctx context.Context, t *tx, a *App, e *AppEdit) (secret.Values, error) {
	if e.Hosts == nil && len(e.Secrets) == 0 {
		return nil, nil
	}
	_, had, err := s.v.openApp(ctx, t, a.ID)
	switch {
	case err != nil:
		return nil, err
	case e.Hosts == nil && had.Get(secret.FixedHosts).IsZero():
		all := maps.Clone(e.Secrets)
		all[secret.FixedHosts] = notYet
		return all, nil
	case e.Hosts == nil || !unfixed(had) && slices.Equal(secret.HostsOf(had), e.Hosts):
		return e.Secrets, nil
	}
	for _, name := range sortedKeys(had) {
		if _, anew := e.Secrets[name]; !anew && name != secret.FixedHosts {
			return nil, invalid("hosts", "change only together with the secrets, which were entered for the former: send %s again", name)
		}
	}
	a.Hosts = e.Hosts
	return a.withHosts(e.Secrets), nil
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
		return s.dropApp(ctx, t, a)
	})
	return err
}

func (s *View) dropApp(ctx context.Context, t *tx, a *App) error {
	if err := t.dropSecrets(ctx, a.ID); err != nil {
		return err
	}
	if _, err := t.exec(ctx, "DELETE FROM apps WHERE id = ?", a.ID); err != nil {
		return err
	}
	return s.tellApp(ctx, t, a, "app.deleted")
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
