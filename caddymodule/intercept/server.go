package intercept

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// Config says how to serve tunnels. A duration of zero means its default.
type Config struct {
	// Handler serves the requests inside intercepted tunnels: the same
	// *caddyhttp.Server that got the CONNECT, so that routes, logs and
	// metrics hold for them too. Required.
	Handler http.Handler
	// CA signs the leaf certificates. Required.
	CA Issuer
	// Logger; nil logs nothing.
	Logger *zap.Logger
	// HandshakeTimeout is from the answer to CONNECT to the end of the TLS
	// handshake. Default: 10 s.
	HandshakeTimeout time.Duration
	// ReadHeaderTimeout and IdleTimeout are those of http.Server for the
	// connections inside. Default: 1 min and 5 min, as in Caddy.
	ReadHeaderTimeout, IdleTimeout time.Duration
	// SpliceIdleTimeout ends an opaque tunnel in which no byte has moved for
	// so long. Default: 1 h. Dead peers are found earlier, by TCP keep-alive.
	SpliceIdleTimeout time.Duration
	// MaxHeaderBytes is that of http.Server, for the requests inside.
	MaxHeaderBytes int
	// OnMint is called for each leaf certificate that was made.
	OnMint func()
	// OnTunnel is called with +1 and -1 when a tunnel of either kind opens
	// and closes.
	OnTunnel func(delta int)
	// OnHeader is called with the bytes of headers that are read and belong to no
	// complete request yet, and with as many less than zero when they do. Where it
	// returns false the tunnel ends. Nil counts none.
	OnHeader func(t *Tunnel, n int64) bool
	// Exiting says whether the process is about to exit, so that Shutdown
	// is more than a reload. Default: caddy.Exiting.
	Exiting func() bool
}

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	if c.OnTunnel == nil {
		c.OnTunnel = func(int) {}
	}
	if c.Exiting == nil {
		c.Exiting = caddy.Exiting
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.HandshakeTimeout, 10 * time.Second},
		{&c.ReadHeaderTimeout, time.Minute},
		{&c.IdleTimeout, 5 * time.Minute},
		{&c.SpliceIdleTimeout, time.Hour},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return c
}

// Interceptor serves tunnels. It starts nothing before the first of them, so one
// that was never used needs no Close.
type Interceptor struct {
	cfg    Config
	minter *Minter
	// tls is one configuration for all tunnels. Session tickets then resume
	// across them, which saves a client most of its second handshake.
	tls *tls.Config

	mu       sync.Mutex
	inner    *innerServer // nil before the first tunnel
	shut     bool         // Shutdown was called
	held     int          // tunnels that a shutdown waits for
	raw      map[raw]struct{}
	draining bool          // drain runs
	idle     chan struct{} // closed while shut and none is held
}

// New returns an Interceptor.
func New(cfg Config) *Interceptor {
	i := &Interceptor{cfg: cfg.withDefaults(), raw: make(map[raw]struct{}), idle: make(chan struct{})}
	i.minter = NewMinter(cfg.CA, cfg.OnMint)
	i.tls = &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		// The name comes from the CONNECT line. The one in the handshake may
		// be missing (IP addresses) or another; it gets no certificate then.
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return i.minter.Leaf(hello.Conn.(*conn).tunnel.Host)
		},
	}
	return i
}

// Intercept answers CONNECT with 200 and serves the requests inside, until the
// tunnel is closed; with t.Detach it may return before. The client may speak TLS,
// or plain HTTP (ws:// and http:// through a tunnel).
//
// It returns an error only if the client was not answered; the error then
// matches ErrUnanswered. What goes wrong later is logged.
func (i *Interceptor) Intercept(w http.ResponseWriter, r *http.Request, t *Tunnel) error {
	detached := false
	defer func() {
		if !detached {
			t.closed()
		}
	}()
	// Minting first turns a broken CA into an answer that can be read, instead
	// of an alert in the middle of a handshake.
	if _, err := i.minter.Leaf(t.Host); err != nil {
		return fmt.Errorf("%w: %w", ErrUnanswered, err)
	}
	c, finish, err := open(w, r, t)
	if err != nil {
		return err
	}
	leave := i.enter(c)
	defer func() {
		if !detached {
			finish()
			leave()
		}
	}()
	if count := i.cfg.OnHeader; count != nil {
		c.counts = func(n int64) bool { return count(t, n) }
	}
	served := i.handshake(c)
	if served == nil {
		return nil
	}
	c.beginHeader()
	if t.Detach && r.ProtoMajor == 1 {
		detached = true
		c.over = func() { leave(); t.closed() }
	}
	i.deliver(served)
	if !detached {
		<-c.closed
	}
	return nil
}

// open answers the client and returns its connection. finish closes it, and must
// be called before the handler returns.
func open(w http.ResponseWriter, r *http.Request, t *Tunnel) (c *conn, finish func(), err error) {
	if r.ProtoMajor == 1 {
		c, err := hijack(w, r)
		if err != nil {
			return nil, nil, err
		}
		c.tunnel = t
		return c, c.finish, nil
	}
	s, err := openStream(w, r)
	if err != nil {
		return nil, nil, err
	}
	near, far := newPair(addrs(r))
	c = newConn(near, t)
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_ = newRelay(s, far, 0).run() // a client that left is nobody's error
	}()
	return c, func() {
		c.finish()
		<-copied
		s.finish()
	}, nil
}

// enter counts a tunnel in; leave, called when it is closed, counts it out.
func (i *Interceptor) enter(c *conn) (leave func()) {
	i.cfg.OnTunnel(+1)
	c.release = i.hold()
	return func() {
		i.dropRaw(c)
		i.cfg.OnTunnel(-1)
	}
}

// deliver hands a connection to the inner server.
func (i *Interceptor) deliver(c net.Conn) {
	for !i.server().deliver(c) {
		// It was shut down just now; the next one takes over.
	}
}

// server returns the inner server, and starts it if there is none.
func (i *Interceptor) server() *innerServer {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.inner == nil || i.inner.isClosed() {
		i.inner = newInnerServer(i.cfg, i.hijacked)
		// A client that connected just before a reload is still served by us,
		// but should come back to the new configuration soon.
		i.inner.http.SetKeepAlivesEnabled(!i.shut)
	}
	return i.inner
}

// hijacked is told of connections that wait for a request, and of those that the
// inner server gave away: WebSockets. As in net/http, they are not waited for.
func (i *Interceptor) hijacked(c net.Conn, state http.ConnState) {
	t := tunnelConn(c)
	if state == http.StateIdle {
		t.beginHeader()
	}
	if state != http.StateHijacked {
		return
	}
	i.addRaw(t)
	t.release()
}

// tunnelConn returns the tunnel's connection below c.
func tunnelConn(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return c.(*conn)
}
