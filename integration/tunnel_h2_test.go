//lint:file-ignore SA1019 net/http cannot send CONNECT over HTTP/2 itself; x/net can

package integration_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// h2TunnelClient opens its tunnels with CONNECT over one HTTP/2 connection to
// the proxy (RFC 9113 §8.5), in cleartext as everything on the listener, and
// offers only `inner` inside.
func (a *attache) h2TunnelClient(t testing.TB, inner string) *http.Client {
	t.Helper()
	outer := a.outerH2(t)
	config := &tls.Config{RootCAs: pool(t, a.CA), NextProtos: []string{inner}}
	tr := &http.Transport{
		TLSClientConfig: config, ForceAttemptHTTP2: inner == "h2", DisableCompression: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) { return h2Tunnel(ctx, outer, address) },
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// outerH2 speaks HTTP/2 in cleartext with the proxy, whatever a URL's host says.
func (a *attache) outerH2(t testing.TB) *http2.Transport {
	outer := &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, _, _ string, _ *tls.Config) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", a.Addr)
	}}
	t.Cleanup(outer.CloseIdleConnections)
	return outer
}

// connectH2 is connect over HTTP/2.
func (a *attache) connectH2(t testing.TB, target string) net.Conn {
	t.Helper()
	conn, err := h2Tunnel(t.Context(), a.outerH2(t), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// h2Tunnel is one stream of the outer connection as a net.Conn.
func h2Tunnel(ctx context.Context, outer *http2.Transport, target string) (net.Conn, error) {
	up, down := io.Pipe()
	r := &http.Request{Method: http.MethodConnect, URL: &url.URL{Scheme: "http", Host: target}, Host: target,
		Header: http.Header{}, Body: up, ContentLength: -1}
	// The tunnel outlives the dial: its context must not end with it.
	res, err := outer.RoundTrip(r.WithContext(context.WithoutCancel(ctx)))
	if err != nil {
		return nil, fmt.Errorf("CONNECT %s over HTTP/2: %w", target, err)
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("CONNECT %s over HTTP/2: %s", target, res.Status)
	}
	return &streamConn{Reader: res.Body, Writer: down, close: func() { down.Close(); res.Body.Close() }}, nil
}

// streamConn is a net.Conn without deadlines.
type streamConn struct {
	io.Reader
	io.Writer
	close func()
}

func (c *streamConn) Close() error                     { c.close(); return nil }
func (c *streamConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *streamConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *streamConn) SetDeadline(time.Time) error      { return nil }
func (c *streamConn) SetReadDeadline(time.Time) error  { return nil }
func (c *streamConn) SetWriteDeadline(time.Time) error { return nil }
