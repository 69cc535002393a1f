package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/attache-proxy/attache/caddymodule/entrance"
	"github.com/attache-proxy/attache/caddymodule/fieldname"
	"github.com/attache-proxy/attache/caddymodule/http1"
	"github.com/attache-proxy/attache/caddymodule/intercept"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/limit"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Handler is the middleware: it understands the request, finds the agent and
// the connector, and permits or refuses. What it permits goes on to the next
// handler: Forward, or a reverse_proxy with the upstream source and the transport
// of this package. It never touches a credential of a service.
//
// It sets the placeholders {attache.agent}, {attache.connector},
// {attache.account} and {attache.operation}, the last once more when the body was
// read, and {http.auth.user.id} to the agent.
type Handler struct {
	// Agent is who calls without presenting anything: this listener's agent.
	Agent string `json:"agent,omitempty"`
	// AgentFromCertificate takes the common name of a verified client
	// certificate for the agent's name.
	AgentFromCertificate bool `json:"agent_from_certificate,omitempty"`
	// Unmatched is what happens to hosts of no connector: tunnel (default) or deny.
	Unmatched string `json:"unmatched,omitempty"`
	// Names are further names by which clients reach this proxy, beside
	// loopback names and names without a dot.
	Names []string `json:"names,omitempty"`

	app         *App
	interceptor *intercept.Interceptor
	past        *shortcut
	logger      *zap.Logger
	agent       *resolver.Agent
	names       map[string]bool
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.attache", New: func() caddy.Module { return new(Handler) }}
}

// Provision finds the app and the listener's agent.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	app, err := appOf(ctx)
	if err != nil {
		return err
	}
	h.app = app
	if h.Agent != "" {
		if h.agent, err = app.resolver.AgentByName(ctx, h.Agent); err != nil {
			return fmt.Errorf("agent %s of the listener is not declared; write agent %s { … } in the global attache option", h.Agent, h.Agent)
		}
	}
	h.names = map[string]bool{}
	for _, n := range h.Names {
		h.names[n] = true
	}
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return errors.New("attache must be used in an HTTP server")
	}
	if server.ReadHeaderTimeout == 0 {
		server.ReadHeaderTimeout = caddy.Duration(headerTimeout)
	}
	h.past = &shortcut{handler: h, server: server}
	h.interceptor = intercept.New(intercept.Config{
		Handler: tunnelShortcut{h.past}, CA: app.ca, Logger: h.logger,
		ReadHeaderTimeout: time.Duration(server.ReadHeaderTimeout), IdleTimeout: time.Duration(server.IdleTimeout), MaxHeaderBytes: max(server.MaxHeaderBytes, maxInnerHeaderBytes),
		OnMint: app.metrics.Minted, OnTunnel: app.metrics.Tunnel,
		OnHeader: func(t *intercept.Tunnel, n int64) bool { return t.Agent.(*tunnelAgent).header(n) },
	})
	server.RegisterConnContext(intercept.ConnContext)
	server.RegisterConnContext(listenerShortcut{h.past}.connContext)
	fieldname.Keep(server, listenerShortcut{h.past}.serve)
	entrance.All.Guard(server)
	if app.approvals != nil { // what waits for a person would keep the server for as long
		server.RegisterOnShutdown(app.approvals.Close)
	}
	server.RegisterOnShutdown(h.interceptor.Shutdown)
	server.RegisterOnStop(h.interceptor.Wait)
	return nil
}

// Validate checks what was configured.
func (h *Handler) Validate() error {
	switch h.Unmatched {
	case "", "tunnel", "deny":
		return nil
	}
	return fmt.Errorf("unmatched %q: want tunnel or deny", h.Unmatched)
}

// Cleanup closes the inner server unless it is still draining.
func (h *Handler) Cleanup() error {
	if h.interceptor != nil {
		h.interceptor.Close()
	}
	return nil
}

// callKey is where the middleware leaves its decision for the transport.
const callKey = "attache.call"

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) (err error) {
	v := &visit{h: h, w: w, r: r, url: *r.URL, began: time.Now(), last: http1.FramedTwice(r)}
	entrance.All.Serve(r.Context())
	fieldname.Restore(r)
	if to, ok := next.(*afterShortcut); ok {
		v.connection = to.connection
	}
	defer v.over(&err)
	if err = v.understand(); err == nil {
		h.app.metrics.Resolved(time.Since(v.began))
		err = v.serve(next)
	}
	v.returned = true
	return err
}

// errServed ends a visit that was answered by ourselves and is not audited.
var errServed = errors.New("served")

// serve runs the rest of the route for a request that was understood.
func (v *visit) serve(next caddyhttp.Handler) error {
	kind := limit.Requests
	if resolver.IsUpgrade(v.r) {
		kind = limit.Upgrades
	}
	if err := v.h.app.resolver.Begin(v.call, kind); err != nil {
		return err
	}
	if v.connection == nil {
		defer liftIdleTimeouts(v.r)()
	}
	v.setPlaceholders()
	v.w.Header().Del("Alt-Svc")
	return v.pass(next)
}

// over ends a visit, whatever became of it: also where copying the answer
// panicked, because the agent hung up or the service broke off, and where the
// connection was taken over. Otherwise the agent would choose whether it is
// audited.
func (v *visit) over(err *error) {
	if errors.Is(*err, errServed) {
		*err = nil
		return
	}
	if v.call != nil {
		v.h.app.resolver.Finish(v.call)
	}
	ref, refused := resolver.AsRefusal(*err)
	if v.returned && refused {
		*err, ref = nil, ref.Timely(v.r, time.Since(v.began))
		v.refuse(ref)
	}
	v.observe(ref, *err)
}

// refuse answers with a refusal.
func (v *visit) refuse(ref *resolver.Refusal) {
	if v.connection != nil {
		v.connection.boundReading(v.w)
		v.connection.boundWriting(v.w)
	}
	if http1.OffersBody(v.r) || v.last || v.r.ProtoMajor == 1 && ref.Code == "too_many_requests" {
		v.w.Header().Set("Connection", "close") // what is refused for want of room keeps none
	}
	http1.Answer(v.w, v.r, "attache: "+ref.Code, ref.Answer)
	if c := v.h.logger.Check(zap.DebugLevel, "refused"); c != nil && v.agent != nil {
		c.Write(zap.String("code", ref.Code), zap.String("detail", ref.Detail), zap.NamedError("cause", ref.Err))
	}
}

// headerTimeout is how long a client may take until its headers are complete,
// from the connection's first moment on, unless the operator says otherwise.
// Caddy's default is a minute, in which silent connections pile up.
const headerTimeout = 10 * time.Second

// maxInnerHeaderBytes is the limit on a request's headers inside tunnels. In
// HTTP/2 it also bounds one string, and going beyond it ends the connection.
const maxInnerHeaderBytes = 1 << 20

// callOf returns the middleware's decision.
func callOf(ctx context.Context) (*resolver.Call, bool) {
	c, ok := caddyhttp.GetVar(ctx, callKey).(*resolver.Call)
	return c, ok
}

// idle is how long a stream may be silent: as long as it wants. Caddy cuts at
// one minute, which breaks bidirectional streams and slow answers.
const idle = 365 * 24 * time.Hour

// liftIdleTimeouts replaces Caddy's idle timeouts for one request.
func liftIdleTimeouts(r *http.Request) (restore func()) {
	rd, wr := caddyhttp.IdleTimeoutsFromContext(r.Context())
	var undo [2]func()
	if rd != nil {
		undo[0] = rd.Override(idle, 0)
	}
	if wr != nil {
		undo[1] = wr.Override(idle, 0, 0)
	}
	return func() {
		for _, f := range undo {
			if f != nil {
				f()
			}
		}
	}
}

// setPlaceholders makes the decision visible to logs and other handlers.
func (v *visit) setPlaceholders() {
	repl, ok := v.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	repl.Set("http.auth.user.id", v.agent.Name)
	repl.Set("attache.agent", v.agent.Name)
	if v.call != nil && v.call.Connector != nil {
		repl.Set("attache.connector", v.call.Connector.Key)
		repl.Set("attache.account", v.call.Account.Name)
		does, _ := v.call.Does()
		repl.Set("attache.operation", does.Name)
	}
}

// Interface guards
var (
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
)
