package caddymodule

import (
	"context"
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/attache-proxy/attache/caddymodule/forward"
	"github.com/attache-proxy/attache/caddymodule/head"
	"github.com/attache-proxy/attache/resolver"
)

func init() {
	caddy.RegisterModule(Forward{})
}

// Forward sends what the middleware decided, and the answer back. Upgrades it
// leaves to the next handler, which the directive attache makes a reverse_proxy:
// that knows how to drain them at a reload.
type Forward struct {
	resolver *resolver.Resolver
	logger   *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (Forward) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.attache_forward", New: func() caddy.Module { return new(Forward) }}
}

// Provision finds the app.
func (f *Forward) Provision(ctx caddy.Context) error {
	app, err := appOf(ctx)
	if err != nil {
		return err
	}
	f.resolver, f.logger = app.resolver, ctx.Logger()
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (f *Forward) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	call, ok := callOf(r.Context())
	if !ok {
		return errNoDecision
	}
	if forward.Upgrades(r) {
		return next.ServeHTTP(w, r)
	}
	return f.send(w, r, call)
}

// send sends r and copies the answer to w.
func (f *Forward) send(w http.ResponseWriter, r *http.Request, call *resolver.Call) error {
	forward.Onward(r)
	ctx, hints := forward.Watch(r.Context(), w)
	res, err := f.resolver.Send(r.WithContext(ctx), call)
	hints.Over()
	switch {
	case errors.Is(err, context.Canceled):
		w.WriteHeader(statusHungUp)
		return nil
	case err != nil:
		return err
	case res.StatusCode < 200:
		_ = res.Body.Close()
		return &resolver.Refusal{Code: "upstream_unreachable", Detail: call.Target.Host + " changed the protocol, which nobody had asked for", Next: "Do not repeat this request."}
	}
	head.Fit(res, call)
	if err := forward.Answer(w, res); err != nil {
		if c := f.logger.Check(zap.WarnLevel, "aborting with incomplete response"); c != nil {
			c.Write(zap.Error(err))
		}
		_ = http.NewResponseController(w).Flush() // what came is shown,
		panic(http.ErrAbortHandler)               // and that it is not all
	}
	return nil
}

// statusHungUp is what logs say of a client that left before its answer.
const statusHungUp = 499

// Interface guards
var (
	_ caddyhttp.MiddlewareHandler = (*Forward)(nil)
	_ caddy.Provisioner           = (*Forward)(nil)
)
