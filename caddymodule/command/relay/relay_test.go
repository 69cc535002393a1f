package relay_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/command/relay"
	"github.com/attache-proxy/attache/providers/secret"
)

// proxy records what it is sent, and answers with what the test has for it.
type proxy struct {
	net.Listener
	mu   sync.Mutex
	said []byte
}

// serve answers each connection with a function that has it to itself.
func serve(t *testing.T, answer func(r *bufio.Reader, w net.Conn)) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(bufio.NewReader(io.TeeReader(c, p)), c)
			}()
		}
	}()
	return p
}

func (p *proxy) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = append(p.said, b...)
	return len(b), nil
}

func (p *proxy) heard() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.said)
}

// start starts a relay of agent ada to p.
func start(t *testing.T, p *proxy, account string) *relay.Relay {
	t.Helper()
	r, err := relay.Start(relay.Proxy{
		URL: &url.URL{Scheme: "http", Host: p.Addr().String()}, Agent: "ada", Account: account, Token: secret.New("to:ken"),
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", p.Addr().String())
		},
	})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func basic(user string) string {
	return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":to:ken")) + "\r\n"
}

// dial connects to a relay, with a deadline that no test is to meet.
func dial(t *testing.T, r *relay.Relay) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.URL.Host)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { c.Close() })
	return c
}

// read reads as many bytes as want has, and compares.
func read(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(r, got)
	if err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got[:n], err, want)
	}
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// Each request's head says who calls, and no other byte is changed.
func TestHeads(t *testing.T) {
	p := serve(t, func(r *bufio.Reader, w net.Conn) {
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(w, ok)
		}
	})
	r := start(t, p, "")
	self := r.URL.Host
	line := basic("ada")
	requests := []struct{ name, sent, passed string }{
		{"absolute form", "GET http://a.test/x?y HTTP/1.1\r\nhOsT: a.test\r\nX_y:  z \r\n\r\n", "GET http://a.test/x?y HTTP/1.1\r\nhOsT: a.test\r\nX_y:  z \r\n" + line + "\r\n"},
		{"a base URL", "GET /demo/v1 HTTP/1.1\r\nHost: " + self + "\r\n\r\n", "GET /demo/v1 HTTP/1.1\r\nHost: " + self + "\r\n" + line + "\r\n"},
		{"a base URL through the proxy", "GET http://" + self + "/demo/v1?q HTTP/1.1\r\nHost: " + self + "\r\n\r\n", "GET /demo/v1?q HTTP/1.1\r\nHost: " + self + "\r\n" + line + "\r\n"},
		{"the root through the proxy", "GET http://" + self + " HTTP/1.1\r\nHost: " + self + "\r\n\r\n", "GET / HTTP/1.1\r\nHost: " + self + "\r\n" + line + "\r\n"},
		{"a length", "POST /d HTTP/1.1\r\nHost: h\r\nContent-Length: 38\r\n\r\nGET /no HTTP/1.1\r\nHost: is a body\r\n\r\n.", "POST /d HTTP/1.1\r\nHost: h\r\nContent-Length: 38\r\n" + line + "\r\nGET /no HTTP/1.1\r\nHost: is a body\r\n\r\n."},
		{"chunks, extensions and trailers", "POST /d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n2;a=b\r\nhi\r\nA\r\n0123456789\r\n0\r\nT: u\r\n\r\n", "POST /d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n" + line + "\r\n2;a=b\r\nhi\r\nA\r\n0123456789\r\n0\r\nT: u\r\n\r\n"},
		{"bare line feeds", "GET /d HTTP/1.1\nHost: h\n\n", "GET /d HTTP/1.1\nHost: h\n" + line + "\n"},
		{"empty lines before", "\r\n\r\nGET /d HTTP/1.1\r\nHost: h\r\n\r\n", "GET /d HTTP/1.1\r\nHost: h\r\n" + line + "\r\n"},
		{"a token of another agent", "GET /d HTTP/1.1\r\nHost: h\r\nPROXY-Authorization: Bearer other\r\n\r\n", "GET /d HTTP/1.1\r\nHost: h\r\nPROXY-Authorization: Bearer other\r\n\r\n"},
		{"the choice of an account", "GET /d HTTP/1.1\r\nproxy-authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ada+w:")) + "\r\nHost: h\r\n\r\n", "GET /d HTTP/1.1\r\nHost: h\r\n" + basic("ada+w") + "\r\n"},
		{"an upgrade that is not taken", "GET /d HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "GET /d HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n" + line + "\r\n"},
		{"the next on the same connection", "GET /d HTTP/1.1\r\nHost: h\r\n\r\n", "GET /d HTTP/1.1\r\nHost: h\r\n" + line + "\r\n"},
	}
	c := dial(t, r)
	passed := ""
	for _, tt := range requests {
		if _, err := io.WriteString(c, tt.sent); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		read(t, c, ok)
		if passed += tt.passed; p.heard() != passed {
			t.Fatalf("%s: the proxy got\n%q, want\n%q", tt.name, p.heard()[len(passed)-len(tt.passed):], tt.passed)
		}
	}
}

// Tunnels and upgraded connections are their two ends' own.
func TestTunnels(t *testing.T) {
	p := serve(t, func(r *bufio.Reader, w net.Conn) {
		for {
			req, err := http.ReadRequest(r)
			switch {
			case err != nil:
				return
			case req.Host == "refused.test:443":
				_, _ = io.WriteString(w, "HTTP/1.1 403 attache: no\r\nContent-Length: 2\r\n\r\nno")
				continue
			case req.Method == http.MethodConnect:
				_, _ = io.WriteString(w, "HTTP/1.1 200 Connection Established\r\n\r\n")
			case req.Header.Get("Upgrade") != "":
				_, _ = io.WriteString(w, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 101 Sw")
				time.Sleep(10 * time.Millisecond) // in two pieces
				_, _ = io.WriteString(w, "itching Protocols\r\nUpgrade: echo\r\n\r\n")
			}
			_, _ = io.Copy(w, r) // an echo, until its end
			return
		}
	})
	const inside = "GET /looks HTTP/1.1\r\nLike: a request\r\n\r\n"
	t.Run("a refused tunnel, and another on the connection", func(t *testing.T) {
		c := dial(t, start(t, p, "w"))
		_, _ = io.WriteString(c, "CONNECT refused.test:443 HTTP/1.1\r\nHost: refused.test:443\r\n\r\n")
		read(t, c, "HTTP/1.1 403 attache: no\r\nContent-Length: 2\r\n\r\nno")
		_, _ = io.WriteString(c, "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n"+inside) // without waiting for the answer
		read(t, c, "HTTP/1.1 200 Connection Established\r\n\r\n"+inside)
		if got := p.heard(); strings.Count(got, basic("ada+w")) != 2 || !strings.HasSuffix(got, "\r\n\r\n"+inside) {
			t.Errorf("the proxy got %q", got)
		}
		_ = c.(*net.TCPConn).CloseWrite()
		if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
			t.Errorf("after the end: %q, %v", rest, err)
		}
	})
	t.Run("an upgrade", func(t *testing.T) {
		c := dial(t, start(t, p, ""))
		_, _ = io.WriteString(c, "GET /up HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
		read(t, c, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.WriteString(c, inside)
		read(t, c, inside)
	})
	t.Run("a tunnel to the relay itself", func(t *testing.T) {
		r := start(t, p, "")
		c := dial(t, r)
		_, _ = fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", r.URL.Host)
		read(t, c, "HTTP/1.1 200 Connection Established\r\n\r\n")
		_, _ = io.WriteString(c, "CONNECT b.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n")
		read(t, c, "HTTP/1.1 200 Connection Established\r\n\r\n")
	})
	t.Run("HTTP/2 without TLS", func(t *testing.T) {
		c := dial(t, start(t, p, ""))
		const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
		_, _ = io.WriteString(c, preface)
		read(t, c, preface) // and nothing of the tunnel
	})
	t.Run("TLS", func(t *testing.T) {
		hello := "\x16\x03\x01\x00\x01\x01"
		p := serve(t, func(r *bufio.Reader, w net.Conn) { _, _ = io.CopyN(w, r, int64(len(hello))) })
		c := dial(t, start(t, p, ""))
		_, _ = io.WriteString(c, hello)
		read(t, c, hello)
	})
}

// Libraries of Google's and Azure's find a placeholder where their machines have a token.
func TestMetadata(t *testing.T) {
	p := serve(t, func(r *bufio.Reader, w net.Conn) { _, _ = io.Copy(io.Discard, r) })
	r := start(t, p, "")
	for _, tt := range []struct {
		path, header, want string
		status             int
	}{
		{"/", "Metadata-Flavor: Google", "instance/", 200},
		{"/computeMetadata/v1/instance/service-accounts/default/token?scopes=a", "Metadata-Flavor: Google", `"access_token":"attache"`, 200},
		{"/computeMetadata/v1/instance/service-accounts/attache@placeholder.invalid/token", "Metadata-Flavor: Google", `"access_token":"attache"`, 200},
		{"/computeMetadata/v1/instance/service-accounts/default/?recursive=true", "Metadata-Flavor: Google", `"email":"attache@placeholder.invalid"`, 200},
		{"/computeMetadata/v1/instance/service-accounts/other/token", "Metadata-Flavor: Google", "placeholders", 404},
		{"/computeMetadata/v1/project/project-id", "Metadata-Flavor: Google", "placeholders", 404},
		{"/computeMetadata/v1/universe/universe-domain", "Metadata-Flavor: Google", "googleapis.com", 200},
		{"/computeMetadata/v1/instance/service-accounts/default/token", "X: y", "missing", 403},
		{"/.well-known/attache/identity?resource=https://vault.azure.net", "X-Identity-Header: attache", `"resource":"https://vault.azure.net"`, 200},
		{"/.well-known/attache/identity", "X: y", "missing", 403},
	} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", r.URL.String()+tt.path, nil)
		name, value, _ := strings.Cut(tt.header, ": ")
		req.Header.Set(name, value)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != tt.status || !strings.Contains(string(body), tt.want) {
			t.Errorf("%s: %d %s, want %d with %s", tt.path, res.StatusCode, body, tt.status, tt.want)
		}
	}
	if got := p.heard(); got != "" {
		t.Errorf("the proxy was asked: %q", got)
	}
}

// The run's end is the end of its connections, and of its address.
func TestClose(t *testing.T) {
	p := serve(t, func(r *bufio.Reader, w net.Conn) { _, _ = io.Copy(w, r) })
	r := start(t, p, "")
	c := dial(t, r)
	_, _ = io.WriteString(c, "\x05\x01")
	read(t, c, "\x05\x01")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("after the run: %d bytes", n)
	}
	if c, err := net.Dial("tcp", r.URL.Host); err == nil {
		t.Errorf("after the run %s takes connections", c.RemoteAddr())
	}
	if other := start(t, p, ""); other.URL.Host == r.URL.Host {
		t.Errorf("another run has the address %s, too", r.URL)
	}
}

// What is no proxy, or not there, is said.
func TestNoProxy(t *testing.T) {
	p := serve(t, nil)
	p.Close()
	c := dial(t, start(t, p, ""))
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusBadGateway || res.Header.Get("Attache-Error") != "proxy_unreachable" {
		t.Errorf("got %v, %v", res, err)
	}
	long := dial(t, start(t, serve(t, func(r *bufio.Reader, w net.Conn) { _, _ = io.Copy(io.Discard, r) }), ""))
	go func() { _, _ = io.WriteString(long, "GET /"+strings.Repeat("x", 2<<20)) }()
	if res, err := http.ReadResponse(bufio.NewReader(long), nil); err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a head of 2 MiB: %v, %v", res, err)
	}
}
