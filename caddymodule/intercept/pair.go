package intercept

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// newPair returns two ends of a connection in memory. It stands between a stream
// and the inner server, because a deadline in the past, by which net/http
// wakes its own reads, fails a stream for good.
//
// Each direction is a net.Pipe of its own, so that one can end before the other.
func newPair(client, server net.Addr) (near, far *pairEnd) {
	fromNear, toFar := net.Pipe()
	fromFar, toNear := net.Pipe()
	near = &pairEnd{in: toNear, out: fromNear, local: server, remote: client}
	far = &pairEnd{in: toFar, out: fromFar, local: client, remote: server}
	return near, far
}

// pairEnd is one end of a pair. It is a net.Conn.
type pairEnd struct {
	in, out       net.Conn
	local, remote net.Addr
}

func (e *pairEnd) Read(p []byte) (int, error)  { return e.in.Read(p) }
func (e *pairEnd) Write(p []byte) (int, error) { return e.out.Write(p) }
func (e *pairEnd) LocalAddr() net.Addr         { return e.local }
func (e *pairEnd) RemoteAddr() net.Addr        { return e.remote }

// CloseWrite lets the other end read what was written, then io.EOF.
func (e *pairEnd) CloseWrite() error { return e.out.Close() }

// Close ends both directions. Every byte written before has been read, since a
// net.Pipe holds none.
func (e *pairEnd) Close() error { return errors.Join(e.in.Close(), e.out.Close()) }

func (e *pairEnd) SetReadDeadline(t time.Time) error  { return e.in.SetReadDeadline(t) }
func (e *pairEnd) SetWriteDeadline(t time.Time) error { return e.out.SetWriteDeadline(t) }
func (e *pairEnd) SetDeadline(t time.Time) error {
	return errors.Join(e.SetReadDeadline(t), e.SetWriteDeadline(t))
}

// addrs are the addresses of a request's connection, so that the requests in its
// tunnel show the client's address in logs and to matchers.
func addrs(r *http.Request) (client, server net.Addr) {
	server, ok := localAddr(r.Context())
	if !ok {
		server = textAddr("")
	}
	return textAddr(r.RemoteAddr), server
}

func localAddr(ctx context.Context) (net.Addr, bool) {
	a, ok := ctx.Value(http.LocalAddrContextKey).(net.Addr)
	return a, ok
}

// textAddr is an address of which only the text is known.
type textAddr string

func (textAddr) Network() string  { return "tcp" }
func (a textAddr) String() string { return string(a) }
