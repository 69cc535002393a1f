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
)

// shortcut leads past Caddy's server, where that has no other route than ours and
// nothing that listens to its requests: then they go straight to the middleware
// and the forwarder. Caddy's replacer, log fields and idle timeouts cost as much as
// our own decision, and nobody would see them.
type shortcut struct {
	handler *Handler
	server  *caddyhttp.Server

	found atomic.Pointer[destination]
}

// destination is where the shortcut leads: nowhere, if forward is nil.
type destination struct{ forward *Forward }

// forwarder is what the server does and nothing else, or nil. It is found out when
// the configuration runs and not before: routes are still being provisioned.
func (s *shortcut) forwarder() *Forward {
	if d := s.found.Load(); d != nil {
		return d.forward
	}
	app := s.running()
	if app == nil {
		return nil
	}
	d := &destination{s.alone(app)}
	s.found.Store(d)
	return d.forward
}

// alone returns the forwarder of a server that does nothing but forward.
func (s *shortcut) alone(app *caddyhttp.App) *Forward {
	if app.Metrics != nil { // of all servers at once
		return nil
	}
	on := s.server
	if len(on.Routes) != 1 || on.Errors != nil || on.Logs != nil || on.Metrics != nil || on.EnableFullDuplex || on.ReadTimeout > 0 || on.WriteTimeout > 0 {
		return nil
	}
	route := on.Routes[0]
	if len(route.MatcherSets) > 0 || len(route.Handlers) != 3 {
		return nil
	}
	own, ok := route.Handlers[0].(*Handler)
	f, forwards := route.Handlers[1].(*Forward)
	_, proxies := route.Handlers[2].(*reverseproxy.Handler)
	if !ok || own != s.handler || !forwards || !proxies {
		return nil
	}
	return f
}

// running is the HTTP app of the configuration that runs, if it is the server's.
func (s *shortcut) running() *caddyhttp.App {
	running, err := caddy.ActiveContext().AppIfConfigured("http")
	app, ok := running.(*caddyhttp.App)
	if err != nil || !ok {
		return nil
	}
	for _, other := range app.Servers {
		if other == s.server {
			return app
		}
	}
	return nil // another one runs by now, or ours not yet
}

// serverHeader is Caddy's own, which nobody changes.
var serverHeader = []string{caddyhttp.ServerHeader}

// serve does what the server's only route does.
func (s *shortcut) serve(w http.ResponseWriter, r *http.Request, to *afterShortcut) {
	w.Header()["Server"] = serverHeader
	if err := s.handler.ServeHTTP(w, r, to); err != nil {
		s.fail(w, err)
	}
}

// fail answers as Caddy's server does where no error route is configured.
func (s *shortcut) fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var he caddyhttp.HandlerError
	if errors.As(err, &he) && he.StatusCode != 0 {
		status = he.StatusCode
	}
	if status >= 500 {
		s.handler.logger.Error("request failed", zap.Error(err))
	}
	w.WriteHeader(status)
}

// tunnelShortcut serves the requests of intercepted tunnels: by the shortcut where there is
// one, else, and upgrades always, by the server like all others.
type tunnelShortcut struct{ *shortcut }

// ServeHTTP implements http.Handler.
func (t tunnelShortcut) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := t.forwarder()
	if f == nil || forward.Upgrades(r) {
		fieldname.Aside{Next: t.server}.ServeHTTP(w, r)
		return
	}
	t.serve(w, r, &afterShortcut{Forward: f})
}
