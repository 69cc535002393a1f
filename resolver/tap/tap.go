// Package tap reads the tokens of an answer while it passes: no byte is changed, and none
// waits for more than the reading of those before it.
package tap

import (
	"io"
	"net/http"
	"sync/atomic"

	"github.com/attache-proxy/attache/providers/usage"
	"github.com/attache-proxy/attache/resolver/scrub"
)

// Body is an answer's body that is read as it passes.
type Body struct {
	io.ReadCloser
	files  bool
	meter  *usage.Meter
	failed bool
	whole  atomic.Bool
	// inflating takes what passes to be decoded beside; nil where there is no coding.
	inflating *io.PipeWriter
	blind     bool // the coding is not one that is read
	done      chan struct{}
}

// On taps an answer; files says that the request was a form with files, which are no text.
func On(res *http.Response, spec *usage.Spec, files bool) *Body {
	b := &Body{ReadCloser: res.Body, files: files, meter: spec.Meter(res.StatusCode, res.Header), failed: res.StatusCode >= http.StatusBadRequest}
	r, w := io.Pipe()
	plain, coded, ok := scrub.Decoded(res.Header, r)
	switch {
	case !ok:
		b.blind = true
	case coded:
		b.inflating, b.done = w, make(chan struct{})
		go func() {
			defer close(b.done)
			_, _ = io.Copy(b.meter, plain)
			_, _ = io.Copy(io.Discard, r) // what cannot be decoded passes all the same
		}()
	}
	res.Body = b
	return b
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case b.blind:
		b.meter.Passes(int64(n))
	case b.inflating != nil:
		_, _ = b.inflating.Write(p[:n])
	default:
		_, _ = b.meter.Write(p[:n])
	}
	if err == io.EOF {
		b.whole.Store(true)
	}
	if err != nil {
		b.ends()
	}
	return n, err
}

// Buffered is how many bytes can be read without waiting, as far as is known.
func (b *Body) Buffered() int {
	if s, ok := b.ReadCloser.(interface{ Buffered() int }); ok {
		return s.Buffered()
	}
	return 0
}

// Close implements io.Closer.
func (b *Body) Close() error {
	b.ends()
	return b.ReadCloser.Close()
}

func (b *Body) ends() {
	if b.inflating != nil {
		_ = b.inflating.Close()
	}
}

// Tokens is what the answer came to, as far as it has passed; sent is the length of the
// request's body. Nothing of the answer is read after that.
func (b *Body) Tokens(sent int64) usage.Tokens {
	b.ends()
	if b.done != nil {
		<-b.done
	}
	if b.files {
		sent = min(sent, usage.MostOfFiles)
	}
	return b.meter.Tokens(sent, b.failed, b.whole.Load())
}
