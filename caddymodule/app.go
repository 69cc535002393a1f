package caddymodule

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddypki"
	"go.uber.org/zap"

	"github.com/attache-proxy/attache/caddymodule/audit"
	_ "github.com/attache-proxy/attache/caddymodule/command" // the command line
	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/caddymodule/connectors"
	"github.com/attache-proxy/attache/caddymodule/health"
	"github.com/attache-proxy/attache/caddymodule/live"
	"github.com/attache-proxy/attache/caddymodule/metrics"
	"github.com/attache-proxy/attache/caddymodule/runs"
	"github.com/attache-proxy/attache/caddymodule/sample"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/egress"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/tool"
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
	Cache *config.Cache `json:"cache,omitempty"`
	// TokenTimeout is how long one token request may take, all its steps together;
	// 30 s when 0. The lease under which a replica refreshes is half as long again.
	TokenTimeout caddy.Duration `json:"token_timeout,omitempty"`
	// Key seals what leaves the process: placeholders, the first seals, all
	// open. Not needed while nothing leaves it.
	Key []string `json:"key,omitempty"`
	// LaunchKey shows that a run is confined (attache exec --confine); nil where nothing does.
	LaunchKey *config.LaunchKey `json:"launch_key,omitempty"`
	// RequireConfined lets accounts be used in confined runs alone, as grants may say too.
	RequireConfined bool `json:"require_confined,omitempty"`
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
	metrics     *metrics.Metrics
	audit       *audit.Log
	cacheKey    string
	cacheSeen   bool // while the Caddyfile is parsed
	vault       *vault.Vault
	vaultKey    string
	directory   *live.Directory
	runs        runs.Door
	runsOf      *runs.Directory
	asked       live.Approvals
	approvals   *approval.Desk // nil without a vault
	tools       *tool.Book     // likewise
	unhear      func()
	guard       *egress.Guard
	budgets     *budget.Keeper
	plans       []*budget.Plan // of the configuration's agents and grants; some nil
	set         *connectors.Set

	sample    *sample.Sampler
	health    *health.Health
	stopWatch context.CancelFunc

	publicURL   string // PublicURL, resolved
	tokenClient func(*providers.Connector) oauth.Doer
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "attache", New: func() caddy.Module { return new(App) }}
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
