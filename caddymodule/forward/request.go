// Package forward carries HTTP between an agent and a service: what of a request
// goes on, and how an answer comes back while it streams. It does for us what
// Caddy's reverse_proxy does, without upstreams to choose among, placeholders and
// health.
package forward

import (
	"io"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Upgrades reports a request that wants another protocol on its connection:
// HTTP/1.1's Upgrade, and the extended CONNECT of HTTP/2 and HTTP/3. This package
// cannot forward it.
func Upgrades(r *http.Request) bool {
	return r.Method == http.MethodConnect || len(r.Header["Upgrade"]) > 0 && httpguts.HeaderValuesContainsToken(r.Header["Connection"], "Upgrade")
}

// hopByHop are the headers that are for one connection (RFC 9110 §7.6.1), and
// those that a proxy takes for its own.
var hopByHop = [...]string{"Alt-Svc", "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// dropHopByHop deletes them, and those that Connection names.
func dropHopByHop(h http.Header) {
	for _, value := range h["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name != "" {
				h.Del(name)
			}
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// Onward makes the request that came the one that goes on. It changes r itself:
// nobody but the sender needs it any more.
func Onward(r *http.Request) {
	h := r.Header
	trailers := len(h["Te"]) > 0 && httpguts.HeaderValuesContainsToken(h["Te"], "trailers")
	dropHopByHop(h)
	if trailers {
		h["Te"] = []string{"trailers"}
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = []string{""} // or net/http would write its own
	}
	if r.TLS != nil && !r.TLS.HandshakeComplete {
		h["Early-Data"] = []string{"1"} // RFC 8470 §5.1
	}
	r.Close = false
	switch {
	case r.Body == nil, r.Body == http.NoBody, r.ContentLength == 0 && len(r.Trailer) == 0:
		r.Body, r.ContentLength = nil, 0
		return
	case len(r.Trailer) > 0:
		r.ContentLength = -1 // trailers need chunks
		delete(h, "Content-Length")
	}
	// The server closes the body. A client that did it would wait for the rest.
	r.Body = io.NopCloser(r.Body)
}
