package caddymodule

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/attache-proxy/attache/caddymodule/head"
	"github.com/attache-proxy/attache/resolver"
)

func init() {
	caddy.RegisterModule(Upstreams{})
	caddy.RegisterModule(Transport{})
}

// Upstreams tells reverse_proxy where: the connector that the middleware
// matched. It is only a name for logs and metrics; the transport dials.
type Upstreams struct{}

// CaddyModule returns the Caddy module information.
func (Upstreams) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.upstreams.attache", New: func() caddy.Module { return new(Upstreams) }}
}

// GetUpstreams implements reverseproxy.UpstreamSource.
func (*Upstreams) GetUpstreams(r *http.Request) ([]*reverseproxy.Upstream, error) {
	call, ok := callOf(r.Context())
	if !ok {
		return nil, errNoDecision
	}
	// The connector's key, not the host: Caddy keeps every upstream's name.
	name := "unmatched"
	if call.Connector != nil {
		name = call.Connector.Key
	}
	return []*reverseproxy.Upstream{{Dial: name + ":443"}}, nil
}

// UnmarshalCaddyfile reads: dynamic attache
func (*Upstreams) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { return noArguments(d) }

// Transport sends: it obtains the credential, signs a clone of the request and
// streams the answer. The credential is in no other handler's hands.
type Transport struct {
	resolver *resolver.Resolver
}

// CaddyModule returns the Caddy module information.
func (Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.transport.attache", New: func() caddy.Module { return new(Transport) }}
}

// Provision finds the app.
func (t *Transport) Provision(ctx caddy.Context) error {
	app, err := appOf(ctx)
	if err != nil {
		return err
	}
	t.resolver = app.resolver
	return nil
}

var errNoDecision = fmt.Errorf("no decision for this request: put attache_match before reverse_proxy")

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	call, ok := callOf(req.Context())
	if !ok {
		return nil, errNoDecision
	}
	res, err := t.resolver.Send(req, call)
	if err != nil {
		return nil, err
	}
	head.Fit(res, call)
	return res, nil
}

// UnmarshalCaddyfile reads: transport attache
func (*Transport) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { return noArguments(d) }

func noArguments(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		return d.Errf("unknown option %q; attache takes none here", d.Val())
	}
	return nil
}

// Interface guards
var (
	_ reverseproxy.UpstreamSource = (*Upstreams)(nil)
	_ caddyfile.Unmarshaler       = (*Upstreams)(nil)
	_ http.RoundTripper           = (*Transport)(nil)
	_ caddy.Provisioner           = (*Transport)(nil)
	_ caddyfile.Unmarshaler       = (*Transport)(nil)
)
