// Package entrance makes room for connections that are served.
package entrance

import (
	"context"
	"net"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/attache-proxy/attache/resolver/limit"
)

// maxEntrances is how many connections may wait for a request to be complete: those
// that say nothing, those in the middle of their headers, and those that are kept
// alive. Beyond it the one that has waited longest is closed.
const maxEntrances = 8192

// All are the connections of all listeners that have the handler. They are
// shared by all configurations, as descriptors are.
var All Set

// Set makes room for connections that are served by closing others that
// wait: nobody shuts others out by connecting and saying nothing.
type Set struct {
	conns   sync.Map // net.Conn → *entrance
	waiting atomic.Int64
}

// entrance is one connection.
type entrance struct {
	conn    net.Conn
	state   atomic.Int32
	since   atomic.Int64 // when it began to wait, as Unix nanoseconds
	evicted atomic.Bool
	gone    atomic.Bool // its descriptor is free again
}

// States of an entrance; the lower, the sooner it makes room.
const (
	entranceNew    int32 = iota // nothing was served on it yet
	entranceIdle                // kept alive between requests
	entranceServed              // a request is served, or it is no connection of HTTP any more
)

type entranceKey struct{}

// Guard watches a server's connections.
func (s *Set) Guard(server *caddyhttp.Server) {
	server.RegisterConnContext(func(ctx context.Context, c net.Conn) context.Context {
		e := &entrance{conn: c}
		e.since.Store(time.Now().UnixNano())
		s.conns.Store(c, e)
		s.waiting.Add(1)
		return context.WithValue(ctx, entranceKey{}, e)
	})
	server.RegisterConnState(s.changed)
}

// changed is told of each state of a connection.
func (s *Set) changed(c net.Conn, state http.ConnState) {
	v, ok := s.conns.Load(c)
	if !ok {
		return
	}
	e := v.(*entrance)
	switch state {
	case http.StateNew:
		n := over(c)
		if n > 0 {
			n++ // the place that becomes free is taken next, by a number that says nothing
		} else if s.waiting.Load() > maxEntrances {
			n = 1
		}
		for ; n > 0 && s.evict(e); n-- {
		}
	case http.StateIdle:
		e.since.Store(time.Now().UnixNano())
		s.move(e, entranceIdle)
	case http.StateClosed, http.StateHijacked:
		s.move(e, entranceServed)
		s.conns.Delete(c)
		e.gone.Store(true)
	}
}

// Serve notes that a request of the context's connection is served.
func (s *Set) Serve(ctx context.Context) {
	if e, ok := ctx.Value(entranceKey{}).(*entrance); ok {
		s.move(e, entranceServed)
	}
}

func (s *Set) move(e *entrance, to int32) {
	from := e.state.Swap(to)
	switch {
	case from != entranceServed && to == entranceServed:
		s.waiting.Add(-1)
	case from == entranceServed && to != entranceServed:
		s.waiting.Add(1)
	}
}

// evict closes the connection that has waited longest, of those that were never
// served if there are any, and the newcomer where none waits: then it returns false.
func (s *Set) evict(newcomer *entrance) bool {
	worst := newcomer
	state, since := entranceServed, int64(0)
	for _, v := range s.conns.Range {
		e := v.(*entrance)
		st, at := e.state.Load(), e.since.Load()
		if e == newcomer || st == entranceServed || e.evicted.Load() {
			continue
		}
		if st < state || st == state && at < since {
			worst, state, since = e, st, at
		}
	}
	worst.evicted.Store(true)
	_ = rawConn(worst.conn).Close()
	// The descriptor is free when whoever reads from it has woken. Until then no
	// other connection is accepted, or a burst would be faster.
	for i := 0; worst != newcomer && !worst.gone.Load() && i < 100; i++ {
		time.Sleep(time.Millisecond)
	}
	return worst != newcomer
}

// rawConn is the connection below TLS: closing TLS would wait for a client.
func rawConn(c net.Conn) net.Conn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return c
}

// socketOf is the connection below all wrapping. Caddy's wrappers embed it and
// have no method that gives it out (http2Conn of caddyhttp, 2.11.9).
func socketOf(c net.Conn) (syscall.Conn, bool) {
	for range 8 {
		if s, ok := c.(syscall.Conn); ok {
			return s, true
		}
		if t, ok := c.(interface{ NetConn() net.Conn }); ok {
			c = t.NetConn()
			continue
		}
		v := reflect.Indirect(reflect.ValueOf(c))
		if v.Kind() != reflect.Struct {
			break
		}
		field := v.FieldByName("Conn")
		inner, ok := net.Conn(nil), false
		if field.IsValid() {
			inner, ok = field.Interface().(net.Conn)
		}
		if !ok {
			break
		}
		c = inner
	}
	return nil, false
}

// over is how many connections too many there are, to judge by the descriptor of
// the newest.
func over(c net.Conn) (n int) {
	s, ok := socketOf(c)
	if !ok {
		return 0
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { n = limit.Over(fd) })
	return n
}
