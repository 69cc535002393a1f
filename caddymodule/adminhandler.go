package caddymodule

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap/exp/zapslog"

	"github.com/attache-proxy/attache/caddymodule/admin"
	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/health"
	"github.com/attache-proxy/attache/caddymodule/oidc"
	"github.com/attache-proxy/attache/caddymodule/version"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/connect"
)

func init() {
	caddy.RegisterModule(AdminHandler{})
	httpcaddyfile.RegisterHandlerDirective("attache_admin", parseAdmin)
	httpcaddyfile.RegisterDirectiveOrder("attache_admin", httpcaddyfile.Before, "reverse_proxy")
}

// AdminHandler serves the REST API over the vault. An agent's token opens
// nothing here.
type AdminHandler struct {
	// Hosts are names by which the API may be called, beside loopback names.
	Hosts []string `json:"hosts,omitempty"`
	// TrustSocket lets whoever can open the listener's unix socket do
	// everything: its file mode is the permission.
	TrustSocket bool `json:"trust_socket,omitempty"`
	// OIDC lets people sign in through an OpenID provider.
	OIDC *oidc.Config `json:"oidc,omitempty"`

	app    *App
	api    *admin.Admin
	cancel context.CancelFunc
}

// CaddyModule returns the Caddy module information.
func (AdminHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.attache_admin", New: func() caddy.Module { return new(AdminHandler) }}
}

// Provision makes the API over the app's vault.
func (h *AdminHandler) Provision(ctx caddy.Context) error {
	app, err := appOf(ctx)
	if err != nil {
		return err
	}
	if app.vault == nil {
		return errors.New("attache_admin needs a vault; write vault sqlite into the global attache option")
	}
	people, err := h.OIDC.Provision(app.guardedClient(20 * time.Second))
	if err != nil {
		return err
	}
	h.app = app
	backend := backend{app}
	h.api = admin.New(admin.Config{
		Vault: app.vault, Catalogue: backend, Tester: backend, Connections: backend, Storage: backend, Declared: backend, MCP: connect.MCPFinder(app.guard), Egress: *app.guard,
		HTTP: app.guardedClient(30 * time.Second), Hosts: h.Hosts, TrustSocket: h.TrustSocket, OIDC: people,
		SigningKeys: app.signingKeys, Operations: (*providers.Connector).Operations, Explainer: backend, Budgets: backend,
		PublicURL: app.publicURL, Links: app.ConnectLinks,
		Version: version.Get().Version, WebhookFailed: app.metrics.Webhook, Log: slog.New(zapslog.NewHandler(ctx.Logger().Core())),
	})
	var run context.Context
	run, h.cancel = context.WithCancel(context.Background())
	go h.api.Run(run)
	return nil
}

// Cleanup ends the sending of webhooks.
func (h *AdminHandler) Cleanup() error {
	if h.cancel != nil {
		h.cancel()
	}
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *AdminHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if health.Serves(r.URL.Path) {
		h.app.health.ServeHTTP(w, r)
		return nil
	}
	if !paths.Serves(r.URL.Path) {
		return health.OrNotFound(w, r, next.ServeHTTP)
	}
	if paths.Secret(r.URL.Path) {
		caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	}
	h.api.ServeHTTP(w, r)
	return nil
}

// parseAdmin reads:
//
//	attache_admin [<matcher>] {
//		host <name…>
//		trust_socket
//		oidc <issuer> { … }
//	}
func parseAdmin(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	out := new(AdminHandler)
	h.Next()
	if h.NextArg() {
		return nil, h.ArgErr()
	}
	for h.NextBlock(0) {
		if err := out.parseOption(h.Dispenser); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (h *AdminHandler) parseOption(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "host":
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.ArgErr()
		}
		h.Hosts = append(h.Hosts, args...)
	case "trust_socket":
		h.TrustSocket = true
		if d.NextArg() {
			return d.ArgErr()
		}
	case "oidc":
		if h.OIDC != nil {
			return d.Err("there is one oidc already")
		}
		h.OIDC = new(oidc.Config)
		return h.OIDC.Parse(d)
	default:
		return d.Errf("unknown option %q in attache_admin; known here: host, trust_socket, oidc", d.Val())
	}
	return nil
}

// Interface guards
var (
	_ caddyhttp.MiddlewareHandler = (*AdminHandler)(nil)
	_ caddy.Provisioner           = (*AdminHandler)(nil)
	_ caddy.CleanerUpper          = (*AdminHandler)(nil)
)
