package intercept

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// ErrUnanswered is matched by errors of Intercept and Splice that came before
// the client was answered: the caller still has to answer it.
var ErrUnanswered = errors.New("the tunnel was not opened")

// Tunnel is an intercepted tunnel. Requests inside find it with FromContext.
type Tunnel struct {
	// Host is where the client wants to go: lower case, without trailing dot,
	// IDNA names as A-labels, IPv6 addresses without brackets.
	Host string
	// Port is a number from 1 to 65535.
	Port string
	// Agent is for the caller. Only if it is a fmt.Stringer, or a string, does
	// it appear in logs, by that text.
	Agent any
	// Detach lets Intercept return while the tunnel goes on, where the client spoke
	// HTTP/1.1: a tunnel that idles then holds neither the handler's goroutine nor
	// what its request needed. It is for callers of which nobody wants to know how
	// long the handler took or how many bytes went through the hijacked connection.
	Detach bool
	// Closed, if set, is called once: when the tunnel is over, or could not be opened.
	Closed func()
}

// closed tells the caller that the tunnel is over.
func (t *Tunnel) closed() {
	if t.Closed != nil {
		t.Closed()
	}
}

// agentName is what may be said of the agent in a log.
func (t *Tunnel) agentName() string {
	switch a := t.Agent.(type) {
	case string:
		return a
	case fmt.Stringer:
		return a.String()
	}
	return ""
}

type contextKey int

const (
	tunnelKey contextKey = iota
	clientConnKey
	connKey
)

// FromContext returns the tunnel in which a request came, or nil.
func FromContext(ctx context.Context) *Tunnel {
	t, _ := ctx.Value(tunnelKey).(*Tunnel)
	return t
}

// ConnContext is for caddyhttp.Server.RegisterConnContext. With it, tunnels over
// HTTP/1.1 can be half-closed towards the client: what Hijack returns hides
// how. Without it, such a tunnel ends when the service ends its direction.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, clientConnKey, c)
}

// IsConnect reports a request for a tunnel. Extended CONNECT (RFC 8441, RFC
// 9220), with which WebSockets start over HTTP/2 and HTTP/3, is none: it has a
// :protocol, a scheme and a path, and is handled like any other request.
func IsConnect(r *http.Request) bool {
	if r.Method != http.MethodConnect {
		return false
	}
	switch r.ProtoMajor {
	case 2: // golang.org/x/net/http2 and net/http leave the pseudo-header in
		_, extended := r.Header[":protocol"]
		return !extended
	case 3: // quic-go puts it where "HTTP/3.0" stands otherwise
		return r.Proto == "HTTP/3.0"
	}
	return true
}
