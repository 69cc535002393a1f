package integration_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// goClient is a Go HTTP client that uses the proxy and trusts its CA.
func (a *attache) goClient(t testing.TB, h2 bool) *http.Client {
	t.Helper()
	proxy, err := url.Parse(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: pool(t, a.CA)},
		ForceAttemptHTTP2: h2, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// WebSockets with Go's coder/websocket and Node's ws, at each door.
func TestWebSocket(t *testing.T) {
	d := newDemo(t)
	doors := []struct {
		name, url string
		http      *http.Client
	}{
		{"wss through CONNECT", "wss://demo.test/ws", d.goClient(t, false)},
		{"ws through CONNECT", "ws://demo.test/ws", tunnelEverything(t, d.attache)},
		{"ws in absolute form", "ws://demo.test/ws", d.goClient(t, false)},
		{"base URL", "ws" + strings.TrimPrefix(d.URL, "http") + "/demo/ws", http.DefaultClient},
	}
	for _, door := range doors {
		t.Run("go/"+door.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			conn, res, err := websocket.Dial(ctx, door.url, &websocket.DialOptions{HTTPClient: door.http, Subprotocols: []string{"echo"}})
			if err != nil {
				t.Fatalf("Dial(%s) = %v, %v", door.url, res, err)
			}
			defer conn.CloseNow()
			conn.SetReadLimit(1 << 20)
			if conn.Subprotocol() != "echo" {
				t.Errorf("subprotocol = %q, want echo", conn.Subprotocol())
			}
			for _, msg := range []string{"hello", strings.Repeat("x", 500_000)} {
				if err := conn.Write(ctx, websocket.MessageBinary, []byte(msg)); err != nil {
					t.Fatal(err)
				}
				if _, got, err := conn.Read(ctx); err != nil || !bytes.Equal(got, []byte(msg)) {
					t.Fatalf("echo of %d bytes = %d bytes, %v", len(msg), len(got), err)
				}
			}
			conn.Write(ctx, websocket.MessageText, []byte("close"))
			if _, _, err := conn.Read(ctx); websocket.CloseStatus(err) != 4001 {
				t.Errorf("after the service closed with 4001 the client has %v", err)
			}
		})
	}

	script := nodeScript(t, "websocket.mjs")
	for name, env := range map[string][]string{
		"wss through CONNECT": {"URL=wss://demo.test/ws", "PROXY=" + d.URL, "CA=" + d.CA},
		"base URL":            {"URL=ws" + strings.TrimPrefix(d.URL, "http") + "/demo/ws"},
	} {
		t.Run("node ws/"+name, func(t *testing.T) {
			r := client{Env: env}.run(t, "node", script)
			if r.Code != 0 || r.Stdout != "echo hello\nclosed 4001 as asked\n" {
				t.Errorf("node ws: %v", r)
			}
		})
	}
}

// tunnelEverything is a client that uses CONNECT for plain HTTP as well, as
// browsers do for ws:// URLs.
func tunnelEverything(t testing.TB, a *attache) *http.Client {
	t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		return a.connect(t, address), nil
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// silentWebSocket keeps a connection without a word for longer than the idle limits.
func silentWebSocket(t *testing.T, d *demo) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "wss://demo.test/ws", &websocket.DialOptions{HTTPClient: d.goClient(t, false)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	time.Sleep(idle)
	if err := conn.Write(ctx, websocket.MessageText, []byte("late")); err != nil {
		t.Fatalf("writing after %v of silence: %v", idle, err)
	}
	if _, got, err := conn.Read(ctx); err != nil || string(got) != "late" {
		t.Errorf("echo after %v of silence = %q, %v", idle, got, err)
	}
}
