package intercept_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/attache-proxy/attache/caddymodule/intercept"
)

// Caddy gives no way to find the UDP port that it chose, so HTTP/3 is tested
// without Caddy.
func TestHTTP3(t *testing.T) {
	ca := newFakeCA(t, -time.Hour, week)
	roots := x509.NewCertPool()
	roots.AddCert(ca.root)
	i := intercept.New(intercept.Config{CA: ca, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, intercept.FromContext(r.Context()).Host, " ", r.Proto)
	})})
	dial := upstream(t, func(c *net.TCPConn) {
		all, _ := io.ReadAll(c)
		fmt.Fprintf(c, "got %s", all)
	})
	leaf, err := intercept.NewMinter(ca, nil).Leaf("localhost")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	server := &http3.Server{
		TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{*leaf}}),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host, port, err := intercept.ParseTarget(r)
			switch {
			case !intercept.IsConnect(r) || err != nil:
				http.Error(w, fmt.Sprint("no tunnel: ", err), http.StatusBadRequest)
			case host == "spliced.example":
				up, _ := dial()
				_, _, _ = i.Splice(w, r, up)
			default:
				_ = i.Intercept(w, r, &intercept.Tunnel{Host: host, Port: port})
			}
		}),
	}
	go func() { _ = server.Serve(socket) }()
	t.Cleanup(func() { _ = server.Close(); _ = socket.Close() })

	outer := &http3.Transport{TLSClientConfig: &tls.Config{ServerName: "localhost", RootCAs: roots}}
	t.Cleanup(func() { _ = outer.Close() })
	connect := func(ctx context.Context, target string) (net.Conn, error) {
		body, send := io.Pipe()
		resp, err := outer.RoundTrip((&http.Request{Method: http.MethodConnect, URL: &url.URL{Scheme: "https", Host: socket.LocalAddr().String()}, Host: target, Header: http.Header{}, Body: body}).WithContext(context.WithoutCancel(ctx)))
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("CONNECT: %s", resp.Status)
		}
		return &streamConn{resp.Body, send, nil}, nil
	}
	for _, h2 := range []bool{false, true} {
		tr := &http.Transport{
			DialContext:     func(ctx context.Context, _, addr string) (net.Conn, error) { return connect(ctx, addr) },
			TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: new(http.Protocols),
		}
		tr.Protocols.SetHTTP1(!h2)
		tr.Protocols.SetHTTP2(h2)
		want := map[bool]string{false: "api.example.com HTTP/1.1", true: "api.example.com HTTP/2.0"}[h2]
		for range 2 { // the second request needs the tunnel to survive the first
			body, err := io.ReadAll(get(t, &http.Client{Transport: tr, Timeout: 10 * time.Second}, "https://api.example.com/").Body)
			if string(body) != want || err != nil {
				t.Errorf("GET = %q, %v, want %q", body, err, want)
			}
		}
		waitFor(t, "the tunnel to be closed", func() bool {
			tr.CloseIdleConnections() // which the client's may not be at once
			return intercept.Kept(i) == 0
		})
	}
	c, err := connect(t.Context(), spliced)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "hello")
	closeWrite(t, c)
	if got, err := io.ReadAll(c); string(got) != "got hello" || err != nil {
		t.Errorf("spliced = %q, %v, want got hello", got, err)
	}
	waitFor(t, "the tunnels to be closed", func() bool { return intercept.Kept(i) == 0 })
}
