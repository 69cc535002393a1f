package caddymodule

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/attache-proxy/attache/caddymodule/health"
)

// listenerShortcut serves the requests of the listeners themselves, before Caddy's server
// sees them: by the shortcut where there is one, and only calls over plain HTTP/1.1.
// Tunnels, upgrades, what we say about ourselves, HTTP/2 and TLS are the server's.
type listenerShortcut struct{ *shortcut }

// serve serves r, and reports whether it did.
func (l listenerShortcut) serve(w http.ResponseWriter, r *http.Request) bool {
	s, ok := r.Context().Value(connectionKey{}).(*connection)
	if !ok || r.ProtoMajor != 1 { // of HTTP/2, which stays, requests come beside each other
		return false
	}
	f := l.forwarder()
	if f == nil || len(l.server.ListenerWrappersRaw) > 0 || !ordinary(r) { // a wrapper may have ended TLS
		s.timed = true // Caddy's server leaves its last time limit behind
		return false
	}
	s.begin(w, f)
	var body *tail
	if r.Body != http.NoBody {
		body = &tail{ReadCloser: r.Body}
		r.Body = body
	}
	l.shortcut.serve(w, r, &s.to)
	if body != nil && !body.read.Load() {
		s.boundReading(w)
	}
	return true
}

// ordinary reports a call of which Caddy's server would think nothing.
func ordinary(r *http.Request) bool {
	if r.TLS != nil || r.Host == "" || len(r.Method) > 32 || r.Method == http.MethodConnect || len(r.Header["Upgrade"]) > 0 {
		return false
	}
	return !strings.HasPrefix(r.URL.Path, "/.well-known/") && !health.Serves(r.URL.Path)
}

// tail is a request's body that knows whether its end was seen.
type tail struct {
	io.ReadCloser
	read atomic.Bool
}

// Read implements io.Reader.
func (t *tail) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err == io.EOF {
		t.read.Store(true)
	}
	return n, err
}

// connContext makes a connection for each that is accepted.
func (l listenerShortcut) connContext(ctx context.Context, _ net.Conn) context.Context {
	s := new(connection)
	s.to.connection = s
	s.idle.read, s.idle.write = time.Duration(l.server.ReadIdleTimeout), time.Duration(l.server.WriteIdleTimeout)
	return context.WithValue(ctx, connectionKey{}, s)
}
