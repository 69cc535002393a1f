// Package admin is the REST API over the vault: connectors, accounts, agents,
// grants, audit, webhooks; the pages on which people connect accounts; and the
// dashboard. It is plain net/http; the directive attache_admin mounts it.
//
// A request of the API passes guard (Host, Origin, content type), then authenticate (an
// admin token, or the unix socket), then idempotency keys, then huma, which
// validates it against the OpenAPI document that it is also documented by, and
// then its handler: a function from a Caller and an input to an output. The
// Caller's View sees one organisation or all, so that no handler can forget to
// look.
package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Config is what New needs. Vault and Catalogue must be set.
type Config struct {
	Vault     *vault.Vault
	Catalogue Catalogue
	// Tester runs test requests; nil means that nothing can be tested.
	Tester Tester
	// Connections refreshes and revokes at services; nil means that neither can
	// be done here.
	Connections Connections
	// Storage presigns URLs and edits buckets' policies; nil means that neither
	// can be done here.
	Storage Storage
	// Declared is what the configuration file says; nil means nothing.
	Declared Declared
	// MCP finds MCP servers out; nil means that no connector is made of one.
	MCP MCP
	// Named reports whether the operator named a host as one that may be called
	// although it is not public, and by plain HTTP; nil means none.
	Named func(host string) bool
	// HTTP sends webhooks. It must refuse addresses that are not public and
	// follow no redirects.
	HTTP Doer
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
	OIDC *OIDC
	// Version of the program, for the OpenAPI document.
	Version string
	Log     *slog.Logger
}

// Catalogue is the connectors that are not made through the API: built in, from
// the operator's directory, or from the configuration file.
type Catalogue interface {
	// Connectors lists them by key.
	Connectors() []*providers.Connector
	// Connector returns one.
	Connector(key string) (*providers.Connector, bool)
	// Check refuses a connector that cannot be put in use beside the others: one
	// that claims a host of another. It may extend one of the catalogue.
	Check(def *providers.Definition) (*providers.Connector, error)
}

// Tester proves credentials by their connector's test request.
type Tester interface {
	Test(ctx context.Context, t Trial) (Verdict, error)
}

// Trial is a set of credentials to test.
type Trial struct {
	Connector *providers.Connector
	Option    *providers.Option
	// AccountID is set for an account that is in the vault; its current token is
	// then used, and refreshed if need be. Fields and App are set otherwise.
	AccountID string
	Fields    secret.Values
	App       secret.Values
	// Credential is a token that was obtained just now and is not stored yet, and
	// Meta what came with it; nil where Fields are all there is.
	Credential *secret.Credential
	Meta       map[string]string
}

// Verdict is what a test request showed.
type Verdict struct {
	// Tested is false where the connector has no test request.
	Tested bool
	// OK says that the service took the credentials.
	OK bool
	// Rejected says that it did not (401), as opposed to not answering.
	Rejected bool
	// Unfit says that they cannot be sent at all: a line break in a header.
	Unfit            bool
	Status, Expected int
	// Problem is a sentence without secrets, where not OK.
	Problem string
	// Provider is whose account it is, where the connector can tell.
	Provider vault.ProviderAccount
}

// problem is a sentence about a test that failed.
func (v *Verdict) problem() string {
	if v.Problem == "" {
		return fmt.Sprintf("it answered %d where %d was expected", v.Status, v.Expected)
	}
	return v.Problem
}

// Connections does at services what only OAuth can.
type Connections interface {
	// Refresh obtains a new token now.
	Refresh(ctx context.Context, accountID string) error
	// Revocation prepares to take an account's tokens back at the service, while
	// the account can still be read.
	Revocation(ctx context.Context, accountID string) (Revocation, error)
	// Client sends requests to a connector's authorization and token endpoints. It
	// refuses addresses that are not public, and follows no redirects.
	Client(c *providers.Connector) oauth.Doer
}

// Revocation takes the tokens back that an account had until it was revoked here.
// It returns oauth.ErrCannotRevoke where the service has no way to.
type Revocation func(ctx context.Context, had vault.Unsealed) error

// Declared is what the configuration file says; it is shown and cannot be edited.
type Declared interface {
	Agents() []DeclaredAgent
	Accounts() []DeclaredAccount
}

// DeclaredAgent is an agent of the configuration file.
type DeclaredAgent struct {
	Name   string
	Tokens int
	Grants []DeclaredGrant
}

// DeclaredGrant is one of its grants; an empty Account means every account.
type DeclaredGrant struct {
	Connector, Account string
	Write, Presign     bool
}

// DeclaredAccount is an account of the configuration file.
type DeclaredAccount struct {
	Connector, Option, Name string
	Default                 bool
}

// Doer sends a request.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// API answers requests below /api/v1/.
type API struct {
	c        Config
	v        *vault.Vault
	log      *slog.Logger
	mux      *http.ServeMux
	huma     huma.API
	handler  http.Handler
	failures failures
	provider *provider // nil where people cannot sign in
	starts   starts
	wake     chan struct{} // a device code was given out here
	done     chan struct{}
}

// Base is the path below which the API is.
const Base = "/api/v1"

// New makes the API. Run must run for webhooks to be sent.
func New(c Config) *API {
	a := &API{c: c, v: c.Vault, log: c.Log, mux: http.NewServeMux(), wake: make(chan struct{}, 1), done: make(chan struct{})}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if c.OIDC != nil {
		a.provider = &provider{c: c.OIDC}
	}
	a.huma = humago.New(a.mux, humaConfig(c.Version))
	for _, mount := range []func(*API){
		mountMe, mountSession, mountConnectors, mountConnectorEdits, mountApps, mountAccounts, mountAccountActions, mountAccountReports, mountStorage, mountAuthorize, mountConnectSessions, mountBulk,
		mountAgents, mountAgentTokens, mountGrants, mountAudit, mountEvents, mountWebhooks, mountTokens,
	} {
		mount(a)
	}
	finishDocument(a.huma.OpenAPI())
	api, ui := a.guard(a.authenticate(a.idempotent(http.HandlerFunc(a.route)))), a.guard(dashboard())
	pages, signIn := a.guardPages(a.pages()), a.guard(http.HandlerFunc(a.serveSignIn))
	a.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case below(r.URL.Path, UI):
			ui.ServeHTTP(w, r)
		case below(r.URL.Path, ConnectPath) || r.URL.Path == CallbackPath || r.URL.Path == ClientDocumentPath:
			pages.ServeHTTP(w, r)
		case a.provider != nil && (r.URL.Path == SignInPath || r.URL.Path == SignInCallback):
			signIn.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	})
	return a
}

func below(path, base string) bool { return path == base || strings.HasPrefix(path, base+"/") }

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	a.handler.ServeHTTP(w, r)
}

// route finds the operation, and answers in our own form where there is none.
func (a *API) route(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != path.Clean(r.URL.Path) { // the mux would redirect
		writeProblem(w, problem(http.StatusNotFound, "NOT_FOUND", "There is nothing at this path; it is not in its shortest form."))
		return
	}
	h, pattern := a.mux.Handler(r)
	if pattern != "" {
		if known := r.Header.Get("If-None-Match"); known != "" && r.Method == http.MethodGet {
			w = &notModified{ResponseWriter: w, known: known}
		}
		a.mux.ServeHTTP(w, r)
		return
	}
	rec := &statusOnly{header: http.Header{}}
	h.ServeHTTP(rec, r)
	if rec.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", rec.header.Get("Allow"))
		writeProblem(w, problem(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "This path takes "+rec.header.Get("Allow")+"."))
		return
	}
	writeProblem(w, problem(http.StatusNotFound, "NOT_FOUND", "There is nothing at this path. "+Base+"/openapi.json lists what there is."))
}

// statusOnly hears what the mux would answer.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }

// Run sends webhooks, and asks services about device codes, until ctx ends.
func (a *API) Run(ctx context.Context) {
	defer close(a.done)
	var both sync.WaitGroup
	both.Go(func() { (&courier{v: a.v, http: a.c.HTTP, log: a.log, now: time.Now}).run(ctx) })
	both.Go(func() { a.pollDevices(ctx) })
	both.Wait()
}

// OpenAPI is the document that describes the API, as JSON.
func (a *API) OpenAPI() ([]byte, error) {
	b, err := json.MarshalIndent(a.huma.OpenAPI(), "", "  ")
	return append(b, '\n'), err
}
