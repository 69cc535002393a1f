// Package admin is how people look after Attaché, in rooms: api (the REST API's
// resources, spoken as rest says), connect (the pages on which people connect
// accounts), audit (what happened), overview (sums of what was called), signin (who calls, and who may not),
// webhooks, ui (the dashboard). It is plain net/http; the directive attache_admin
// mounts it.
//
// A request of the API passes signin.Guard (Host, Origin, content type), then
// authentication (an admin token, a session or the unix socket), then idempotency
// keys, then huma, which validates it against the OpenAPI document that it is also
// documented by, and then its handler in api.
package admin

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	pages "github.com/attache-proxy/attache/caddymodule/admin/connect"
	"github.com/attache-proxy/attache/caddymodule/admin/explain"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/egress"

	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/caddymodule/admin/approvals"
	"github.com/attache-proxy/attache/caddymodule/admin/audit"
	"github.com/attache-proxy/attache/caddymodule/admin/budgets"
	"github.com/attache-proxy/attache/caddymodule/admin/keydirectory"
	"github.com/attache-proxy/attache/caddymodule/admin/operations"
	"github.com/attache-proxy/attache/caddymodule/admin/overview"
	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/runs"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/caddymodule/admin/synonyms"
	"github.com/attache-proxy/attache/caddymodule/admin/tools"
	"github.com/attache-proxy/attache/caddymodule/admin/ui"
	"github.com/attache-proxy/attache/caddymodule/admin/webhooks"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Config is what New needs. Vault and Catalogue must be set.
type Config struct {
	Vault     *vault.Vault
	Catalogue connect.Catalogue
	// Tester runs test requests; nil means that nothing can be tested.
	Tester connect.Tester
	// Connections refreshes and revokes at services; nil means that neither can
	// be done here.
	Connections connect.Connections
	// Storage presigns URLs and edits buckets' policies; nil means that neither
	// can be done here.
	Storage api.Storage
	// Declared is what the configuration file says; nil means nothing.
	Declared api.Declared
	// MCP finds MCP servers out; nil means that no connector is made of one.
	MCP api.MCP
	// Egress knows which hosts may be called: public ones, and those that the
	// operator named, also by plain HTTP.
	Egress egress.Guard
	// HTTP sends webhooks. It must refuse addresses that are not public and
	// follow no redirects.
	HTTP webhooks.Doer
	// Hosts are names, without port, by which the API may be called besides
	// those of the loopback interface.
	Hosts []string
	// PublicURL is the origin (https://connect.example.com) at which people reach
	// the connect pages, and to which services send them back. Empty: the host by
	// which the API is called.
	PublicURL string
	// Links says what the links do that agents are given (connect_url): LinksOpen
	// when empty.
	Links string
	// TrustSocket lets whoever can open the unix socket do everything: the
	// socket's file mode is the permission.
	TrustSocket bool
	// OIDC lets people sign in; nil means that only admin tokens open the API.
	OIDC *signin.OIDC
	// WebhookFailed hears of each attempt to send a webhook that failed; may be nil.
	WebhookFailed func()
	// SigningKeys lists the private keys whose public halves stand in the key
	// directory; nil means that there is none.
	SigningKeys func(context.Context) ([]secret.Value, error)
	// Explainer says what would become of requests; nil means that nobody does.
	Explainer explain.Explainer
	// Operations finds connectors' tables; nil means that none has one.
	Operations resolver.Tables
	// Budgets knows what is used of them; nil means that nobody does.
	Budgets budgets.Source
	// Version of the program, for the OpenAPI document.
	Version string
	Log     *slog.Logger
}

// Admin is the administration: one http.Handler.
type Admin struct {
	handler http.Handler
	courier *webhooks.Courier
	turns   *connect.Turns
	rest    *rest.Server
}

// New makes the administration. Run must run for webhooks to be sent.
func New(c Config) *Admin {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	guard := signin.New(signin.Config{Vault: c.Vault, PublicURL: c.PublicURL, Hosts: c.Hosts, TrustSocket: c.TrustSocket, OIDC: c.OIDC, Log: c.Log})
	a := &Admin{
		courier: &webhooks.Courier{Vault: c.Vault, HTTP: c.HTTP, Log: c.Log, Now: time.Now, PublicURL: c.PublicURL, Failed: c.WebhookFailed},
		turns:   connect.New(connect.Config{Vault: c.Vault, Catalogue: c.Catalogue, Tester: c.Tester, Connections: c.Connections, Log: c.Log}),
		rest:    rest.New(c.Vault, c.Log, c.Version),
	}
	sees := api.Mount(api.Config{Vault: c.Vault, Catalogue: c.Catalogue, Connections: c.Connections, Storage: c.Storage, Declared: c.Declared, MCP: c.MCP, Egress: c.Egress, Operations: c.Operations,
		Log: c.Log, Guard: guard, Turns: a.turns, Rest: a.rest})
	audit.Mount(a.rest, audit.Config{Vault: c.Vault, Log: c.Log})
	rules := explain.Config{Explainer: c.Explainer, Sees: sees, Connector: c.Catalogue.Connector, Operations: c.Operations}
	explain.Mount(a.rest, rules)
	explain.MountLearned(a.rest, rules)
	overview.Mount(a.rest, overview.Config{Catalogue: c.Catalogue, Declared: c.Declared})
	operations.Mount(a.rest, a.turns)
	webhooks.Mount(a.rest)
	approvals.Mount(a.rest)
	runs.Mount(a.rest)
	tools.Mount(a.rest)
	budgets.Mount(a.rest, c.Budgets)
	a.rest.Finish()
	a.handler = a.rooms(c, guard)
	return a
}

// rooms leads each path to its room, past the guard.
func (a *Admin) rooms(c Config, guard *signin.Guard) http.Handler {
	resources := guard.Guard(guard.Authenticate(a.rest.Idempotent(synonyms.Understand(http.HandlerFunc(a.rest.Route)))))
	dashboard := guard.Guard(ui.Handler())
	people := pages.New(pages.Config{Vault: c.Vault, PublicURL: c.PublicURL, Links: c.Links, Log: c.Log, Guard: guard, Turns: a.turns})
	keys := &keydirectory.Directory{Keys: c.SigningKeys, Log: c.Log}
	signIn := guard.Guard(http.HandlerFunc(guard.ServeSignIn))
	link := guard.Guard(http.HandlerFunc(guard.ServeLink))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case paths.Below(r.URL.Path, paths.UI):
			dashboard.ServeHTTP(w, r)
		case paths.Below(r.URL.Path, paths.Connect) || r.URL.Path == paths.Callback || r.URL.Path == paths.ClientDocument:
			people.ServeHTTP(w, r)
		case r.URL.Path == paths.KeyDirectory && c.SigningKeys != nil:
			keys.ServeHTTP(w, r)
		case c.OIDC != nil && (r.URL.Path == paths.SignIn || r.URL.Path == paths.SignInCallback):
			signIn.ServeHTTP(w, r)
		case r.URL.Path == paths.SignInLink:
			link.ServeHTTP(w, r)
		default:
			resources.ServeHTTP(w, r)
		}
	})
}

// ServeHTTP answers one request.
func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	a.handler.ServeHTTP(w, r)
}

// Run sends webhooks, and asks services about device codes, until ctx ends.
func (a *Admin) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { a.courier.Run(ctx) })
	both.Go(func() { a.turns.PollDevices(ctx) })
	both.Wait()
}

// OpenAPI is the document that describes the REST API, as JSON.
func (a *Admin) OpenAPI() ([]byte, error) { return a.rest.OpenAPI() }
