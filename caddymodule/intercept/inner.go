package intercept

import (
	"context"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"

	"go.uber.org/zap"
)

// innerServer is an http.Server that listens in memory. It is a net.Listener.
type innerServer struct {
	http  *http.Server
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

// newInnerServer starts one.
func newInnerServer(cfg Config, onState func(net.Conn, http.ConnState)) *innerServer {
	s := &innerServer{conns: make(chan net.Conn), done: make(chan struct{})}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true) // gRPC without TLS goes through tunnels too
	s.http = &http.Server{
		Handler:           heading{cfg.Handler},
		Protocols:         protocols,
		ReadHeaderTimeout: cfg.ReadHeaderTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		MaxHeaderBytes:    cfg.MaxHeaderBytes,
		ConnState:         onState,
		ErrorLog:          log.New(errorLog{cfg.Logger}, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			t := tunnelConn(c)
			return context.WithValue(context.WithValue(ctx, connKey, t), tunnelKey, t.tunnel)
		},
		// Each connection keeps a buffer as large as the largest frame that
		// it got, so Go's megabyte is too much for thousands of tunnels.
		HTTP2: &http.HTTP2Config{
			// What clients send and services do not take waits in these buffers.
			MaxConcurrentStreams:          250,
			MaxReadFrameSize:              64 << 10,
			MaxReceiveBufferPerStream:     256 << 10,
			MaxReceiveBufferPerConnection: 1 << 20,
		},
	}
	go func() { _ = s.http.Serve(s) }() // always http.ErrServerClosed
	return s
}

// heading is a Handler that sees headers become complete.
type heading struct{ next http.Handler }

func (h heading) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c, ok := r.Context().Value(connKey).(*conn); ok {
		c.endHeader()
	}
	h.next.ServeHTTP(w, r)
}

// deliver reports whether the server took the connection.
func (s *innerServer) deliver(c net.Conn) bool {
	select {
	case s.conns <- c:
		return true
	case <-s.done:
		return false
	}
}

// Accept implements net.Listener.
func (s *innerServer) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (s *innerServer) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// Addr implements net.Listener.
func (s *innerServer) Addr() net.Addr { return textAddr("tunnel") }

func (s *innerServer) isClosed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// errorLog takes what http.Server has to say. Most of it is about clients.
type errorLog struct{ log *zap.Logger }

func (l errorLog) Write(p []byte) (int, error) {
	text := strings.TrimSuffix(string(p), "\n")
	if strings.HasPrefix(text, "http: panic serving") {
		l.log.Error(text)
	} else {
		l.log.Debug(text)
	}
	return len(p), nil
}
