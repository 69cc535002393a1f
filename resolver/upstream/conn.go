package upstream

import (
	"bufio"
	"crypto/tls"
	"math"
	"net"
	"sync"
	"time"
)

// conn is a connection to a service. One request at a time uses it.
type conn struct {
	place  place
	wire   wire
	rw     net.Conn // the wire, or TLS over it
	state  *tls.ConnectionState
	br     *bufio.Reader // nil while idle
	abort  func()        // closes the socket, from any goroutine
	reused bool
	idle   time.Time
}

func newConn(p place, raw net.Conn) *conn {
	c := &conn{place: p, wire: wire{Conn: raw, poll: newPoller(raw), left: math.MaxInt64}}
	c.rw, c.abort = &c.wire, func() { _ = raw.Close() }
	return c
}

func (c *conn) close() { c.abort() }

// Close implements io.Closer, for who holds the request. It may be called from any goroutine.
func (c *conn) Close() error {
	c.abort()
	return nil
}

// retire closes an idle connection, with TLS's word of farewell.
func (c *conn) retire() { _ = c.rw.Close() }

// isQuiet looks whether anything came on an idle connection.
func (c *conn) isQuiet() bool {
	if !c.wire.poll.ok() {
		return false
	}
	var b [1]byte
	c.wire.looks = true
	_, err := c.rw.Read(b[:])
	c.wire.looks = false
	_, nothing := err.(quiet)
	return nothing
}

// readerSize is also the limit on an answer's trailers (see net/http).
const readerSize = 4 << 10

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readerSize) }}

func (c *conn) openReader() {
	c.br = readers.Get().(*bufio.Reader)
	c.br.Reset(c.rw)
}

func (c *conn) closeReader() {
	c.br.Reset(nil)
	readers.Put(c.br)
	c.br = nil
}
