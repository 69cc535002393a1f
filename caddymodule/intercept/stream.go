package intercept

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// errNoHalfClose says that one direction can't be ended without the other.
var errNoHalfClose = fmt.Errorf("half-close: %w", errors.ErrUnsupported)

// never is how long a tunnel may be silent for all that Caddy's idle timeouts
// care. A tunnel has idle limits of its own, or those of what is inside.
const never = 100 * 365 * 24 * time.Hour

// stream is the client's end of a tunnel over HTTP/2 or HTTP/3: the request's
// body comes in, the response's body goes out.
//
// Our direction ends when the handler returns and not before, so it can't be
// half-closed.
type stream struct {
	body    io.ReadCloser
	w       http.ResponseWriter
	flush   func() error
	ctrl    *http.ResponseController
	restore func()

	closed, writing atomic.Bool
}

// openStream answers CONNECT over HTTP/2 or HTTP/3. The stream must be finished
// before the handler returns. An error means that the client was not answered.
func openStream(w http.ResponseWriter, r *http.Request) (*stream, error) {
	ctrl := http.NewResponseController(w)
	s := &stream{body: r.Body, w: w, flush: ctrl.Flush, ctrl: ctrl}
	s.liftTimeouts(r)
	w.WriteHeader(http.StatusOK)
	if err := ctrl.Flush(); errors.Is(err, errors.ErrUnsupported) {
		s.restore()
		return nil, fmt.Errorf("%w: the response can't be streamed: %w", ErrUnanswered, err)
	}
	return s, nil // any other error is seen again when something is written
}

// liftTimeouts takes Caddy's limits from the stream: its idle timeouts of a
// minute would cut an idle tunnel, and read and write timeouts are meant for
// a request, so they apply to the requests inside.
func (s *stream) liftTimeouts(r *http.Request) {
	var undo []func()
	in, out := caddyhttp.IdleTimeoutsFromContext(r.Context())
	if in != nil {
		in.Deadline.HardDeadline = time.Time{}
		undo = append(undo, in.Override(never, 0))
	}
	if out != nil {
		out.Deadline.HardDeadline = time.Time{}
		undo = append(undo, out.Override(never, 0, 0))
		// The controller below Caddy's writer may be used while the writer
		// is busy; the writer itself has no lock.
		s.ctrl = out.Ctrl
	}
	_ = s.ctrl.SetReadDeadline(time.Time{})
	_ = s.ctrl.SetWriteDeadline(time.Time{})
	s.restore = func() {
		for _, f := range undo {
			f()
		}
	}
}

func (s *stream) Read(p []byte) (int, error) { return s.body.Read(p) }

// Write sends p at once.
func (s *stream) Write(p []byte) (int, error) {
	s.writing.Store(true)
	defer s.writing.Store(false)
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	n, err := s.w.Write(p)
	if err != nil {
		return n, err
	}
	return n, s.flush()
}

func (s *stream) CloseWrite() error { return errNoHalfClose }

// Close wakes Read, and Write too if one is under way; the stream is then reset
// instead of ended.
func (s *stream) Close() error {
	if s.closed.Swap(true) {
		return net.ErrClosed
	}
	if s.writing.Load() {
		_ = s.ctrl.SetWriteDeadline(time.Unix(1, 0))
	}
	return s.body.Close()
}

// finish gives the stream back to the handler. Nobody may use it any more.
func (s *stream) finish() {
	_ = s.Close()
	s.restore()
}
