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
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/seal"
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

func scanApp(s database.Scanner) (a App, err error) {
	err = s.Scan(&a.ID, &a.Organisation, &a.Connector, &a.Mode, &a.Name, &a.ClientID, database.JSON(&a.Params), database.Bool(&a.Active),
		database.Time(&a.CreatedAt), database.Time(&a.UpdatedAt), &a.Version)
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
		return database.JSONText(a.Params)
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
	return database.JSONText(all)
}

func (a *App) check() error {
	for _, f := range []struct{ field, value string }{{"connector", a.Connector}, {"name", a.Name}} {
		if err := database.CheckName(f.field, f.value); err != nil {
			return err
		}
	}
	a.ClientID = strings.TrimSpace(a.ClientID)
	switch {
	case a.Mode != AppManaged && a.Mode != AppOwn:
		return database.Invalid("mode", "must be managed or own")
	case len(a.ClientID) > database.MaxText:
		return database.Invalid("client_id", "is longer than %d bytes", database.MaxText)
	case a.Mode == AppOwn && a.Organisation == All:
		return database.Invalid("organisation", "of an own app is one organisation: own apps serve its accounts alone")
	case len(a.Hosts) > maxFixedHosts:
		return database.Invalid("hosts", "are more than %d", maxFixedHosts)
	case len(a.RedirectURIs) > maxRedirectURIs:
		return database.Invalid("redirect_uris", "are more than %d", maxRedirectURIs)
	}
	for name := range a.Params {
		if strings.HasPrefix(name, "@") {
			return database.Invalid("params", "has a name that begins with @")
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
	case err != nil || u.Scheme == "" || len(uri) > database.MaxText || strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' }):
		return database.Invalid("redirect_uris", "has one that is no absolute URI")
	case strings.Contains(uri, "#"):
		return database.Invalid("redirect_uris", "has one with a fragment (#)")
	case u.User != nil:
		return database.Invalid("redirect_uris", "has one with a user name")
	case u.Scheme == "https" && u.Host != "":
		return nil
	case u.Scheme == "http":
		if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return database.Invalid("redirect_uris", "has one with http:// that is not for this machine")
		}
		return nil
	case !strings.Contains(u.Scheme, "."): // RFC 8252 §7.1: com.example.app; keeps javascript: and data: away
		return database.Invalid("redirect_uris", "has a scheme that is neither https nor a reversed domain name such as com.example.app")
	}
	return nil
}

// CreateApp stores an app. Organisation, Connector, Mode, Name, ClientID and
// Params are used of a; secrets are client_secret, private_key and the like.
func (s *View) CreateApp(ctx context.Context, a App, secrets secret.Values) (App, error) {
	if a.Mode == AppManaged && a.Organisation == "" && s.Org == All {
		a.Organisation = All
	}
	org, err := s.PlaceShared(a.Organisation)
	if err != nil {
		return App{}, err
	}
	if a.Name == "" {
		a.Name = "default"
	}
	now := s.v.db.Now()
	a.ID, a.Organisation, a.Active, a.CreatedAt, a.UpdatedAt, a.Version = database.NewID("app", now), org, true, now, now, 1
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
		_, err := t.Exec(ctx, "INSERT INTO apps ("+appColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			a.ID, a.Organisation, a.Connector, a.Mode, a.Name, a.ClientID, a.paramsText(), database.Bit(a.Active), database.Micros(now), database.Micros(now), a.Version)
		if err != nil {
			return err
		}
		if err := t.v.seals.Put(ctx, t.Tx, a.owner(), a.withHosts(secrets)); err != nil {
			return err
		}
		if err := s.clientCorrected(ctx, t, &a); err != nil {
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
			return nil, database.Invalid("secrets."+name, "%v", err)
		}
		out[name] = clean
	}
	return out, (&Credentials{Secrets: out}).check()
}

func (s *View) tellApp(ctx context.Context, t *tx, a *App, code string) error {
	t.Changed(Change{Kind: KindApp, ID: a.ID, Connector: a.Connector})
	e := s.Event(AuditAdmin, code, a.Organisation)
	e.Connector, e.Detail = a.Connector, a.ID
	return audit.Write(ctx, t.Tx, e)
}

// App returns one app: the view's or everybody's.
func (s *View) App(ctx context.Context, id string) (App, error) {
	a, err := database.One(ctx, s.v.r, scanApp, "SELECT "+appColumns+" FROM apps WHERE id = ?", id)
	if err == nil && !s.Sees(a.Organisation) && a.Organisation != All {
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
	w := &database.Where{}
	if s.Org != All {
		w.Add("organisation IN (?, '*')", s.Org)
	}
	w.Is("connector", f.Connector)
	w.Is("mode", f.Mode)
	return appList.Read(ctx, s.v.r, w, p)
}

var appList = database.Listing[App]{Columns: appColumns, From: "apps", Key: "id", Kind: "app", Scan: scanApp, ID: func(a App) string { return a.ID }}

// AppSecrets says which secrets an app has.
func (s *View) AppSecrets(ctx context.Context, id string) ([]SecretInfo, error) {
	if _, err := s.App(ctx, id); err != nil {
		return nil, err
	}
	infos, err := seal.Infos(ctx, s.v.r, id)
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
		err := t.Row(ctx, "SELECT COALESCE(MAX(version), 0) FROM seals WHERE owner_id = ?", a.ID).Scan(&writes)
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
		if err := t.v.seals.Put(ctx, t.Tx, a.owner(), secret.Values{secret.FixedHosts: secret.Fixed(a.Hosts)}); err != nil {
			return err
		}
		_, err = t.Exec(ctx, "UPDATE apps SET params = ? WHERE id = ?", a.paramsText(), a.ID)
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

func (v *Vault) openApp(ctx context.Context, q database.Querier, id string) (App, secret.Values, error) {
	a, err := database.One(ctx, q, scanApp, "SELECT "+appColumns+" FROM apps WHERE id = ?", id)
	if err != nil {
		return App{}, nil, err
	}
	values, err := v.seals.UnsealAll(ctx, q, a.owner())
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
	app, err := database.One(ctx, t, scanApp, "SELECT "+appColumns+" FROM apps WHERE id = ?", a.AppID)
	if err == nil && app.Serves(a.Connector, a.Organisation) {
		return nil
	}
	if err == nil || errors.Is(err, ErrNotFound) {
		return database.Invalid("app_id", "is no app of this connector for this organisation")
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
	apps, err := database.Collect(ctx, v.r, scanApp, "SELECT "+appColumns+` FROM apps
		WHERE connector = ? AND organisation IN (?, '*') AND active = 1
		ORDER BY CASE WHEN mode = 'own' THEN 0 ELSE 1 END, id`, connector, org)
	return inMode(apps, mode), err
}
