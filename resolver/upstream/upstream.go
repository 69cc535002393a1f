// Package upstream sends HTTP/1.1 requests to services on the goroutine that
// asks: it writes the request, reads the answer's head and hands out the body,
// and no goroutine of its own stands between. net/http's Transport keeps two for
// each connection, and a request passes through both.
//
// What is parsed is parsed by net/http: heads by http.ReadResponse, chunks and
// trailers by the body that it returns. This package decides when a connection
// is used, when it is used again, and when a request may be sent twice.
//
// HTTP/2, upgrades and what is unusual go through the http.Transport that a
// Transport is made of, and so does the first request to a place over TLS: the
// protocol that is agreed there says who sends the next.
package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Transport is an http.RoundTripper, safe for concurrent use.
type Transport struct {
	std  *http.Transport
	pool pool
	seen protocols
	tls  sessions
	own  bool
}

// New returns a Transport with the settings of std, which it uses for what it
// does not send itself: DialContext, TLSClientConfig, the time-outs and the
// limits on idle connections and on headers. With own false, std sends all.
func New(std *http.Transport, own bool) *Transport {
	t := &Transport{std: std, own: own && canPoll}
	t.pool.init(std.MaxIdleConnsPerHost, std.MaxIdleConns, std.IdleConnTimeout)
	t.tls.init(std.TLSClientConfig)
	return t
}

// Close drops the idle connections; those in use end with their requests.
func (t *Transport) Close() {
	t.pool.close()
	t.std.CloseIdleConnections()
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.Send(req, Owner{}, nil)
}

// Holder is who may end a request before its time, whatever it is waiting for. It is
// told what to close; a context of its own for each request would cost more than that.
type Holder interface {
	// Holds says that c is to be closed, at once where the request was ended already:
	// then it returns false. Nil means nothing any more.
	Holds(c io.Closer) bool
	// Under is ctx until the request is ended, or something else is held.
	Under(ctx context.Context) context.Context
}

// under is the request for those who know nothing but contexts.
func under(req *http.Request, held Holder) *http.Request {
	if held == nil {
		return req
	}
	return req.WithContext(held.Under(req.Context()))
}

// Send sends a request over a connection that only requests with the same
// owner use: what a service has attached to a connection, whatever an answer leaves
// behind on it, and what a service takes for a next request although it was a body,
// meets nobody else. HTTP/2 connections are shared.
//
// Held may end the request, and its answer's body; nil is nobody.
//
// Informational answers are told to the hook Got1xxResponse of the request's
// httptrace.ClientTrace, if there is one. The caller must read the body to its
// end or close it.
func (t *Transport) Send(req *http.Request, owner Owner, held Holder) (*http.Response, error) {
	if !t.own || !ordinary(req) {
		return t.std.RoundTrip(under(req, held))
	}
	p := placeOf(req, owner)
	if p.tls && t.seen.of(p.addr) != http1 {
		return t.learn(under(req, held), p.addr)
	}
	m, err := compose(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	res, err := t.try(req, p, m, held)
	if errors.Is(err, errHTTP2) {
		t.seen.set(p.addr, http2)
		return t.again(under(req, held), m)
	}
	if err != nil {
		m.drop()
		if cause := context.Cause(req.Context()); cause != nil {
			return nil, cause
		}
	}
	return res, err
}

// again sends by net/http what was composed for HTTP/1.1.
func (t *Transport) again(req *http.Request, m *message) (*http.Response, error) {
	out := *m.req
	if !m.stream && hasBody(req) { // it was read
		out.Body = &composed{bytes.NewReader(m.out.Bytes()[m.head:]), req.Body}
	}
	return t.std.RoundTrip(&out)
}

// composed is a body that was read into memory.
type composed struct {
	*bytes.Reader
	io.Closer
}

// try sends over an idle connection, and where that turns out to be dead and
// the request may be repeated, once more over a new one.
func (t *Transport) try(req *http.Request, p place, m *message, held Holder) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if c := t.pool.take(p); c != nil {
		res, err := c.exchange(t, req, m, held)
		var dead *unanswered
		if !errors.As(err, &dead) || !m.again(req, dead.unsent) || req.Context().Err() != nil {
			return res, err
		}
	}
	ctx := req.Context()
	if held != nil {
		ctx = held.Under(ctx)
	}
	c, err := t.dial(ctx, p)
	if err != nil {
		return nil, err
	}
	return c.exchange(t, req, m, held)
}

// learn sends by net/http and remembers the protocol that was agreed.
func (t *Transport) learn(req *http.Request, addr string) (*http.Response, error) {
	res, err := t.std.RoundTrip(req)
	if err == nil {
		t.seen.set(addr, version(res.ProtoMajor))
	}
	return res, err
}

// ordinary reports a request that this package sends. The others are upgrades,
// and bodies of unknown length where a body is unusual: net/http finds out
// whether there is one at all.
func ordinary(req *http.Request) bool {
	if req.Method == http.MethodConnect || len(req.Header["Upgrade"]) > 0 || req.URL.Opaque != "" {
		return false
	}
	if req.ContentLength >= 0 && (req.ContentLength != 0 || !hasBody(req)) {
		return true
	}
	switch req.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return true
	}
	return false
}

func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// idempotent are the methods that may be sent twice (RFC 9110 §9.2.2).
var idempotent = []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete}

// repeatable reports a request whose effect does not grow when it is sent twice.
// An Idempotency-Key says so for the others, as net/http understands it too.
func repeatable(req *http.Request) bool {
	if slices.Contains(idempotent, req.Method) || req.Method == "" {
		return true
	}
	for name := range req.Header {
		if strings.EqualFold(name, "Idempotency-Key") || strings.EqualFold(name, "X-Idempotency-Key") {
			return true
		}
	}
	return false
}

// maxWriteWait is how long a finished answer waits for its request's end before
// the connection is given up, as in net/http.
const maxWriteWait = 50 * time.Millisecond
