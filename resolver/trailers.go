package resolver

import (
	"io"
	"net/http"

	"golang.org/x/net/http/httpguts"

	"github.com/attache-proxy/attache/providers/headers"
	"github.com/attache-proxy/attache/providers/sign"
)

// keepTrailers lets only those of the agent's trailers through that are no
// credential, no framing and nothing that claims another method, path or sender:
// some servers join trailers and headers. Those that were not announced do not pass.
func (x *exchange) keepTrailers(out *http.Request) {
	theirs := x.req
	out.Trailer = nil
	for name, values := range theirs.Trailer {
		if x.mayTrail(name) {
			if out.Trailer == nil {
				out.Trailer = http.Header{}
			}
			out.Trailer[name] = values
		}
	}
	if out.Trailer == nil || x.body.Held || out.Body == nil {
		return
	}
	out.Body = &trailing{out.Body, func() {
		for name := range out.Trailer {
			out.Trailer[name] = theirs.Trailer[name]
		}
	}}
}

func (x *exchange) mayTrail(name string) bool {
	c := x.call.Connector
	return httpguts.ValidTrailerHeader(name) && !sign.IsNamed(name, c.KeyHeaders) && !sign.IsNamed(name, c.Removes) && !sign.IsNamed(name, x.signer.Places().Headers) &&
		!headers.ClaimsOrigin(name) && !headers.OverridesMethod(name) && !sign.IsNamed(name, dropped)
}

// trailing is a body after which the trailers are known.
type trailing struct {
	io.ReadCloser
	atEnd func()
}

func (b *trailing) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF && b.atEnd != nil {
		b.atEnd()
		b.atEnd = nil
	}
	return n, err
}
