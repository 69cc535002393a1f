package confine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attache-proxy/attache/caddymodule/command/relay"
)

// How long things may take, and how many connections there may be.
const (
	tunnelTimeout = 60 * time.Second
	helloTimeout  = 10 * time.Second
	// clientsTurn is how long a client may say nothing where clients speak first;
	// serversTurn how long one waits for it elsewhere before the service is asked.
	clientsTurn = 5 * time.Minute
	serversTurn = 300 * time.Millisecond

	maxConnections = 4096
)

// catcher takes the connections of programs that know of no proxy, to whatever address
// they go, and passes them on through tunnels of the proxy to the names that the
// addresses stand for. The proxy decides about them as about every other tunnel.
type catcher struct {
	names *names
	proxy relay.Proxy
	// refused is told of each connection that was refused here, or by the proxy.
	refused func(target string, why *refusal)
	room    chan struct{}
	begun   atomic.Int64 // since the memory was tidied
	quiet   *time.Timer  // until it is
}

// Opening many connections leaves more behind than keeping them open takes: tidyFrom of
// them, and a while without another, are worth giving that back.
const (
	tidyFrom  = 64
	tidyAfter = 2 * time.Second
)

func newCatcher(n *names, p relay.Proxy, refused func(string, *refusal)) *catcher {
	k := &catcher{names: n, proxy: p, refused: refused, room: make(chan struct{}, maxConnections)}
	k.quiet = time.AfterFunc(tidyAfter, k.tidy)
	return k
}

func (k *catcher) tidy() {
	if k.begun.Load() >= tidyFrom {
		k.begun.Store(0)
		debug.FreeOSMemory()
	}
}

// accept serves a listener until it is closed. original tells where a connection was
// meant to go.
func (k *catcher) accept(l *net.TCPListener, original func(*net.TCPConn) (netip.AddrPort, error)) {
	for {
		c, err := l.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, or the client is gone again
			time.Sleep(10 * time.Millisecond)
			continue
		}
		k.room <- struct{}{}
		go func() {
			defer func() { <-k.room }()
			defer func() { _ = c.Close() }()
			to, err := original(c)
			if err != nil {
				return
			}
			if to.Port() == 53 {
				k.names.stream(c)
				return
			}
			k.serve(c, to)
		}()
	}
}

// caught is one connection.
type caught struct {
	*catcher
	client *net.TCPConn
	to     netip.AddrPort
	name   string // empty for an address that stands for none
	target string
	up     *opened
}

// opened is a tunnel.
type opened struct {
	net.Conn
	down sync.WaitGroup
}

func (k *catcher) serve(c *net.TCPConn, to netip.AddrPort) {
	g := &caught{catcher: k, client: c, to: to}
	defer func() {
		if g.up != nil {
			_ = g.up.Close()
			g.up.down.Wait()
		}
	}()
	var said []byte
	var err error
	// On a stack of its own, which is somebody else's when the connection is open: it takes
	// more than all that comes after, and connections may stay for days.
	begun := make(chan struct{})
	go func() {
		defer close(begun)
		said, err = g.begin()
	}()
	<-begun
	if k.begun.Add(1); err == nil {
		k.quiet.Reset(tidyAfter)
	}
	var no *refusal
	if errors.As(err, &no) {
		g.refuse(no, said)
		return
	}
	if err != nil {
		return
	}
	if _, err := g.up.Write(said); err != nil {
		return
	}
	if _, err := io.Copy(g.up.Conn, c); err != nil {
		return
	}
	if half, ok := g.up.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	g.up.down.Wait()
}

// begin finds out where a connection goes, and opens the tunnel. It returns what the
// client said first.
func (g *caught) begin() (said []byte, err error) {
	if g.target, g.name, err = g.where(); err != nil {
		return nil, err
	}
	if no := barred(g.name, g.to); no != nil {
		return nil, no
	}
	turn := serversTurn
	if clientFirst(g.to.Port()) {
		turn = clientsTurn
	}
	first := make([]byte, 1<<10) // the rest of a hello is read by who reads it
	_ = g.client.SetReadDeadline(time.Now().Add(turn))
	n, err := g.client.Read(first)
	if errors.Is(err, os.ErrDeadlineExceeded) && !clientFirst(g.to.Port()) {
		if err := g.open(nil); err != nil { // perhaps the service speaks first
			return nil, err
		}
		_ = g.client.SetReadDeadline(time.Time{})
		n, err = g.client.Read(first)
	}
	if errors.Is(err, io.EOF) && g.up != nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	said = first[:n]
	if said[0] == recordTypeHandshake {
		if said, err = g.hello(said); err != nil {
			return said, err
		}
	}
	_ = g.client.SetReadDeadline(time.Time{})
	if g.up == nil {
		err = g.open(said)
	}
	return said, err
}

// where is the target of a tunnel: the name that an address stands for, or the address.
func (g *caught) where() (target, name string, err error) {
	name, ours := g.names.of(g.to.Addr())
	port := strconv.Itoa(int(g.to.Port()))
	switch {
	case ours && name == "":
		return g.to.String(), "", &refusal{"unknown_address", g.to.Addr().String() + " stands for no name that was asked for in this run"}
	case ours:
		return net.JoinHostPort(name, port), name, nil
	case g.to.Addr().IsLoopback() || g.to.Addr().IsUnspecified():
		return g.to.String(), "", &refusal{"unknown_address", g.to.String() + " is of the run itself"}
	}
	return net.JoinHostPort(g.to.Addr().Unmap().WithZone("").String(), port), "", nil
}

// hello reads what a TLS client says first, and compares.
func (g *caught) hello(first []byte) (said []byte, err error) {
	_ = g.client.SetReadDeadline(time.Now().Add(helloTimeout))
	h, said, err := hear(io.MultiReader(bytes.NewReader(first), g.client))
	switch {
	case err != nil:
		return said, &refusal{"bad_hello", "what the client sent is no TLS hello that could be read"}
	case h.ech:
		return said, &refusal{"ech_refused", "the client hides to whom it speaks (encrypted client hello); turn that off in the client"}
	case g.name != "" && h.name != "" && h.name != g.name:
		return said, &refusal{"sni_mismatch", "the connection is to " + g.name + ", but the client asks for another name in it"}
	}
	return said, nil
}

// open opens the tunnel, and begins to copy what comes through it.
func (g *caught) open(said []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), tunnelTimeout)
	defer cancel()
	c, ahead, refused, err := g.proxy.Tunnel(ctx, g.target)
	if err != nil {
		return &refusal{"proxy_unreachable", "the proxy does not answer"}
	}
	if refused != nil {
		defer func() { _ = c.Close() }()
		return g.proxyRefused(refused, said)
	}
	g.up = &opened{Conn: c}
	g.up.down.Go(func() {
		if _, err := g.client.Write(ahead); err != nil {
			_ = c.Close()
			return
		}
		if _, err := io.Copy(g.client, c); err != nil {
			_ = g.client.SetLinger(0) // broken off there, broken off here
			_ = g.client.Close()
			_ = c.Close()
			return
		}
		_ = g.client.CloseWrite()
	})
	return nil
}

// proxyRefused tells a client that speaks HTTP what the proxy said, and others as it is
// with every refusal.
func (g *caught) proxyRefused(res *http.Response, said []byte) error {
	defer func() { _ = res.Body.Close() }()
	code := res.Header.Get("Attache-Error")
	no := &refusal{code, "the proxy refuses: " + res.Status}
	if !speaksHTTP(said) {
		return no
	}
	g.refused(g.target, no)
	res.Proto, res.ProtoMajor, res.ProtoMinor, res.Close = "HTTP/1.1", 1, 1, true
	_ = res.Write(g.client)
	return errTold
}

var errTold = errors.New("told already")

// refuse tells the client in words that it knows, as far as there are any.
func (g *caught) refuse(no *refusal, said []byte) {
	g.refused(g.target, no)
	_ = g.client.SetWriteDeadline(time.Now().Add(helloTimeout))
	_, _ = g.client.Write(no.told(g.to.Port(), said))
	_ = g.client.CloseWrite()
	_ = g.client.SetReadDeadline(time.Now().Add(time.Second)) // what is unread would break the answer off
	_, _ = io.Copy(io.Discard, io.LimitReader(g.client, 64<<10))
}
