// Package answer takes off an answer what a service may not say to an agent, in its
// head, in informational ones and in its trailers: cookies of a session that is not
// the agent's, headers that only we set, and what no trailer may be. It is the one
// step for every way by which an answer goes on.
package answer

import (
	"io"
	"net/http"

	"golang.org/x/net/http/httpguts"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/refusal"
)

// Head cleans a head, of an informational answer too. C is nil for a host of no
// connector.
func Head(c *providers.Connector, h http.Header) {
	c.CleanAnswer(h)
	refusal.DropHeaders(h)
}

// Clean cleans the head of an answer at once, and its trailers when its body ends,
// before whoever reads the body sees them.
func Clean(c *providers.Connector, res *http.Response) {
	Head(c, res.Header)
	trailers(c, res.Trailer) // their names, so far
	if res.StatusCode == http.StatusSwitchingProtocols || res.Body == nil || res.Body == http.NoBody || res.ContentLength >= 0 && res.ProtoMajor < 2 {
		return
	}
	res.Body = &body{res.Body, c, res}
}

// trailers takes off what no trailer may be: some readers join them with the head
// (RFC 9110 §6.5.1).
func trailers(c *providers.Connector, h http.Header) {
	if len(h) == 0 {
		return
	}
	Head(c, h)
	for name := range h {
		if !httpguts.ValidTrailerHeader(name) || name == "Set-Cookie" || name == "Set-Cookie2" || name == "Proxy-Authorization" {
			delete(h, name)
		}
	}
}

// body is one after which trailers come.
type body struct {
	io.ReadCloser
	connector *providers.Connector
	res       *http.Response
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		trailers(b.connector, b.res.Trailer)
	}
	return n, err
}

// Buffered is how many bytes can be read without waiting, as far as is known.
func (b *body) Buffered() int {
	if s, ok := b.ReadCloser.(interface{ Buffered() int }); ok {
		return s.Buffered()
	}
	return 0
}
