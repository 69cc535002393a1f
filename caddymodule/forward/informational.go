package forward

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
)

// Informational passes a service's 1xx answers on, until its final one has come.
// They may come on a goroutine of net/http's.
type Informational struct {
	w     http.ResponseWriter
	trace httptrace.ClientTrace

	mu   sync.Mutex
	over bool
	n    int
}

// maxInformational bounds them: a service may send them for ever.
const maxInformational = 1000

var errInformational = errors.New("too many informational answers")

// Watch returns a context for the request. The caller must call Over when its
// final answer has come, or none.
func Watch(ctx context.Context, w http.ResponseWriter) (context.Context, *Informational) {
	i := &Informational{w: w}
	i.trace.Got1xxResponse = i.got
	return httptrace.WithClientTrace(ctx, &i.trace), i
}

// Over ends it: the writer is the final answer's from now on.
func (i *Informational) Over() {
	i.mu.Lock()
	i.over = true
	i.mu.Unlock()
}

func (i *Informational) got(code int, header textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over || code == http.StatusSwitchingProtocols { // HTTP/2 has none, and to the agent it would be a tunnel's beginning
		return nil
	}
	if i.n++; i.n > maxInformational {
		return errInformational
	}
	h := i.w.Header()
	own, theirs := h.Clone(), http.Header(header).Clone()
	dropHopByHop(theirs)
	addHeader(h, theirs)
	i.w.WriteHeader(code)
	clear(h) // net/http keeps them for the final answer
	maps.Copy(h, own)
	return nil
}
