package integration_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// relay is a TCP port in front of a server that can be cut off: connections
// break, or hang without a word.
type relay struct {
	Addr string

	dial func() (net.Conn, error)
	mu   sync.Mutex
	mode relayMode
	open map[net.Conn]bool
	wake chan struct{} // closed when the mode changes
	told int           // pieces from clients
}

type relayMode int

const (
	passing  relayMode = iota
	refusing           // connections are closed, and new ones at once
	hanging            // nothing gets through, and nobody is told
)

// newRelay listens on a free port until the test ends.
func newRelay(t testing.TB, dial func() (net.Conn, error)) *relay {
	t.Helper()
	l := listen(t)
	r := &relay{Addr: l.Addr().String(), dial: dial, open: map[net.Conn]bool{}, wake: make(chan struct{})}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(c)
		}
	}()
	t.Cleanup(func() { r.set(refusing) })
	return r
}

// set changes what happens to connections.
func (r *relay) set(m relayMode) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mode = m
	close(r.wake)
	r.wake = make(chan struct{})
	if m == refusing {
		for c := range r.open {
			c.Close()
		}
	}
}

// pass waits while the relay hangs; false means that it refuses.
func (r *relay) pass() bool {
	for {
		r.mu.Lock()
		mode, wake := r.mode, r.wake
		r.mu.Unlock()
		if mode != hanging {
			return mode == passing
		}
		<-wake
	}
}

// Pieces counts what clients sent, in pieces that arrived together: with one
// client that waits for each answer these are round trips.
func (r *relay) Pieces() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told
}

func (r *relay) serve(client net.Conn) {
	if !r.keep(client) {
		return
	}
	defer r.drop(client)
	if !r.pass() {
		return
	}
	server, err := r.dial()
	if err != nil {
		return
	}
	if !r.keep(server) {
		return
	}
	defer r.drop(server)
	done := make(chan struct{}, 2)
	go func() { r.copy(server, client, true); done <- struct{}{} }()
	go func() { r.copy(client, server, false); done <- struct{}{} }()
	<-done
}

func (r *relay) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mode == refusing {
		c.Close()
		return false
	}
	r.open[c] = true
	return true
}

func (r *relay) drop(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, c)
	c.Close()
}

func (r *relay) copy(to io.Writer, from io.Reader, count bool) {
	p := make([]byte, 32<<10)
	for {
		n, err := from.Read(p)
		if n > 0 {
			if count {
				r.mu.Lock()
				r.told++
				r.mu.Unlock()
			}
			if !r.pass() {
				return
			}
			if _, err := to.Write(p[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
