package http1

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const (
	// patience bounds the writing of the answer.
	patience = 10 * time.Second
	// linger is how long a client may still send what we do not read, so that it
	// reads our answer before it finds the connection closed.
	linger = 500 * time.Millisecond
)

// Answer calls write, and sends what it wrote with a reason phrase of our own where that
// can be done: over HTTP/1, to a request that has no body. Nearly all clients drop the
// body of a failed CONNECT, and many libraries show of a failed request nothing but its
// status line. net/http has no way to say it, so that the connection is taken over, and
// ends. A challenge keeps its connection, since it is answered there.
func Answer(w http.ResponseWriter, r *http.Request, text string, write func(http.ResponseWriter, *http.Request)) {
	if r.ProtoMajor != 1 || r.ContentLength != 0 && r.Method != http.MethodConnect || FlushesLate(r) {
		write(w, r)
		return
	}
	page := &page{header: w.Header(), status: http.StatusOK}
	write(page, r)
	if page.status == http.StatusProxyAuthRequired || page.status == http.StatusUnauthorized || page.status < 400 {
		page.replay(w)
		return
	}
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		page.replay(w)
		return
	}
	defer c.Close()
	if _, wrapped := w.(interface{ Unwrap() http.ResponseWriter }); wrapped {
		w.WriteHeader(page.status) // writes nothing any more, but tells Caddy's log and metrics
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(page.bytes(r, text)); err == nil {
		finish(c)
	}
}

// FlushesLate reports that Caddy will flush the answer when the handler has returned:
// it does so after its write timeout, for answers of which it knows the status, and
// net/http panics where the connection was taken over (Caddy 2.11.9, Go 1.26).
func FlushesLate(r *http.Request) bool {
	s, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return ok && s.WriteTimeout > 0
}

// finish lets the client read the answer first.
func finish(c net.Conn) {
	half, ok := c.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(linger))
	_, _ = io.CopyN(io.Discard, c, 256<<10)
}

// page is an answer that is not sent yet.
type page struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (p *page) Header() http.Header         { return p.header }
func (p *page) WriteHeader(status int)      { p.status = status }
func (p *page) Write(b []byte) (int, error) { return p.body.Write(b) }

func (p *page) replay(w http.ResponseWriter) {
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body.Bytes())
}

// bytes are the answer as it is on the wire.
func (p *page) bytes(r *http.Request, text string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "HTTP/1.%d %d %s\r\n", min(r.ProtoMinor, 1), p.status, text)
	h := p.header.Clone()
	h.Set("Connection", "close")
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Set("Content-Length", strconv.Itoa(p.body.Len()))
	h.Del("Transfer-Encoding")
	_ = h.Write(&out)
	out.WriteString("\r\n")
	if r.Method != http.MethodHead {
		out.Write(p.body.Bytes())
	}
	return out.Bytes()
}
