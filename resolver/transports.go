package resolver

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/resolver/egress"
	"github.com/attache-proxy/attache/resolver/failure"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/upstream"
)

// Transports say how services are reached.
type Transports struct {
	// Guard checks every address that is dialled.
	Guard *egress.Guard
	// DialTimeout is 10 s when zero.
	DialTimeout time.Duration
	// MaxIdlePerHost is how many idle connections are kept to one host; 1024
	// when zero. Go's own default of two makes proxies dial all the time.
	MaxIdlePerHost int
	// Std leaves HTTP/1.1 to net/http, too.
	Std bool
	// Routes are what differs for some connectors, by key.
	Routes map[string]Route
}

// Route is how one connector's service is reached, where it is not by its host
// name over TLS with the system's roots.
type Route struct {
	// Place is dialled instead of the host: host:port, or unix/ and a path.
	Place string
	// Plain speaks HTTP without TLS to the place.
	Plain bool
	// Allow are addresses that the operator named for this connector alone.
	Allow []netip.Prefix
	// TLS is the client configuration, for a private CA or a client certificate.
	TLS *tls.Config
}

// transports keeps one pool of connections for all ordinary services and one
// for each connector with a route.
type transports struct {
	guard  *egress.Guard
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	shared *upstream.Transport
	own    map[string]routed
}

type routed struct {
	*upstream.Transport
	plain bool
	// without shows no client certificate, for requests that are no account's; it
	// is the Transport itself where that shows none.
	without *upstream.Transport
}

func newTransports(t Transports) *transports {
	if t.Guard == nil {
		t.Guard = &egress.Guard{}
	}
	out := &transports{guard: t.Guard, own: map[string]routed{}}
	shared := &egress.Dialer{Guard: t.Guard, Timeout: t.DialTimeout, Last: limit.Scarce}
	out.dial, out.shared = shared.DialContext, t.transport(shared, Route{})
	for key, r := range t.Routes {
		d := &egress.Dialer{Guard: &egress.Guard{Allow: slices.Concat(r.Allow, t.Guard.Allow)}, Timeout: t.DialTimeout, Last: limit.Scarce}
		own := routed{Transport: t.transport(d, r), plain: r.Plain}
		own.without = own.Transport
		if r.TLS != nil && (len(r.TLS.Certificates) > 0 || r.TLS.GetClientCertificate != nil) {
			bare := r
			bare.TLS = r.TLS.Clone()
			bare.TLS.Certificates, bare.TLS.GetClientCertificate = nil, nil
			own.without = t.transport(d, bare)
		}
		out.own[key] = own
	}
	return out
}

func (t Transports) transport(d *egress.Dialer, r Route) *upstream.Transport {
	idle := t.MaxIdlePerHost
	if idle == 0 {
		idle = 1024
	}
	tr := &http.Transport{
		Proxy:                 nil, // HTTPS_PROXY may point at ourselves
		DialContext:           d.DialContext,
		TLSClientConfig:       r.TLS,
		TLSHandshakeTimeout:   10 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          4 * idle, // a wildcard's names must not use up the descriptors
		MaxIdleConnsPerHost:   idle,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // bytes pass untouched
		// What a service sends and an agent does not take waits in a buffer of each stream.
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 512 << 10},
		// No limit on the time to the first byte: language models take minutes.
	}
	if r.Place != "" {
		tr.DialContext = d.Fixed(r.Place)
	}
	return upstream.New(tr, !t.Std)
}

// of picks the pool for a call, and says whether it speaks plain HTTP. Owner is
// who alone uses a connection: an account, in the hands of one agent. What a service
// ties to a connection is theirs, and what one agent leaves behind on it meets no other.
func (t *transports) of(call *Call) (tr *upstream.Transport, owner upstream.Owner, plain bool) {
	if call.Agent != nil { // else it is a test of ours
		owner.Agent = call.Agent.ID
	}
	if call.Connector == nil {
		if call.route != nil {
			if r, ok := t.own[call.route.Key]; ok {
				return r.without, owner, r.plain || !call.HTTPS
			}
		}
		return t.shared, owner, !call.HTTPS
	}
	owner.Account = call.Account.ID
	if r, ok := t.own[call.Connector.Key]; ok {
		return r.Transport, owner, r.plain || !call.HTTPS
	}
	return t.shared, owner, !call.HTTPS
}

// close drops what is idle; connections in use end with their requests.
func (t *transports) close() {
	t.shared.Close()
	for _, r := range t.own {
		r.Close()
		if r.without != r.Transport {
			r.without.Close()
		}
	}
}

// DialTunnel dials for an opaque tunnel, through the guard.
func (r *Resolver) DialTunnel(ctx context.Context, t Target) (net.Conn, error) {
	conn, err := r.transports.dial(ctx, "tcp", t.JoinHostPort())
	if err != nil {
		return nil, failure.Refusal(ctx, err, strings.ToLower(t.Host), "")
	}
	return conn, nil
}
