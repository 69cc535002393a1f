package resolver

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	// TLS makes the client configuration, for a private CA or a client certificate,
	// when the service is called first; nil is the usual one.
	TLS func() *tls.Config
}

// transports keeps one pool of connections for all ordinary services and one
// for each connector with a route.
type transports struct {
	guard  *egress.Guard
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	shared *upstream.Transport
	own    map[string]*routed
}

// routed is made when it is used first.
type routed struct {
	once  sync.Once
	ready atomic.Bool
	route Route
	from  Transports
	*upstream.Transport
	// without shows no client certificate, for requests that are no account's; it
	// is the Transport itself where that shows none.
	without *upstream.Transport
}

func newTransports(t Transports) *transports {
	if t.Guard == nil {
		t.Guard = &egress.Guard{}
	}
	out := &transports{guard: t.Guard, own: map[string]*routed{}}
	shared := &egress.Dialer{Guard: t.Guard, Timeout: t.DialTimeout, Last: limit.Scarce}
	out.dial, out.shared = shared.DialContext, t.transport(shared, "", nil)
	for key, r := range t.Routes {
		out.own[key] = &routed{route: r, from: t}
	}
	return out
}

// made makes the transports where this was not done yet.
func (r *routed) made() *routed {
	r.once.Do(func() {
		t := r.from
		d := &egress.Dialer{Guard: &egress.Guard{Allow: slices.Concat(r.route.Allow, t.Guard.Allow)}, Timeout: t.DialTimeout, Last: limit.Scarce}
		var conf *tls.Config
		if r.route.TLS != nil {
			conf = r.route.TLS()
		}
		r.Transport = t.transport(d, r.route.Place, conf)
		r.without = r.Transport
		if conf != nil && (len(conf.Certificates) > 0 || conf.GetClientCertificate != nil) {
			bare := conf.Clone()
			bare.Certificates, bare.GetClientCertificate = nil, nil
			r.without = t.transport(d, r.route.Place, bare)
		}
		r.ready.Store(true)
	})
	return r
}

// close drops what is idle.
func (r *routed) close() {
	if !r.ready.Load() {
		return
	}
	r.Close()
	if r.without != r.Transport {
		r.without.Close()
	}
}

func (t Transports) transport(d *egress.Dialer, place string, conf *tls.Config) *upstream.Transport {
	idle := t.MaxIdlePerHost
	if idle == 0 {
		idle = 1024
	}
	tr := &http.Transport{
		Proxy:                 nil, // HTTPS_PROXY may point at ourselves
		DialContext:           d.DialContext,
		TLSClientConfig:       conf,
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
	if place != "" {
		tr.DialContext = d.Fixed(place)
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
				return r.made().without, owner, r.route.Plain || !call.HTTPS
			}
		}
		return t.shared, owner, !call.HTTPS
	}
	owner.Account = call.Account.ID
	if r, ok := t.own[call.Connector.Key]; ok {
		return r.made().Transport, owner, r.route.Plain || !call.HTTPS
	}
	return t.shared, owner, !call.HTTPS
}

// close drops what is idle; connections in use end with their requests.
func (t *transports) close() {
	t.shared.Close()
	for _, r := range t.own {
		r.close()
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
