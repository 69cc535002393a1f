package intercept_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/intercept"
)

// upstream is a TCP server that treats each connection with serve.
func upstream(t *testing.T, serve func(c *net.TCPConn)) (dial func() (net.Conn, error)) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer func() { _ = c.Close() }(); serve(c.(*net.TCPConn)) }()
		}
	}()
	return func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }
}

const spliced = "spliced.example:443"

func closeWrite(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Error(err)
	}
}

// The client ends its direction; the answer still comes.
func TestSpliceClientHalfClose(t *testing.T) {
	p := startProxy(t, withUpstream(upstream(t, func(c *net.TCPConn) {
		all, _ := io.ReadAll(c)
		fmt.Fprintf(c, "got %s", all)
	})))
	for _, outer := range append(outers, outerUnix) {
		t.Run(outer, func(t *testing.T) {
			c := p.mustConnect(t, outer, spliced, "ahead ")
			_, _ = io.WriteString(c, "and later")
			closeWrite(t, c)
			if got, err := io.ReadAll(c); string(got) != "got ahead and later" || err != nil {
				t.Errorf("answer = %q, %v, want got ahead and later", got, err)
			}
		})
	}
}

// The service ends its direction; the client's goes on where HTTP lets us.
func TestSpliceServiceHalfClose(t *testing.T) {
	received := make(chan string, 1)
	p := startProxy(t, withUpstream(upstream(t, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "bye")
		_ = c.CloseWrite()
		rest, _ := io.ReadAll(c)
		received <- string(rest)
	})))
	for _, outer := range append(outers, outerUnix) {
		t.Run(outer, func(t *testing.T) {
			c := p.mustConnect(t, outer, spliced, "")
			if got, err := io.ReadAll(c); string(got) != "bye" || err != nil {
				t.Fatalf("answer = %q, %v, want bye", got, err)
			}
			want := ""
			if outer != outerH2 {
				_, _ = io.WriteString(c, "still here")
				want = "still here"
			}
			_ = c.Close()
			if got := <-received; got != want {
				t.Errorf("the service got %q after its half-close, want %q", got, want)
			}
		})
	}
}

// Both directions at once, more than any buffer holds.
func TestSpliceBulk(t *testing.T) {
	p := startProxy(t, withUpstream(upstream(t, func(c *net.TCPConn) { _, _ = io.Copy(struct{ io.Writer }{c}, c) })))
	sent := make([]byte, 8<<20+3)
	_, _ = rand.Read(sent)
	for _, outer := range outers {
		t.Run(outer, func(t *testing.T) {
			c := p.mustConnect(t, outer, spliced, "")
			go func() {
				_, _ = c.Write(sent)
				_ = c.(interface{ CloseWrite() error }).CloseWrite()
			}()
			if got, err := io.ReadAll(c); !bytes.Equal(got, sent) || err != nil {
				t.Errorf("echo of %d bytes = %d bytes, %v", len(sent), len(got), err)
			}
		})
	}
}

// A client that leaves closes the connection to the service.
func TestSpliceClientLeaves(t *testing.T) {
	var open atomic.Int64
	p := startProxy(t, withUpstream(upstream(t, func(c *net.TCPConn) {
		open.Add(1)
		defer open.Add(-1)
		for {
			if _, err := c.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})))
	for _, outer := range outers {
		c := p.mustConnect(t, outer, spliced, "")
		if _, err := io.ReadFull(c, make([]byte, 100_000)); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		waitFor(t, "the service to be left", func() bool { return open.Load() == 0 && p.tunnels.Load() == 0 })
	}
}

// A service that breaks off ends the tunnel.
func TestSpliceServiceLeaves(t *testing.T) {
	p := startProxy(t, withUpstream(upstream(t, func(c *net.TCPConn) {
		_, _ = c.Read(make([]byte, 1))
		_ = c.SetLinger(0) // Close sends a reset
	})))
	for _, outer := range outers {
		expectEnd(t, p.mustConnect(t, outer, spliced, "x"))
	}
	waitFor(t, "the tunnels to end", func() bool { return p.tunnels.Load() == 0 })
}

func TestSpliceIdle(t *testing.T) {
	p := startProxy(t,
		withConfig(func(c *intercept.Config) { c.SpliceIdleTimeout = 400 * time.Millisecond }),
		withUpstream(upstream(t, func(c *net.TCPConn) { _, _ = io.Copy(struct{ io.Writer }{c}, c) })))
	for _, outer := range outers {
		t.Run(outer, func(t *testing.T) {
			c := p.mustConnect(t, outer, spliced, "")
			for range 4 { // longer than the limit, but never silent for so long
				time.Sleep(150 * time.Millisecond)
				if _, err := io.WriteString(c, "x"); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Fatalf("a tunnel in use ended: %v", err)
				}
			}
			expectEnd(t, c)
		})
	}
}

// The bytes of both directions are counted, and the idle limit is told from a
// failure.
func TestSpliceResult(t *testing.T) {
	ended := make(chan spliceResult, 1)
	p := startProxy(t, withUpstream(upstream(t, func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 5))
		_, _ = io.WriteString(c, "answer!")
		_, _ = io.Copy(io.Discard, c)
	})), func(p *proxy) { p.spliced = func(r spliceResult) { ended <- r } },
		withConfig(func(c *intercept.Config) { c.SpliceIdleTimeout = 300 * time.Millisecond }))
	for _, outer := range outers {
		for _, leave := range []bool{true, false} {
			c := p.mustConnect(t, outer, spliced, "hello")
			if _, err := io.ReadFull(c, make([]byte, 7)); err != nil {
				t.Fatal(err)
			}
			if leave {
				closeWrite(t, c)
			}
			r := <-ended
			_ = c.Close()
			if r.in != 5 || r.out != 7 {
				t.Errorf("%s: bytes = %d in, %d out, want 5, 7", outer, r.in, r.out)
			}
			if leave && r.err != nil || !leave && !errors.Is(r.err, intercept.ErrIdle) || errors.Is(r.err, intercept.ErrUnanswered) {
				t.Errorf("%s: error = %v; left by the client: %v", outer, r.err, leave)
			}
		}
	}
}

// A service that takes no more can still have something to say.
func TestSpliceAnswerOfAServiceThatTakesNoMore(t *testing.T) {
	p := startProxy(t, withUpstream(func() (net.Conn, error) {
		a, b := net.Pipe()
		go func() {
			time.Sleep(100 * time.Millisecond)
			_, _ = io.WriteString(b, "too large")
			_ = b.Close()
		}()
		return deafConn{a}, nil
	}))
	for _, outer := range outers {
		c := p.mustConnect(t, outer, spliced, "request")
		if got, err := io.ReadAll(c); string(got) != "too large" || err != nil {
			t.Errorf("%s: answer = %q, %v, want too large", outer, got, err)
		}
	}
}

// deafConn refuses to be written to.
type deafConn struct{ net.Conn }

func (deafConn) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
