package caddymodule

import (
	"net/http"
	"time"
)

// connection is what the requests of a connection with HTTP/1 have in common. They come
// one by one.
type connection struct {
	to    afterShortcut
	idle  struct{ read, write time.Duration }
	timed bool // a time limit on writing was left behind
}

type connectionKey struct{}

// begin makes ready for a request: an answer may take as long as it likes.
func (s *connection) begin(w http.ResponseWriter, f *Forward) {
	s.to.Forward = f
	if s.timed {
		s.timed = false
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	}
}

// Caddy's idle timeouts limit what net/http waits for when a request is over or was
// refused. Nobody's limits count such a connection, so the same holds here:

// boundReading limits the reading of what is left of a body.
func (s *connection) boundReading(w http.ResponseWriter) {
	if s.idle.read > 0 { // net/http takes it away before the next request
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.idle.read))
	}
}

// boundWriting limits the writing of what is left of an answer.
func (s *connection) boundWriting(w http.ResponseWriter) {
	if s.idle.write > 0 {
		s.timed = true
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.idle.write))
	}
}

// over ends an answer that was copied. One of known length is whole, and goes out
// while the call still counts; what net/http adds to others is limited.
func (s *connection) over(w http.ResponseWriter) {
	if s == nil {
		return
	}
	if len(w.Header()["Content-Length"]) > 0 {
		_ = http.NewResponseController(w).Flush()
		return
	}
	s.boundWriting(w)
}

// afterShortcut stands for the handlers behind the middleware where they are not asked
// one by one.
type afterShortcut struct {
	*Forward
	connection *connection // of the listener's connection; nil inside tunnels
}

// ServeHTTP implements caddyhttp.Handler. visit.pass calls send instead.
func (*afterShortcut) ServeHTTP(http.ResponseWriter, *http.Request) error { return errNoDecision }
