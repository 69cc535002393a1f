package caddymodule

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const (
	shortcutToken  = "a-token-of-the-tests-own"
	shortcutSecret = "the-secret-of-the-service"
)

// loadShortcut runs a configuration whose only server has a site of this text, and
// returns the shortcut of its first handler.
func loadShortcut(t testing.TB, global, site string) *shortcut {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+shortcutSecret {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("X-Odd", strings.Join(r.Header["Odd_name"], ","))
		if r.URL.Path == "/slow" {
			for range 5 {
				_, _ = io.WriteString(w, "piece")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(600 * time.Millisecond)
			}
			return
		}
		_, _ = io.Copy(w, r.Body)
		_, _ = io.WriteString(w, "answered")
	}))
	t.Cleanup(service.Close)
	t.Setenv("SHORTCUT_TOKEN", shortcutToken)
	t.Setenv("SHORTCUT_SECRET", shortcutSecret)
	dir := t.TempDir()
	text := fmt.Sprintf(`{
		admin off
		persist_config off
		storage file_system %[1]s
		auto_https off
		log default {
			output discard
		}
		%[2]s
		attache {
			allow_address 127.0.0.1
			connector echo {
				hosts echo.localhost
				upstream http://%[3]s
				field token {env.SHORTCUT_SECRET}
				sign bearer {fields.token}
			}
			agent tester {
				token {env.SHORTCUT_TOKEN}
				grant echo read write
			}
		}
	}
	%[4]s`, dir, global, service.Listener.Addr(), strings.ReplaceAll(site, "BIND", "bind unix/"+filepath.Join(dir, "socket")))
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caddy.Stop() })
	app, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range app.(*caddyhttp.App).Servers {
		if h := firstHandler(s.Routes); h != nil {
			return h.past
		}
	}
	t.Fatal("the configuration has no handler of ours")
	return nil
}

func firstHandler(routes caddyhttp.RouteList) *Handler {
	for _, r := range routes {
		for _, h := range r.Handlers {
			switch h := h.(type) {
			case *Handler:
				return h
			case *caddyhttp.Subroute:
				if own := firstHandler(h.Routes); own != nil {
					return own
				}
			}
		}
	}
	return nil
}

// A server that does anything besides is not passed by.
func TestShortcutIsWhereNothingElseIs(t *testing.T) {
	for _, c := range []struct {
		name, global, site string
		leads              bool
	}{
		{"alone", "", "http:// {\nBIND\nattache\n}", true},
		{"an option of ours", "", "http:// {\nBIND\nattache {\nunmatched deny\n}\n}", true},
		{"an access log", "", "http:// {\nBIND\nlog\nattache\n}", false},
		{"metrics", "metrics", "http:// {\nBIND\nattache\n}", false},
		{"an error route", "", "http:// {\nBIND\nattache\nhandle_errors {\nrespond oops\n}\n}", false},
		{"a handler before", "", "http:// {\nBIND\nheader X-Own 1\nroute {\nattache\n}\n}", false},
		{"another route", "", "http:// {\nBIND\nrespond /own mine\nattache\n}", false},
		{"a host", "", "http://proxy.localhost {\nBIND\nattache\n}", false},
		{"a limit on reading", "servers {\ntimeouts {\nread_body 5s\n}\n}", "http:// {\nBIND\nattache\n}", false},
		{"a limit on writing", "servers {\ntimeouts {\nwrite 5s\n}\n}", "http:// {\nBIND\nattache\n}", false},
		{"full duplex", "servers {\nenable_full_duplex\n}", "http:// {\nBIND\nattache\n}", false},
		{"composed by hand", "", "http:// {\nBIND\nroute {\nattache_match\nreverse_proxy {\ndynamic attache\ntransport attache\n}\n}\n}", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if leads := loadShortcut(t, c.global, c.site).forwarder() != nil; leads != c.leads {
				t.Errorf("leads past the server: %v, want %v", leads, c.leads)
			}
		})
	}
}

// past is a listener of our own with the handler that Caddy's server gets.
func past(t testing.TB, s *shortcut) net.Addr {
	t.Helper()
	o := listenerShortcut{s}
	l := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !o.serve(w, r) {
			_, _ = io.WriteString(w, "left to Caddy")
		}
	}))
	l.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return o.connContext(ctx, c) }
	l.Start()
	t.Cleanup(l.Close)
	return l.Listener.Addr()
}

func dialPast(t testing.TB, at net.Addr) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c, bufio.NewReader(c)
}

const withToken = "Authorization: Bearer " + shortcutToken + "\r\n"

func TestOutside(t *testing.T) {
	s := loadShortcut(t, "", "http:// {\nBIND\nattache\n}")
	t.Run("what goes past", func(t *testing.T) {
		at := past(t, s)
		c, from := dialPast(t, at)
		for _, k := range []struct {
			name, request, want string
		}{
			{"a call", "GET /echo/v1 HTTP/1.1\r\nHost: localhost\r\n" + withToken + "\r\n", "answered"},
			{"a body", "POST /echo/v1 HTTP/1.1\r\nHost: localhost\r\n" + withToken + "Content-Length: 3\r\n\r\nabc", "abcanswered"},
			{"a body in chunks", "POST /echo/v1 HTTP/1.1\r\nHost: localhost\r\n" + withToken + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abcanswered"},
			{"by host name", "GET /v1 HTTP/1.1\r\nHost: echo.localhost\r\n" + withToken + "\r\n", "answered"},
			{"in absolute form", "GET http://echo.localhost/v1 HTTP/1.1\r\nHost: echo.localhost\r\nProxy-" + withToken + "\r\n", "answered"},
			{"an upgrade", "GET /echo/v1 HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" + withToken + "\r\n", "left to Caddy"},
			{"a tunnel", "CONNECT echo.localhost:443 HTTP/1.1\r\nHost: echo.localhost:443\r\nProxy-" + withToken + "\r\n", "left to Caddy"},
			{"about ourselves", "GET /.well-known/attache HTTP/1.1\r\nHost: localhost\r\n\r\n", "left to Caddy"},
			{"a challenge of ACME", "GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: localhost\r\n\r\n", "left to Caddy"},
			{"health", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "left to Caddy"},
			{"a long method", strings.Repeat("M", 33) + " /echo/v1 HTTP/1.1\r\nHost: localhost\r\n" + withToken + "\r\n", "left to Caddy"},
			{"a call after all of them", "GET /echo/v1 HTTP/1.1\r\nHost: localhost\r\n" + withToken + "\r\n", "answered"},
			{"no host", "GET /echo/v1 HTTP/1.0\r\n" + withToken + "\r\n", "left to Caddy"},
		} {
			_, _ = io.WriteString(c, k.request)
			res, err := http.ReadResponse(from, nil)
			if err != nil {
				t.Fatalf("%s: %v", k.name, err)
			}
			body, err := io.ReadAll(res.Body)
			if err != nil || string(body) != k.want || res.StatusCode != http.StatusOK {
				t.Errorf("%s: %d %q (%v), want %q", k.name, res.StatusCode, body, err, k.want)
			}
		}
	})
	t.Run("names that Caddy drops", func(t *testing.T) {
		c, from := dialPast(t, past(t, s))
		_, _ = io.WriteString(c, "GET /echo/v1 HTTP/1.1\r\nHost: localhost\r\nOdd_name: v\r\n"+withToken+"\r\n")
		res, err := http.ReadResponse(from, nil)
		if err != nil || res.Header.Get("X-Odd") != "v" {
			t.Errorf("%v, %v: the name was lost", res, err)
		}
	})
	t.Run("a connection from before", func(t *testing.T) { // with none: accepted by somebody else
		w := httptest.NewRecorder()
		if (listenerShortcut{s}).serve(w, httptest.NewRequest(http.MethodGet, "/echo/v1", nil)) {
			t.Error("a request of no connection of ours was served")
		}
	})
	t.Run("HTTP/2", func(t *testing.T) { // its requests come beside each other: nothing that they share is written
		c := new(connection)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				r := httptest.NewRequestWithContext(context.WithValue(t.Context(), connectionKey{}, c), http.MethodGet, "/echo/v1", nil)
				r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
				if (listenerShortcut{s}).serve(httptest.NewRecorder(), r) {
					t.Error("served past Caddy's server")
				}
			})
		}
		all.Wait()
		if c.timed {
			t.Error("a request left its mark on the connection")
		}
	})
}

// What Caddy's idle timeouts bound is bounded past its server, too: nobody's limits
// count a connection whose request was refused, or is over.
func TestOutsideIsBounded(t *testing.T) {
	s := loadShortcut(t, "", "http:// {\nBIND\nattache\n}")
	const read, write = 300 * time.Millisecond, 2 * time.Second
	s.server.ReadIdleTimeout, s.server.WriteIdleTimeout = caddy.Duration(read), caddy.Duration(write)
	at := past(t, s)
	t.Run("a body that does not come", func(t *testing.T) {
		t.Parallel()
		c, from := dialPast(t, at)
		_, _ = io.WriteString(c, "POST /echo/v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
		res, err := http.ReadResponse(from, nil)
		if err != nil || res.StatusCode != http.StatusUnauthorized {
			t.Fatalf("%v, %v; want 401", res, err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		if _, err := from.ReadByte(); err != io.EOF {
			t.Errorf("the connection goes on: %v", err)
		}
	})
	t.Run("answers that nobody takes", func(t *testing.T) {
		t.Parallel()
		c, _ := dialPast(t, at)
		var err error
		for err == nil {
			_, err = io.WriteString(c, strings.Repeat("GET /echo/v1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 100))
		}
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			t.Error("the connection is kept although its client takes nothing")
		}
	})
	t.Run("a stream after a refusal takes its time", func(t *testing.T) {
		t.Parallel()
		c, from := dialPast(t, at)
		_, _ = io.WriteString(c, "GET /echo/v1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
		res, err := http.ReadResponse(from, nil)
		if err != nil || res.StatusCode != http.StatusUnauthorized {
			t.Fatalf("%v, %v; want 401", res, err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_, _ = io.WriteString(c, "GET /echo/slow HTTP/1.1\r\nHost: localhost\r\n"+withToken+"\r\n")
		if res, err = http.ReadResponse(from, nil); err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != strings.Repeat("piece", 5) {
			t.Errorf("%q, %v: cut by a limit that an earlier answer left behind", body, err)
		}
	})
}

// BenchmarkOutside is a call by the base-URL door, with client and service in the
// same process.
func BenchmarkOutside(b *testing.B) {
	c, from := dialPast(b, past(b, loadShortcut(b, "", "http:// {\nBIND\nattache\n}")))
	_ = c.SetDeadline(time.Time{})
	request := []byte("GET /echo/v1/items HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n" + withToken + "\r\n")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		for body := false; ; {
			line, err := from.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if body = body || len(line) == 2; body {
				break
			}
		}
		if _, err := from.Discard(len("answered")); err != nil {
			b.Fatal(err)
		}
	}
}
