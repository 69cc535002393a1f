// Package trailer passes on an agent's trailers.
package trailer

import (
	"io"
	"net/http"
)

// Keep gives out those of the trailers of theirs that may pass. Held says that the body was
// read, and they are known; else they are when it ends. Those that were not announced do
// not pass.
func Keep(out, theirs *http.Request, held bool, may func(name string) bool) {
	out.Trailer = nil
	for name, values := range theirs.Trailer {
		if may(name) {
			if out.Trailer == nil {
				out.Trailer = http.Header{}
			}
			out.Trailer[name] = values
		}
	}
	if out.Trailer == nil || held || out.Body == nil {
		return
	}
	out.Body = &trailing{out.Body, func() {
		for name := range out.Trailer {
			out.Trailer[name] = theirs.Trailer[name]
		}
	}}
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
