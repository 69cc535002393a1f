package intercept

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// newPair returns two ends of a connection in memory. It stands between a stream
// and the inner server, because a deadline in the past, by which net/http
// wakes its own reads, fails a stream for good.
func newPair(client, server net.Addr) (near, far *pairEnd) {
	in, out := newLane(), newLane()
	near = &pairEnd{in: in, out: out, local: server, remote: client}
	far = &pairEnd{in: out, out: in, local: client, remote: server}
	return near, far
}

// lane is one direction of a pair: a net.Pipe used one way, so that it can end
// before the other direction does.
type lane struct {
	from, to net.Conn // written to, read from

	mu    sync.Mutex
	ended bool
}

func newLane() *lane {
	l := &lane{}
	l.from, l.to = net.Pipe()
	return l
}

// setDeadline calls set, which sets a deadline of one side, unless the lane ended.
func (l *lane) setDeadline(set func(time.Time) error, t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return io.ErrClosedPipe
	}
	return set(t)
}

// end ends the direction from one of its sides. A deadline of a net.Pipe keeps it
// in memory until it expires, which may be minutes, and can't be taken back
// when either side is closed; so that comes first.
func (l *lane) end(side net.Conn) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.ended = true
		_ = l.from.SetDeadline(time.Time{})
		_ = l.to.SetDeadline(time.Time{})
	}
	return side.Close()
}

// pairEnd is one end of a pair. It is a net.Conn.
type pairEnd struct {
	in, out       *lane
	local, remote net.Addr
}

func (e *pairEnd) Read(p []byte) (int, error)  { return e.in.to.Read(p) }
func (e *pairEnd) Write(p []byte) (int, error) { return e.out.from.Write(p) }
func (e *pairEnd) LocalAddr() net.Addr         { return e.local }
func (e *pairEnd) RemoteAddr() net.Addr        { return e.remote }

// CloseWrite lets the other end read what was written, then io.EOF.
func (e *pairEnd) CloseWrite() error { return e.out.end(e.out.from) }

// Close ends both directions. Every byte written before has been read, since a
// net.Pipe holds none.
func (e *pairEnd) Close() error { return errors.Join(e.in.end(e.in.to), e.out.end(e.out.from)) }

func (e *pairEnd) SetReadDeadline(t time.Time) error {
	return e.in.setDeadline(e.in.to.SetReadDeadline, t)
}

func (e *pairEnd) SetWriteDeadline(t time.Time) error {
	return e.out.setDeadline(e.out.from.SetWriteDeadline, t)
}

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
