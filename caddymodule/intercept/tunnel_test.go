package intercept_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/attache-proxy/attache/caddymodule/intercept"
)

var outers = []string{outerPlain, outerTLS, outerH2}

func (p *proxy) mustConnect(t *testing.T, outer, target, ahead string) net.Conn {
	t.Helper()
	c, err := p.connect(t.Context(), outer, target, ahead)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// handshake does TLS inside a tunnel and returns the certificate that it got.
func handshake(c net.Conn, cfg *tls.Config) (*x509.Certificate, *tls.Conn, error) {
	tc := tls.Client(c, cfg)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, tc, err
	}
	return tc.ConnectionState().PeerCertificates[0], tc, nil
}

func TestCertificateNames(t *testing.T) {
	p := startProxy(t)
	long := strings.Repeat("a", 63) + ".example.com"
	for _, test := range []struct {
		name, target, sni, cert string
		insecure                bool // the client would refuse the certificate
	}{
		{name: "name", target: "api.example.com:443", sni: "api.example.com", cert: "api.example.com"},
		{name: "written otherwise", target: "API.Example.com.:443", sni: "api.example.com", cert: "api.example.com"},
		{name: "IDNA", target: "xn--bcher-kva.example:443", sni: "xn--bcher-kva.example", cert: "xn--bcher-kva.example"},
		{name: "long name", target: long + ":443", sni: long, cert: long},
		{name: "other SNI", target: "api.example.com:443", sni: "other.example.com", cert: "api.example.com", insecure: true},
		{name: "no SNI", target: "api.example.com:443", cert: "api.example.com", insecure: true},
		// Go sends no SNI for addresses (RFC 6066 §3), and checks the SAN.
		{name: "IPv4", target: "192.0.2.7:443", sni: "192.0.2.7", cert: "192.0.2.7"},
		{name: "IPv6", target: "[2001:DB8::7]:443", sni: "2001:db8::7", cert: "2001:db8::7"},
	} {
		for _, outer := range outers {
			t.Run(test.name+"/"+outer, func(t *testing.T) {
				cert, _, err := handshake(p.mustConnect(t, outer, test.target, ""), &tls.Config{RootCAs: p.roots, ServerName: test.sni, InsecureSkipVerify: test.insecure})
				if err != nil {
					t.Fatal(err)
				}
				got := append([]string(nil), cert.DNSNames...)
				for _, ip := range cert.IPAddresses {
					got = append(got, ip.String())
				}
				if len(got) != 1 || got[0] != test.cert {
					t.Errorf("certificate is for %q, want %q", got, test.cert)
				}
			})
		}
	}
	if got := p.warnings(); len(got) > 0 {
		t.Errorf("warnings: %q", got)
	}
}

func TestSessionsResumeAcrossTunnels(t *testing.T) {
	p := startProxy(t)
	for _, inner := range []string{innerH1, innerH2} {
		c, origin := p.client(t, outerPlain, inner)
		leave := func() {
			waitFor(t, "the tunnel to be closed", func() bool {
				c.CloseIdleConnections() // which the client's may not be at once
				return p.tunnels.Load() == 0
			})
		}
		first := whoIs(t, c, origin)
		leave()
		second := whoIs(t, c, origin)
		leave()
		if first.Resumed || !second.Resumed {
			t.Errorf("%s: resumed = %v in the first tunnel, %v in the second, want false, true", inner, first.Resumed, second.Resumed)
		}
	}
}

// What a client sends before it has our answer is not lost.
func TestBytesSentAhead(t *testing.T) {
	p := startProxy(t)
	for _, outer := range outers {
		t.Run(outer+"/plain HTTP", func(t *testing.T) {
			c := p.mustConnect(t, outer, "api.example.com:80", "GET /who HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
			got, err := io.ReadAll(c)
			if !strings.Contains(string(got), `"TunnelHost":"api.example.com"`) || err != nil {
				t.Errorf("answer = %q, %v", got, err)
			}
		})
		t.Run(outer+"/TLS", func(t *testing.T) {
			c := &aheadConn{connect: func(ahead string) (net.Conn, error) {
				return p.connect(t.Context(), outer, "api.example.com:443", ahead)
			}}
			t.Cleanup(func() { _ = c.Close() })
			if _, _, err := handshake(c, &tls.Config{RootCAs: p.roots, ServerName: "api.example.com"}); err != nil {
				t.Error(err)
			}
		})
	}
}

// aheadConn opens its tunnel together with the first Write.
type aheadConn struct {
	net.Conn
	connect func(ahead string) (net.Conn, error)
}

func (c *aheadConn) Write(p []byte) (n int, err error) {
	if c.Conn != nil {
		return c.Conn.Write(p)
	}
	c.Conn, err = c.connect(string(p))
	return len(p), err
}

func (c *aheadConn) Close() error {
	if c.Conn == nil {
		return nil
	}
	return c.Conn.Close()
}

func TestHandshakeTrouble(t *testing.T) {
	p := startProxy(t, withConfig(func(c *intercept.Config) { c.HandshakeTimeout = 300 * time.Millisecond }))
	hello := []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3} // the beginning of a ClientHello
	for _, test := range []struct {
		name string
		do   func(t *testing.T, c net.Conn)
		warn string // empty: nothing above debug
	}{
		{"never finishes", func(t *testing.T, c net.Conn) { _, _ = c.Write(hello); expectEnd(t, c) }, "did not finish"},
		{"says nothing", func(t *testing.T, c net.Conn) { expectEnd(t, c) }, ""},
		{"hangs up at once", func(t *testing.T, c net.Conn) { _ = c.Close() }, ""},
		{"hangs up within", func(t *testing.T, c net.Conn) { _, _ = c.Write(hello); _ = c.Close() }, ""},
		{"does not trust the CA", func(t *testing.T, c net.Conn) { expectFailure(t, c, &tls.Config{RootCAs: x509.NewCertPool()}) }, "trust our CA"},
		{"wants another protocol", func(t *testing.T, c net.Conn) {
			expectFailure(t, c, &tls.Config{RootCAs: p.roots, NextProtos: []string{"acme-tls/1"}})
		}, "HTTP/1.1 or HTTP/2"},
		{"old TLS", func(t *testing.T, c net.Conn) {
			expectFailure(t, c, &tls.Config{RootCAs: p.roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		}, "TLS 1.2"},
	} {
		for _, outer := range outers {
			t.Run(test.name+"/"+outer, func(t *testing.T) {
				// A client's alert can be lost when its stream ends with it; then
				// the proxy only sees that it hung up.
				for try := 0; ; try++ {
					p.logs.TakeAll()
					test.do(t, p.mustConnect(t, outer, "api.example.com:443", ""))
					waitFor(t, "the tunnel to be closed", func() bool { return p.tunnels.Load() == 0 })
					for end := time.Now().Add(time.Second); test.warn != "" && len(p.warnings()) == 0 && time.Now().Before(end); {
						time.Sleep(5 * time.Millisecond)
					}
					if test.warn == "" || len(p.warnings()) > 0 || try == 9 {
						break
					}
				}
				checkHandshakeLog(t, p, test.warn)
			})
		}
	}
}

func checkHandshakeLog(t *testing.T, p *proxy, warn string) {
	t.Helper()
	for _, e := range p.logs.All() {
		if host, ok := e.ContextMap()["host"]; ok && (host != "api.example.com" || e.ContextMap()["agent"] != "tester") {
			t.Errorf("logged host %v and agent %v, want api.example.com, tester", host, e.ContextMap()["agent"])
		}
		if warn == "" && e.Level > zapcore.DebugLevel {
			t.Errorf("logged %s %q %v, want nothing above debug", e.Level, e.Message, e.ContextMap())
		}
	}
	if warnings := p.warnings(); warn != "" && (len(warnings) != 1 || !strings.Contains(warnings[0], warn)) {
		t.Errorf("warnings = %q, want one with %q", warnings, warn)
	}
}

// expectEnd waits until the proxy closes the tunnel.
func expectEnd(t *testing.T, c net.Conn) {
	t.Helper()
	ended := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, c); close(ended) }()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the tunnel stayed open")
	}
}

func expectFailure(t *testing.T, c net.Conn, cfg *tls.Config) {
	t.Helper()
	cfg.ServerName = "api.example.com"
	if _, _, err := handshake(c, cfg); err == nil {
		t.Error("the handshake succeeded")
	}
	_ = c.Close()
}

// An idle tunnel outlives Caddy's timeouts, which are those of one request, on
// HTTP/2 too, where they would fail the stream.
func TestIdleTunnelOutlivesRequestTimeouts(t *testing.T) {
	for _, timeouts := range []map[string]time.Duration{
		{"read_idle_timeout": 200 * time.Millisecond, "write_idle_timeout": 200 * time.Millisecond},
		{"read_timeout": 400 * time.Millisecond, "write_timeout": 400 * time.Millisecond},
		{"read_timeout": 400 * time.Millisecond, "write_timeout": 400 * time.Millisecond, "read_idle_timeout": -1, "write_idle_timeout": -1},
	} {
		var options []option
		for k, v := range timeouts {
			options = append(options, withServer(k, int64(v)))
		}
		t.Run(fmt.Sprint(timeouts), func(t *testing.T) {
			p := startProxy(t, options...)
			for _, outer := range outers {
				for _, inner := range []string{innerH1, innerH2} {
					t.Run(outer+"/"+inner, func(t *testing.T) {
						c, origin := p.client(t, outer, inner)
						before := whoIs(t, c, origin)
						time.Sleep(700 * time.Millisecond)
						if after := whoIs(t, c, origin); after.Remote != before.Remote {
							t.Error("the tunnel was cut while it was idle")
						}
					})
				}
			}
		})
	}
}

// The CONNECT itself has a line in the access log when it is over, and the
// requests inside have theirs.
func TestAccessLog(t *testing.T) {
	t.Run("plain", func(t *testing.T) { testAccessLog(t, 200) })
	// See http1.FlushesLate; what matters is that nothing panics.
	t.Run("write timeout", func(t *testing.T) {
		testAccessLog(t, 0, withServer("write_timeout", int64(100*time.Millisecond)))
	})
}

func testAccessLog(t *testing.T, statusH1 int, options ...option) {
	p := startProxy(t, options...)
	for _, outer := range outers {
		c, origin := p.client(t, outer, innerH1)
		whoIs(t, c, origin)
		time.Sleep(200 * time.Millisecond)
		whoIs(t, c, origin)
		c.CloseIdleConnections()
	}
	waitFor(t, "three tunnels in the log", func() bool { return len(p.accessLog("CONNECT")) == 3 })
	for _, e := range p.accessLog("CONNECT") {
		status := statusH1
		if e.Request.Proto == "HTTP/2.0" {
			status = 200
		}
		if e.Status != status || e.Size < 1000 || e.BytesRead < 300 || e.Duration < 0.2 || e.Request.Host != "api.example.com:443" {
			t.Errorf("logged %+v, want status %d, the bytes and the duration of the tunnel", e, status)
		}
	}
	if got := len(p.accessLog("GET")); got != 6 {
		t.Errorf("logged %d requests inside, want 6", got)
	}
}

// A connection may be closed while somebody reads from it. Caddy reads the counts
// of the reader without a lock; the race detector sees it if nobody waited.
func TestReadersAreWaitedFor(t *testing.T) {
	p := startProxy(t, withConfig(func(c *intercept.Config) {
		c.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			hijacked, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			go func() { _, _ = io.Copy(io.Discard, hijacked) }()
			time.Sleep(5 * time.Millisecond)
			_ = hijacked.Close()
		})
	}))
	for range 20 {
		expectEnd(t, p.mustConnect(t, outerPlain, "api.example.com:80", "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n"))
	}
}

func TestInnerIdleTimeout(t *testing.T) {
	p := startProxy(t, withConfig(func(c *intercept.Config) { c.IdleTimeout = 200 * time.Millisecond }))
	for _, outer := range outers {
		for _, inner := range []string{innerH1, innerH2} {
			c, origin := p.client(t, outer, inner)
			whoIs(t, c, origin)
		}
	}
	waitFor(t, "idle tunnels to be closed", func() bool { return p.tunnels.Load() == 0 })
}

func TestRefusedBeforeTheAnswer(t *testing.T) {
	p := startProxy(t)
	for _, test := range []struct{ target, want string }{
		{"api.example.com", "400"},
		{"api.example.com:0", "400"},
		{"user:pass@api.example.com:443", "400"},
	} {
		c, err := p.connect(t.Context(), outerPlain, test.target, "")
		if err == nil {
			_ = c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("CONNECT %s = %v, want %s", test.target, err, test.want)
		}
	}
	t.Run("inside a tunnel", func(t *testing.T) {
		c := p.mustConnect(t, outerPlain, "api.example.com:80", "CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n")
		first := make([]byte, 12)
		if _, err := io.ReadFull(c, first); string(first) != "HTTP/1.1 400" {
			t.Errorf("CONNECT inside a tunnel = %q, %v, want HTTP/1.1 400", first, err)
		}
	})
}

func TestUnanswered(t *testing.T) {
	broken := intercept.New(intercept.Config{Handler: http.NotFoundHandler(), CA: &fakeCA{}})
	sound := intercept.New(intercept.Config{Handler: http.NotFoundHandler(), CA: newFakeCA(t, -time.Hour, week)})
	tunnel := &intercept.Tunnel{Host: "api.example.com", Port: "443"}
	h1 := httptest.NewRequest(http.MethodConnect, "api.example.com:443", nil)
	h2 := httptest.NewRequest(http.MethodConnect, "api.example.com:443", nil)
	h2.ProtoMajor = 2
	for _, test := range []struct {
		name, want string
		run        func(w http.ResponseWriter) error
	}{
		{"no certificate", "intermediate certificate", func(w http.ResponseWriter) error { return broken.Intercept(w, h1, tunnel) }},
		{"no hijacking", "not supported", func(w http.ResponseWriter) error { return sound.Intercept(w, h1, tunnel) }},
		{"no flushing", "streamed", func(w http.ResponseWriter) error { return sound.Intercept(noFlush{w}, h2, tunnel) }},
		{"no hijacking, spliced", "not supported", func(w http.ResponseWriter) error {
			a, b := net.Pipe()
			_, _, err := sound.Splice(w, h1, a)
			if _, closed := b.Read(make([]byte, 1)); closed != io.EOF {
				t.Errorf("the upstream was left open")
			}
			return err
		}},
	} {
		if err := test.run(httptest.NewRecorder()); !errors.Is(err, intercept.ErrUnanswered) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want ErrUnanswered with %q", test.name, err, test.want)
		}
	}
}

// noFlush hides everything but the three methods of a ResponseWriter.
type noFlush struct{ http.ResponseWriter }

// An Agent may hold what must not be logged.
func TestAgentIsLoggedOnlyByItsName(t *testing.T) {
	type secretive struct{ Token string }
	for _, test := range []struct {
		agent any
		want  string
	}{
		{"name", "name"}, {secretive{"hunter2"}, ""}, {&secretive{"hunter2"}, ""}, {nil, ""}, {stringer{}, "stringer"},
	} {
		if got := intercept.AgentName(&intercept.Tunnel{Agent: test.agent}); got != test.want {
			t.Errorf("logged agent of %T = %q, want %q", test.agent, got, test.want)
		}
	}
}

type stringer struct{}

func (stringer) String() string { return "stringer" }
