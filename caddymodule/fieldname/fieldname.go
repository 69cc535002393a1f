// Package fieldname lets headers pass whose names have _ or . in them: S3's and
// Azure's metadata, the parameters of MCP's tools. Caddy (2.11) takes all of them
// off a request before any handler sees it, since CGI and its like read X_Y as X-Y.
// Here they go to services of others, which decide for themselves what a name means;
// what could pass there for something that we or HTTP say is taken off.
package fieldname

import (
	"context"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Keep makes a server's requests come with what Restore gives back. HTTP/3 is not
// reached: its server is known to nobody but Caddy. Past is Aside's.
func Keep(server *caddyhttp.Server, past func(http.ResponseWriter, *http.Request) bool) {
	server.RegisterConnContext(func(ctx context.Context, _ net.Conn) context.Context {
		if s, ok := ctx.Value(http.ServerContextKey).(*http.Server); ok {
			wrap(s, past)
		}
		return ctx
	})
}

// wrapping orders the accepting goroutines of a server's listeners: each of them has
// been here before the first request that it lets in reads the handler.
var wrapping sync.Mutex

func wrap(s *http.Server, past func(http.ResponseWriter, *http.Request) bool) {
	wrapping.Lock()
	defer wrapping.Unlock()
	if _, done := s.Handler.(Aside); !done {
		s.Handler = Aside{Next: s.Handler, Past: past}
	}
}

// Aside is a handler before Next, which is Caddy's server: it lays the names aside
// that would be lost there.
type Aside struct {
	Next http.Handler
	// Past serves requests that need not go through Next at all, names and all, and
	// reports which it did; nil serves none.
	Past func(http.ResponseWriter, *http.Request) bool
}

type asideKey struct{}

// ServeHTTP implements http.Handler.
func (a Aside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.Past != nil && a.Past(w, r) {
		return
	}
	var odd http.Header
	for name, values := range r.Header {
		if isOdd(name) {
			if odd == nil {
				odd = http.Header{}
			}
			odd[name] = values
			delete(r.Header, name)
		}
	}
	if odd != nil {
		r = r.WithContext(context.WithValue(r.Context(), asideKey{}, odd))
	}
	a.Next.ServeHTTP(w, r)
}

// Restore gives a request's headers back what was laid aside, and takes off it
// what must not be misread. It belongs before anybody decides by them.
func Restore(r *http.Request) {
	if odd, ok := r.Context().Value(asideKey{}).(http.Header); ok {
		maps.Copy(r.Header, odd)
	}
	for name := range r.Header {
		if isOdd(name) && misread(name) {
			delete(r.Header, name)
		}
	}
}

// isOdd reports a name that Caddy drops.
func isOdd(name string) bool {
	for i := range len(name) {
		if name[i] == '_' || name[i] == '.' {
			return true
		}
	}
	return false
}

// misread reports a name that CGI and its like would take for our own headers, or
// for one that says where a message ends, what it is, or what becomes of its
// connection.
func misread(name string) bool {
	name = http.CanonicalHeaderKey(strings.Map(func(c rune) rune {
		if c == '_' || c == '.' {
			return '-'
		}
		return c
	}, name))
	return strings.HasPrefix(name, "Attache-") || strings.HasPrefix(name, "Proxy-") || reserved[name]
}

var reserved = map[string]bool{
	"Content-Length": true, "Content-Type": true, "Content-Encoding": true, "Content-Transfer-Encoding": true,
	"Transfer-Encoding": true, "Keep-Alive": true, "Http2-Settings": true, "Max-Forwards": true, "Alt-Svc": true, "Alt-Used": true, "Early-Data": true,
}
