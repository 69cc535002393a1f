package intercept

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attache-proxy/attache/caddymodule/http1"
)

// established is the answer to CONNECT over HTTP/1.1. A success has neither
// Content-Length nor Transfer-Encoding (RFC 9110 §9.3.6), which is why
// net/http cannot be asked to write it.
const established = "HTTP/1.1 200 Connection Established\r\n\r\n"

// answerTimeout bounds the writing of that one line.
const answerTimeout = 10 * time.Second

// conn is a tunnel's connection as the inner server sees it: hijacked from
// HTTP/1.1, or one end of a pair before a stream. It remembers the tunnel that
// it belongs to, and can be waited for.
type conn struct {
	net.Conn
	tunnel *Tunnel // nil where it is spliced

	// wire is held shared by Read and Write, so that finish can wait for
	// them: Caddy counts the bytes of a hijacked connection without a lock,
	// and reads the counters when the handler returns.
	wire sync.RWMutex
	// head are bytes that came before anybody read from the connection.
	head []byte
	// half is the client's connection below all wrapping; nil if unknown.
	half any
	last atomic.Int64 // when the last byte moved, as Unix nanoseconds

	// heading is set while headers of a request are read, or waited for; header is
	// how many bytes of them are here, and counts tells the caller of each; see
	// Config.OnHeader.
	heading atomic.Bool
	header  atomic.Int64
	counts  func(n int64) bool

	close  sync.Once
	closed chan struct{}
	// release, if set, is called when the connection does not hold up a
	// shutdown any more.
	release func()
	// over, if set, is called when the connection is closed: nobody waits for it.
	over func()
}

func newConn(c net.Conn, t *Tunnel) *conn {
	n := &conn{Conn: c, tunnel: t, closed: make(chan struct{})}
	n.last.Store(time.Now().UnixNano())
	return n
}

// hijack answers CONNECT over HTTP/1.1 and takes the connection over. An error
// means that the client was not answered.
func hijack(w http.ResponseWriter, r *http.Request) (*conn, error) {
	hijacked, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnanswered, err)
	}
	c := newConn(hijacked, nil)
	c.half = r.Context().Value(clientConnKey)
	if c.half == nil {
		c.half = hijacked
	}
	// Clients need not wait for our answer before they begin to speak.
	if n := buffered.Reader.Buffered(); n > 0 {
		head, _ := buffered.Reader.Peek(n)
		c.head = slices.Clone(head)
	}
	_ = c.SetWriteDeadline(time.Now().Add(answerTimeout))
	// An error here is seen again by whoever reads from the connection.
	_, _ = io.WriteString(c, established)
	_ = c.SetWriteDeadline(time.Time{})
	if !http1.FlushesLate(r) {
		// This writes nothing any more. It tells Caddy's log and metrics the
		// status, which is 0 otherwise.
		w.WriteHeader(http.StatusOK)
	}
	return c, nil
}

// Read returns what was sent ahead first.
func (c *conn) Read(p []byte) (int, error) {
	c.wire.RLock()
	defer c.wire.RUnlock()
	if len(c.head) > 0 {
		n := copy(p, c.head)
		if c.head = c.head[n:]; len(c.head) == 0 {
			c.head = nil
		}
		return n, nil
	}
	if c.isClosed() {
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.last.Store(time.Now().UnixNano())
		if c.heading.Load() && !c.headed(int64(n)) {
			_ = c.Conn.Close()
			return 0, errHeaders
		}
	}
	return n, err
}

// errHeaders ends a tunnel whose agent has too many headers that are not complete.
var errHeaders = errors.New("the agent has too many headers that are not complete")

// headed counts n more bytes of headers.
func (c *conn) headed(n int64) bool {
	if !c.counts(n) {
		return false
	}
	c.header.Add(n)
	if !c.heading.Load() {
		c.endHeader() // they were complete, or the connection closed, meanwhile
	}
	return true
}

// beginHeader and endHeader are around the reading of a request's headers.
func (c *conn) beginHeader() {
	if c.counts != nil {
		c.heading.Store(true)
	}
}

func (c *conn) endHeader() {
	if c.counts != nil {
		c.heading.Store(false)
		if n := c.header.Swap(0); n > 0 {
			c.counts(-n)
		}
	}
}

func (c *conn) Write(p []byte) (int, error) {
	c.wire.RLock()
	defer c.wire.RUnlock()
	if c.isClosed() {
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Write(p)
	if n > 0 {
		c.last.Store(time.Now().UnixNano())
	}
	return n, err
}

// peek returns the first byte, which stays to be read.
func (c *conn) peek() (byte, error) {
	if len(c.head) == 0 {
		var first [1]byte
		if _, err := io.ReadFull(c, first[:]); err != nil {
			return 0, err
		}
		c.head = first[:]
	}
	return c.head[0], nil
}

// CloseWrite ends our direction, where the connection can do that.
func (c *conn) CloseWrite() error {
	if h, ok := c.half.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return errNoHalfClose
}

// Close ends both directions and wakes Read and Write. It may be called more
// than once.
func (c *conn) Close() error {
	err := net.ErrClosed
	c.close.Do(func() {
		close(c.closed)
		err = c.Conn.Close()
		c.endHeader()
		if c.release != nil {
			c.release()
		}
		if c.over != nil {
			c.over()
		}
	})
	return err
}

func (c *conn) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// quiet is how long no byte has moved.
func (c *conn) quiet() time.Duration { return time.Since(time.Unix(0, c.last.Load())) }

// finish closes the connection and waits until nobody uses it any more.
func (c *conn) finish() {
	_ = c.Close()
	c.wire.Lock()
	//lint:ignore SA2001 taking the lock is the waiting
	c.wire.Unlock()
}
