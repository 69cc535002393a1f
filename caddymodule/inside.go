package caddymodule

import (
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/attache-proxy/attache/caddymodule/fieldname"
	"github.com/attache-proxy/attache/caddymodule/forward"
	"github.com/attache-proxy/attache/caddymodule/http1"
)

// shortcut is where requests in tunnels go past the server, or nil.
type shortcut struct{ forward *Forward }

// inside serves the requests of intercepted tunnels. Where the server has no
// other route than ours, and nothing that listens to its requests, they go
// straight to the middleware and the forwarder: Caddy's replacer, log fields and
// idle timeouts cost as much as our own decision, and nobody would see them.
// Otherwise, and for upgrades, they go through the server like all others.
type inside struct {
	handler *Handler
	server  *caddyhttp.Server

	found atomic.Pointer[shortcut]
}

// ServeHTTP implements http.Handler.
func (i *inside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := i.forwarder()
	if f == nil || forward.Upgrades(r) {
		fieldname.Aside{Next: i.server}.ServeHTTP(w, r)
		return
	}
	w.Header()["Server"] = []string{caddyhttp.ServerHeader}
	if err := i.handler.ServeHTTP(w, r, direct{f}); err != nil {
		i.fail(w, err)
	}
}

// forwarder is what the server does and nothing else, or nil. It is found out when
// the configuration runs and not before: routes are still being provisioned.
func (i *inside) forwarder() *Forward {
	if s := i.found.Load(); s != nil {
		return s.forward
	}
	app := i.running()
	if app == nil {
		return nil
	}
	s := &shortcut{i.alone(app)}
	i.found.Store(s)
	return s.forward
}

// fail answers as Caddy's server does where no error route is configured.
func (i *inside) fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var he caddyhttp.HandlerError
	if errors.As(err, &he) && he.StatusCode != 0 {
		status = he.StatusCode
	}
	if status >= 500 {
		i.handler.logger.Error("request in a tunnel", zap.Error(err))
	}
	w.WriteHeader(status)
}

// alone returns the forwarder of a server that does nothing but forward.
func (i *inside) alone(app *caddyhttp.App) *Forward {
	s := i.server
	if app.Metrics != nil { // of all servers at once
		return nil
	}
	if len(s.Routes) != 1 || s.Errors != nil || s.Logs != nil || s.Metrics != nil || s.EnableFullDuplex || s.ReadTimeout > 0 || s.WriteTimeout > 0 {
		return nil
	}
	route := s.Routes[0]
	if len(route.MatcherSets) > 0 || len(route.Handlers) != 3 {
		return nil
	}
	own, ok := route.Handlers[0].(*Handler)
	f, forwards := route.Handlers[1].(*Forward)
	_, proxies := route.Handlers[2].(*reverseproxy.Handler)
	if !ok || own != i.handler || !forwards || !proxies {
		return nil
	}
	return f
}

// running is the HTTP app of the configuration that runs, if it is the server's.
func (i *inside) running() *caddyhttp.App {
	running, err := caddy.ActiveContext().AppIfConfigured("http")
	app, ok := running.(*caddyhttp.App)
	if err != nil || !ok {
		return nil
	}
	for _, s := range app.Servers {
		if s == i.server {
			return app
		}
	}
	return nil // another one runs by now, or ours not yet
}

// direct stands for the handlers behind the middleware where they are not asked
// one by one.
type direct struct{ *Forward }

// ServeHTTP implements caddyhttp.Handler. Handler.serve calls send instead.
func (direct) ServeHTTP(http.ResponseWriter, *http.Request) error { return errNoDecision }

// pass hands an understood request on.
func (v *visit) pass(next caddyhttp.Handler) error {
	v.route()
	var lower []string
	if v.call.Connector != nil {
		lower = v.call.Connector.MetaPrefixes
	}
	w := http1.Writer(v.w, v.r, v.last, lower)
	if d, ok := next.(direct); ok {
		return d.send(w, v.r, v.call)
	}
	caddyhttp.SetVar(v.r.Context(), callKey, v.call)
	return next.ServeHTTP(w, v.r)
}
