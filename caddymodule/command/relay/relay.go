// Package relay is a run's own way to the proxy: a listener on a loopback address
// that is the agent for as long as one command runs. Its connections go to the proxy
// with the agent's token, so that no variable of the command has to hold it: clients
// that send no proxy password work, and a program that outlives the run is nobody.
package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// dialTimeout is how long a proxy may take to accept a connection.
const dialTimeout = 10 * time.Second

// Relay is one run's listener.
type Relay struct {
	// URL is http://ADDRESS:PORT, where the run's programs find it.
	URL *url.URL

	listener *net.TCPListener
	caller   Proxy
	mine     func(client, here netip.AddrPort) bool // nil where nobody else reaches it

	mu    sync.Mutex
	ended bool
	open  map[net.Conn]struct{}
}

// Proxy is where a relay leads.
type Proxy struct {
	URL *url.URL
	// Dial connects to it; what it returns has CloseWrite.
	Dial func(context.Context) (net.Conn, error)
	// Agent and Account are who calls; the empty account is the proxy's choice. Token
	// is zero where the proxy wants none.
	Agent, Account string
	Token          secret.Value
	// Minted holds the token of the run, which takes the place of Token; nil for none.
	Minted *atomic.Pointer[secret.Value]
	// Saw is told of each request; opened says that it was one for a tunnel, which was
	// opened. Nil for nobody.
	Saw func(method, target string, opened bool)
}

// token is what to present now.
func (p *Proxy) token() secret.Value {
	if p.Minted != nil {
		if t := p.Minted.Load(); t != nil {
			return *t
		}
	}
	return p.Token
}

// Start listens, and serves until Close. It returns an error that is
// errors.ErrUnsupported where the system does not tell whose a connection is: then
// every user of this machine could call as the agent.
func Start(to Proxy) (*Relay, error) {
	mine, err := ownership()
	if err != nil {
		return nil, err
	}
	listener, err := listen()
	if err != nil {
		return nil, err
	}
	r := &Relay{
		URL:      &url.URL{Scheme: "http", Host: listener.Addr().String()},
		listener: listener, caller: to, mine: mine, open: map[net.Conn]struct{}{},
	}
	go r.accept()
	return r, nil
}

// listen takes a loopback address that no run had before, as far as one can tell: a
// program that a former run left behind must not find this run's relay where its own
// was. Systems that know 127.0.0.1 alone give a port of chance.
func listen() (*net.TCPListener, error) {
	var b [3]byte
	for range 4 {
		_, _ = rand.Read(b[:]) // never fails (crypto/rand)
		ip := netip.AddrFrom4([4]byte{127, 1 + b[0]%254, b[1], 1 + b[2]%254})
		if l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))); err == nil {
			return l, nil
		}
	}
	return net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
}

// Close ends the relay and every connection through it.
func (r *Relay) Close() error {
	err := r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for c := range r.open {
		_ = c.Close()
	}
	return err
}

// holds notes a connection that Close is to end, until it is let go.
func (r *Relay) holds(c net.Conn) (letGo func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		_ = c.Close()
		return nil, false
	}
	r.open[c] = struct{}{}
	return func() {
		_ = c.Close()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.open, c)
	}, true
}

func (r *Relay) accept() {
	for {
		c, err := r.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, or the client is gone again
			time.Sleep(10 * time.Millisecond)
			continue
		}
		go r.serve(c)
	}
}

func (r *Relay) serve(c *net.TCPConn) {
	letGo, ok := r.holds(c)
	if !ok {
		return
	}
	defer letGo()
	if r.mine != nil && !r.mine(c.RemoteAddr().(*net.TCPAddr).AddrPort(), c.LocalAddr().(*net.TCPAddr).AddrPort()) {
		_ = answer(c, "403 attache: not_this_user", "not_this_user", "this relay serves the programs of one run, and the user who started it")
		return
	}
	client := newStream(c)
	first, err := client.Peek(1)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	up, err := r.caller.Dial(ctx)
	cancel()
	if err != nil {
		_ = answer(c, "502 attache: proxy_unreachable", "proxy_unreachable", "the proxy at "+r.caller.URL.Host+" does not answer: "+reason(err))
		return
	}
	letUp, ok := r.holds(up)
	if !ok {
		return
	}
	defer letUp()
	j := &joint{relay: r, client: client, proxy: up, answers: newAnswers()}
	if first[0] < 'A' || first[0] > 'z' { // TLS, SOCKS: for the proxy to refuse
		j.raw.Store(true)
	}
	j.run()
}

// reason leaves addresses out of what net says.
func reason(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}

// answer is an answer of the relay's own. The connection ends with it.
func answer(w io.Writer, status, code, detail string) error {
	_, err := io.WriteString(w, "HTTP/1.1 "+status+"\r\nAttache-Error: "+code+"\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"+detail+"\n")
	return err
}
