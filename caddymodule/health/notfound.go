package health

import (
	"bufio"
	"net"
	"net/http"

	"github.com/attache-proxy/attache/resolver/problem"
)

// OrNotFound runs the handler that comes after ours. Where it answers nothing, as
// Caddy's last one does with an empty 200, the answer is a 404 that says so.
func OrNotFound(w http.ResponseWriter, r *http.Request, next func(http.ResponseWriter, *http.Request) error) error {
	heard := &listener{ResponseWriter: w}
	if err := next(heard, r); err != nil || heard.answered {
		return err
	}
	problem.Write(w, problem.New(http.StatusNotFound, "NOT_FOUND", "There is nothing at this path. The dashboard is at /ui/, the API at /api/v1."))
	return nil
}

// listener hears whether anything was answered.
type listener struct {
	http.ResponseWriter
	answered bool
}

func (l *listener) WriteHeader(status int) {
	l.answered = true
	l.ResponseWriter.WriteHeader(status)
}

func (l *listener) Write(b []byte) (int, error) {
	l.answered = true
	return l.ResponseWriter.Write(b)
}

// Flush implements http.Flusher.
func (l *listener) Flush() {
	l.answered = true
	_ = http.NewResponseController(l.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker.
func (l *listener) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	l.answered = true
	return http.NewResponseController(l.ResponseWriter).Hijack()
}

// Unwrap lets http.ResponseController through.
func (l *listener) Unwrap() http.ResponseWriter { return l.ResponseWriter }
