package intercept_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/coder/websocket"

	"github.com/attache-proxy/attache/caddymodule/intercept"
)

// TestNothingIsLeft opens and closes tunnels of every kind, and looks for what
// they left: goroutines, memory, entries.
func TestNothingIsLeft(t *testing.T) {
	p := startProxy(t, withUpstream(upstream(t, func(c *net.TCPConn) { _, _ = io.Copy(struct{ io.Writer }{c}, c) })))
	open := func(n int) {
		// A test of its own, so that what the clients keep is gone after it.
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var wg sync.WaitGroup
			for k := range n {
				wg.Go(func() { useTunnel(t, p, outers[k%3], k) })
				if k%20 == 19 {
					wg.Wait()
				}
			}
			wg.Wait()
		})
		waitFor(t, "the tunnels to be closed", func() bool { return p.tunnels.Load() == 0 && p.kept() == 0 })
		p.logs.TakeAll()
	}
	open(60) // fills pools and caches
	goroutines, least := runtime.NumGoroutine(), int64(1)<<62
	for range 6 { // what is kept is kept each time; what pools do varies
		if least/600 <= 400 {
			break
		}
		heap := liveHeap()
		open(600)
		waitFor(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
		least = min(least, liveHeap()-heap)
	}
	if each := least / 600; each > 400 {
		t.Errorf("each tunnel left %d bytes, want less than 400", each)
	}
}

// useTunnel opens a tunnel of one kind, uses it, and leaves it in one way.
func useTunnel(t *testing.T, p *proxy, outer string, kind int) {
	switch kind % 5 {
	case 0:
		c, origin := p.client(t, outer, innerH1)
		whoIs(t, c, origin)
		c.CloseIdleConnections()
	case 1:
		c, origin := p.client(t, outer, innerH2)
		whoIs(t, c, origin)
		c.CloseIdleConnections()
	case 2: // spliced, closed by the client in the middle
		if c, err := p.connect(t.Context(), outer, spliced, "hello"); err == nil {
			_, _ = io.ReadFull(c, make([]byte, 5))
			_ = c.Close()
		}
	case 3: // left without a word
		if c, err := p.connect(t.Context(), outer, "api.example.com:443", ""); err == nil {
			_ = c.Close()
		}
	case 4: // a WebSocket, cut off
		c, origin := p.client(t, outer, innerPlain)
		if ws, _, err := websocket.Dial(t.Context(), origin+"/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: c.Transport}}); err == nil {
			_ = ws.CloseNow()
		} else {
			t.Error(err)
		}
	}
}

func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one only marks what sync.Pools hold
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// events reads server-sent events.
type events struct{ *bufio.Scanner }

func openEvents(t *testing.T, c *http.Client, url string) events {
	t.Helper()
	return events{bufio.NewScanner(get(t, c, url).Body)}
}

func (e events) next(t *testing.T, want string) {
	t.Helper()
	for e.Scan() {
		if e.Text() != "" {
			if got := e.Text(); got != "data: "+want {
				t.Errorf("event = %q, want data: %s", got, want)
			}
			return
		}
	}
	t.Errorf("the stream ended before event %s: %v", want, e.Err())
}

// A reload returns at once and keeps what is open; what comes next is served by
// the new configuration.
func TestReloadKeepsStreams(t *testing.T) {
	p := startProxy(t, withUpstream(upstream(t, func(c *net.TCPConn) { _, _ = io.Copy(struct{ io.Writer }{c}, c) })))
	type stream struct {
		name   string
		client *http.Client
		origin string
		events events
	}
	var streams []stream
	for _, outer := range append(outers, outerUnix) {
		for _, inner := range []string{innerH1, innerH2} {
			c, origin := p.client(t, outer, inner)
			s := stream{outer + "/" + inner, c, origin, openEvents(t, c, origin+"/sse?n=3&wait=1")}
			s.events.next(t, "0")
			streams = append(streams, s)
		}
	}
	wsClient, origin := p.client(t, outerPlain, innerPlain)
	ws, _, err := websocket.Dial(t.Context(), origin+"/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: wsClient.Transport}})
	if err != nil {
		t.Fatal(err)
	}
	opaque := p.mustConnect(t, outerPlain, spliced, "")

	began := time.Now()
	p.load(1)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the reload took %v", took)
	}
	for _, s := range streams {
		s.events.next(t, "1")
	}
	close(p.leave)
	for _, s := range streams {
		s.events.next(t, "2")
		if got := whoIs(t, s.client, s.origin); got.Version != 1 {
			t.Errorf("%s: the next request was served by configuration %d, want 1", s.name, got.Version)
		}
	}
	if err := ws.Write(t.Context(), websocket.MessageText, []byte("still")); err != nil {
		t.Errorf("WebSocket after the reload: %v", err)
	}
	if _, got, err := ws.Read(t.Context()); string(got) != "still" || err != nil {
		t.Errorf("WebSocket after the reload = %q, %v", got, err)
	}
	_, _ = io.WriteString(opaque, "still")
	if got := make([]byte, 5); true {
		if _, err := io.ReadFull(opaque, got); string(got) != "still" || err != nil {
			t.Errorf("spliced tunnel after the reload = %q, %v", got, err)
		}
	}
	_ = ws.CloseNow()
	_ = opaque.Close()
}

// A client that had connected before the reload, and speaks after it, is served.
func TestTunnelOfTheLastMoment(t *testing.T) {
	ca := newFakeCA(t, -time.Hour, week)
	for _, inner := range []string{innerH1, innerH2} {
		t.Run(inner, func(t *testing.T) {
			i := intercept.New(intercept.Config{CA: ca, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, intercept.FromContext(r.Context()).Host)
			})})
			p := outside(t, i)
			p.roots.AddCert(ca.root)
			i.Shutdown()
			c, origin := p.client(t, outerPlain, inner)
			body, err := io.ReadAll(get(t, c, origin).Body)
			if string(body) != "api.example.com" || err != nil {
				t.Errorf("GET = %q, %v", body, err)
			}
			waitFor(t, "the tunnel to be closed by the proxy", func() bool { return intercept.Kept(i) == 0 })
		})
	}
}

// Wait waits when the process exits, and not on a reload.
func TestWait(t *testing.T) {
	for _, exiting := range []bool{false, true} {
		t.Run(fmt.Sprint("exiting ", exiting), func(t *testing.T) {
			release := make(chan struct{})
			ca := newFakeCA(t, -time.Hour, week)
			i := intercept.New(intercept.Config{CA: ca, Exiting: func() bool { return exiting }, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).Flush()
				<-release
			})})
			p := outside(t, i)
			p.roots.AddCert(ca.root)
			c, origin := p.client(t, outerPlain, innerH1)
			get(t, c, origin)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if err := i.Wait(ctx); (err != nil) != exiting {
				t.Errorf("Wait with a request running = %v, want an error: %v", err, exiting)
			}
			close(release)
			if err := i.Wait(t.Context()); err != nil {
				t.Errorf("Wait = %v", err)
			}
			if exiting && intercept.Kept(i) != 0 {
				t.Errorf("Wait returned with %d tunnels open", intercept.Kept(i))
			}
			// Drained already, so that the end of the grace period is no error.
			over, cancel := context.WithCancel(t.Context())
			cancel()
			waitFor(t, "the tunnel to be closed", func() bool { return intercept.Kept(i) == 0 })
			if err := i.Wait(over); err != nil {
				t.Errorf("Wait after everything is over = %v", err)
			}
		})
	}
}

// Streams of a configuration that was replaced are waited for too.
func TestWaitForEarlierConfigurations(t *testing.T) {
	release, ca := make(chan struct{}), newFakeCA(t, -time.Hour, week)
	cfg := intercept.Config{CA: ca, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-release
	})}
	earlier := intercept.New(cfg)
	p := outside(t, earlier)
	p.roots.AddCert(ca.root)
	c, origin := p.client(t, outerPlain, innerH1)
	get(t, c, origin)
	if err := earlier.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg.Exiting = func() bool { return true }
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := intercept.New(cfg).Wait(ctx); err == nil {
		t.Error("Wait did not wait for the earlier configuration")
	}
	close(release)
	if err := intercept.New(cfg).Wait(t.Context()); err != nil {
		t.Errorf("Wait = %v", err)
	}
}

// outside serves i without Caddy.
func outside(t *testing.T, i *intercept.Interceptor) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{ConnContext: intercept.ConnContext, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, port, err := intercept.ParseTarget(r)
		if err == nil {
			err = i.Intercept(w, r, &intercept.Tunnel{Host: host, Port: port})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); i.Close() })
	return &proxy{t: t, plain: l.Addr().String(), roots: x509.NewCertPool()}
}

// TestExit sends SIGTERM to a process of its own, in which a stream runs.
func TestExit(t *testing.T) {
	for _, outer := range []string{outerPlain, outerH2} {
		t.Run(outer, func(t *testing.T) { testExit(t, outer) })
	}
}

func testExit(t *testing.T, outer string) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "INTERCEPT_TEST_SERVE="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	p := &proxy{t: t, roots: x509.NewCertPool()}
	var where served
	if err := json.NewDecoder(out).Decode(&where); err != nil {
		t.Fatal(err)
	}
	p.plain, p.tls, p.unix = where.Plain, where.TLS, filepath.Join(dir, "proxy.sock")
	p.roots.AppendCertsFromPEM(where.Root)

	// Everything that may be open: idle connections, silent tunnels, a
	// WebSocket that nobody uses, and one stream that matters.
	for _, outer := range outers {
		for _, inner := range []string{innerH1, innerH2} {
			c, origin := p.client(t, outer, inner)
			whoIs(t, c, origin)
		}
		p.mustConnect(t, outer, spliced, "")
		c, origin := p.client(t, outer, innerPlain)
		if _, _, err := websocket.Dial(t.Context(), origin+"/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: c.Transport}}); err != nil {
			t.Fatal(err)
		}
	}
	c, origin := p.client(t, outer, innerH1)
	s := openEvents(t, c, origin+"/sse?n=8&ms=500")
	s.next(t, "0")
	began := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 8; n++ {
		s.next(t, fmt.Sprint(n))
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the process ended with %v, want exit status 0", err)
	}
	// Four seconds of stream; the grace period is twenty.
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("the process took %v to exit", took)
	}
}

// served is where the process of TestExit listens.
type served struct {
	Plain, TLS string
	Root       []byte
}

// TestMain is the other process of TestExit if it is told so.
func TestMain(m *testing.M) {
	dir := os.Getenv("INTERCEPT_TEST_SERVE")
	if dir == "" {
		os.Exit(m.Run())
	}
	serveForExit(dir)
}

func serveForExit(dir string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { // accepts, and says nothing
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
		}
	}()
	p := &proxy{tweak: func(*intercept.Config) {}, spliced: func(spliceResult) {}, leave: make(chan struct{})}
	p.dial = func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }
	current.Store(p)
	caddy.TrapSignals()
	if err := caddy.Load(configuration(dir, filepath.Join(dir, "proxy.sock"), filepath.Join(dir, "caddy.log"), 0, nil), true); err != nil {
		panic(err)
	}
	root := rootPEM()
	plain, tls := addresses()
	p.tls = tls
	p.roots = x509.NewCertPool()
	p.roots.AppendCertsFromPEM(root)
	for !p.servesTLS() {
		time.Sleep(5 * time.Millisecond)
	}
	_ = json.NewEncoder(os.Stdout).Encode(served{Plain: plain, TLS: tls, Root: root})
	select {}
}
