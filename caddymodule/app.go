package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddypki"
	"go.uber.org/zap"

	_ "github.com/attache-proxy/attache/caddymodule/command" // the command line
	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/caddymodule/gcs"
	"github.com/attache-proxy/attache/caddymodule/live"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/egress"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/vault"
)

func init() {
	caddy.RegisterModule(App{})
}

// App holds what all listeners share: connectors, accounts, agents, the CA and
// the credentials' cache.
type App struct {
	// CA is the id of the certificate authority, in Caddy's pki app, that signs
	// the certificates of intercepted connections. Default: attache. It is never
	// installed into a trust store by itself.
	CA string `json:"ca,omitempty"`
	// ConnectorDir holds connectors of one's own, one YAML file each.
	ConnectorDir string `json:"connector_dir,omitempty"`
	// SignedBody is up to how many bytes a request's body may have where the
	// signature is over it: it is kept, on disk above 1 MiB. Default 16 MiB.
	SignedBody int64 `json:"signed_body,omitempty"`
	// Transport is who speaks HTTP/1.1 to services: own (default), or std for
	// Go's net/http, which speaks HTTP/2 in any case.
	Transport string `json:"transport,omitempty"`
	// AllowAddresses are addresses and prefixes that may be dialled although
	// they are loopback, private, link-local or the like.
	AllowAddresses []string `json:"allow_addresses,omitempty"`
	// Connectors in use, by key.
	Connectors map[string]*config.Connector `json:"connectors,omitempty"`
	// Agents by name.
	Agents map[string]*config.Agent `json:"agents,omitempty"`
	// Vault remembers accounts, agents and grants that people make. Without it
	// there are only those of this configuration.
	Vault *config.Vault `json:"vault,omitempty"`
	// Cache is where tokens are kept; memory when nil.
	Cache *CacheConfig `json:"cache,omitempty"`
	// TokenTimeout is how long one token request may take, all its steps together;
	// 30 s when 0. The lease under which a replica refreshes is half as long again.
	TokenTimeout caddy.Duration `json:"token_timeout,omitempty"`
	// Key seals what leaves the process: placeholders, the first seals, all
	// open. Not needed while nothing leaves it.
	Key []string `json:"key,omitempty"`
	// PublicURL is the origin at which people reach attache_admin: connect links
	// lead there, and services send people back there. A placeholder is resolved.
	// Without it agents get no connect_url.
	PublicURL string `json:"public_url,omitempty"`
	// ConnectLinks says what the links do that agents get: open (default),
	// sign_in or off.
	ConnectLinks string `json:"connect_links,omitempty"`
	// Limits are what each agent may have in use, unless its own say otherwise.
	Limits limit.Limits `json:"limits,omitzero"`
	// Audit is where audit events go.
	Audit config.Audit `json:"audit,omitzero"`

	ctx         caddy.Context
	logger      *zap.Logger
	ca          *caddypki.CA
	resolver    *resolver.Resolver
	credentials *resolver.Credentials
	static      *resolver.Static
	accounts    []*resolver.Account
	metrics     *metrics
	audit       *auditor
	cacheKey    string
	cacheSeen   bool // while the Caddyfile is parsed
	vault       *vault.Vault
	vaultKey    string
	directory   *live.Directory
	guard       *egress.Guard
	set         *connectorSet

	sample    *sampler
	stopWatch context.CancelFunc

	publicURL    string // PublicURL, resolved
	tokenClients tokenClients
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "attache", New: func() caddy.Module { return new(App) }}
}

// Provision builds everything; requests only use it.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.logger, a.sample = ctx, ctx.Logger(), new(sampler)
	if err := a.provisionCA(); err != nil {
		return err
	}
	m, err := newMetrics(ctx.GetMetricsRegistry())
	if err != nil {
		return err
	}
	a.metrics = m
	if a.audit, err = newAuditor(ctx.Logger().Named("audit"), a.Audit); err != nil {
		return err
	}
	if err := a.resolvePublicURL(); err != nil {
		return err
	}
	if err := a.openVault(); err != nil {
		return err
	}
	connectors, err := a.loadConnectors()
	if err != nil {
		return err
	}
	if err := a.buildAccounts(connectors); err != nil {
		return err
	}
	if err := a.buildAgents(); err != nil {
		return err
	}
	return a.buildResolver(connectors)
}

// buildResolver puts the parts together.
func (a *App) buildResolver(connectors []*providers.Connector) error {
	allow, err := egress.ParseAllow(a.AllowAddresses)
	if err != nil {
		return fmt.Errorf("allow_address: %w", err)
	}
	a.guard = &egress.Guard{Allow: allow}
	a.set = &connectorSet{app: a, base: connectors}
	index, err := a.set.index(a.ctx)
	if err != nil {
		return err
	}
	routes, err := a.routes(connectors)
	if err != nil {
		return err
	}
	cache, err := a.openCache()
	if err != nil {
		return err
	}
	a.tokenClients = newTokenClients(a.guard, routes, a.tokenTimeout())
	a.credentials = &resolver.Credentials{
		Cache:        cache,
		HTTP:         func(c *providers.Connector) oauth.Doer { return a.tokenClients.of(c) },
		Observer:     observer{a},
		TokenTimeout: a.tokenTimeout(),
	}
	a.resolver = resolver.New(resolver.Config{
		Index:       index,
		Directory:   a.buildDirectory(cache),
		Credentials: a.credentials,
		Transports:  resolver.Transports{Guard: a.guard, Routes: routes, Std: a.Transport == "std"},
		Observer:    observer{a},
		Reindex:     a.set.index,
		MoreURL:     a.moreURL,
		SignURL:     gcs.SignedURL,
		SignedBody:  a.SignedBody,
		Running:     &underWay,
	})
	return nil
}

// tokenClients are guarded clients for token endpoints.
type tokenClients struct {
	shared oauth.Doer
	own    map[string]oauth.Doer // by connector, where a route names addresses or a CA
}

func newTokenClients(guard *egress.Guard, routes map[string]resolver.Route, timeout time.Duration) tokenClients {
	t := tokenClients{shared: (&egress.Dialer{Guard: guard}).Client(timeout, nil), own: map[string]oauth.Doer{}}
	for key, r := range routes {
		if len(r.Allow) > 0 || r.TLS != nil {
			d := &egress.Dialer{Guard: &egress.Guard{Allow: slices.Concat(r.Allow, guard.Allow)}}
			t.own[key] = d.Client(timeout, r.TLS)
		}
	}
	return t
}

func (t tokenClients) of(c *providers.Connector) oauth.Doer {
	if d, ok := t.own[c.Key]; ok {
		return d
	}
	return t.shared
}

// underWay are the requests of all configurations, and inUse what each agent has
// in use: both outlive a reload.
var (
	underWay resolver.Running
	inUse    limit.Agents
)

// Start implements caddy.App; the listeners are the http app's. From here on this
// configuration says who may go on.
func (a *App) Start() error {
	ctx, cancel := context.WithCancel(context.Background())
	a.stopWatch = cancel
	go a.resolver.Watch(ctx)
	underWay.Wake()
	return nil
}

// Stop implements caddy.App.
func (a *App) Stop() error {
	if a.stopWatch != nil {
		a.stopWatch()
	}
	return nil
}

// limitOf is what an agent has in use.
func (a *App) limitOf(id string, own limit.Limits) *limit.Agent {
	return inUse.Of(id, own.Over(a.Limits))
}

// Cleanup lets go of what this configuration held. Streams that still run keep
// their connections to their end, and token requests their vault and cache.
func (a *App) Cleanup() error {
	if a.resolver != nil {
		a.resolver.Close()
	}
	let := func() {
		if a.credentials != nil {
			a.finish()
		}
		a.closeVault()
		a.closeCache()
	}
	if caddy.Exiting() {
		let()
	} else {
		go let() // a reload does not wait
	}
	if a.sample != nil {
		a.sample.flush()
	}
	return a.audit.Close()
}

// appOf returns the configured app.
func appOf(ctx caddy.Context) (*App, error) {
	v, err := ctx.AppIfConfigured("attache")
	if err != nil {
		return nil, fmt.Errorf("the global option attache is missing; write { attache { … } } at the top of the Caddyfile: %w", err)
	}
	a, ok := v.(*App)
	if !ok || a.resolver == nil {
		return nil, errors.New("the attache app is not ready")
	}
	return a, nil
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
