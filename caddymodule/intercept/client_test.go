package intercept_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// The ways to the proxy.
const (
	outerPlain = "h1"
	outerTLS   = "h1 over TLS"
	outerH2    = "h2"
	outerUnix  = "h1 over a unix socket"
)

// connect opens a tunnel to target. ahead is sent together with the CONNECT.
func (p *proxy) connect(ctx context.Context, outer, target, ahead string) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	var c net.Conn
	var err error
	switch outer {
	case outerPlain:
		c, err = d.DialContext(ctx, "tcp", p.plain)
	case outerUnix:
		c, err = d.DialContext(ctx, "unix", p.unix)
	case outerTLS:
		c, err = (&tls.Dialer{NetDialer: &d, Config: &tls.Config{ServerName: "localhost", RootCAs: p.roots, NextProtos: []string{"http/1.1"}}}).DialContext(ctx, "tcp", p.tls)
	case outerH2:
		return p.connectH2(target, ahead)
	}
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n%s", target, target, ahead); err != nil {
		return nil, err
	}
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = c.Close()
		return nil, fmt.Errorf("CONNECT: %s", resp.Status)
	}
	if len(resp.TransferEncoding) > 0 || resp.Header.Get("Content-Length") != "" {
		return nil, fmt.Errorf("the answer to CONNECT has a body: %v %v", resp.TransferEncoding, resp.Header)
	}
	return &bufferedConn{c, br}, nil
}

type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }
func (c *bufferedConn) CloseWrite() error {
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// connectH2 opens a tunnel on an HTTP/2 connection of its own.
func (p *proxy) connectH2(target, ahead string) (net.Conn, error) {
	t := &http.Transport{TLSClientConfig: &tls.Config{ServerName: "localhost", RootCAs: p.roots}, Protocols: new(http.Protocols)}
	t.Protocols.SetHTTP2(true)
	body, send := io.Pipe()
	go func() { _, _ = io.WriteString(send, ahead) }()
	resp, err := t.RoundTrip(&http.Request{Method: http.MethodConnect, URL: &url.URL{Scheme: "https", Host: p.tls}, Host: target, Header: http.Header{}, Body: body})
	if err != nil {
		t.CloseIdleConnections()
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = send.Close()
		t.CloseIdleConnections()
		return nil, fmt.Errorf("CONNECT: %s", resp.Status)
	}
	return &streamConn{resp.Body, send, t}, nil
}

// streamConn is the client's end of a tunnel over HTTP/2.
type streamConn struct {
	in  io.ReadCloser
	out *io.PipeWriter
	t   *http.Transport // closed with the tunnel; may be nil
}

func (c *streamConn) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c *streamConn) Write(p []byte) (int, error) { return c.out.Write(p) }
func (c *streamConn) CloseWrite() error           { return c.out.Close() }
func (c *streamConn) Close() error {
	_ = c.out.Close()
	err := c.in.Close()
	if c.t != nil {
		c.t.CloseIdleConnections()
	}
	return err
}
func (c *streamConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *streamConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *streamConn) SetDeadline(time.Time) error      { return nil }
func (c *streamConn) SetReadDeadline(time.Time) error  { return nil }
func (c *streamConn) SetWriteDeadline(time.Time) error { return nil }

// The protocols inside a tunnel.
const (
	innerH1    = "h1"
	innerH2    = "h2"
	innerPlain = "plain HTTP"
	innerH2C   = "h2 without TLS"
)

// client returns an HTTP client that goes through tunnels, and the origin to ask.
func (p *proxy) client(t testing.TB, outer, inner string) (c *http.Client, origin string) {
	t.Helper()
	tr := &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return p.connect(ctx, outer, addr, "")
		},
		TLSClientConfig: &tls.Config{RootCAs: p.roots, ClientSessionCache: tls.NewLRUClientSessionCache(8)},
		Protocols:       new(http.Protocols),
	}
	t.Cleanup(tr.CloseIdleConnections)
	origin = "https://api.example.com"
	switch inner {
	case innerH1:
		tr.Protocols.SetHTTP1(true)
	case innerH2:
		tr.Protocols.SetHTTP2(true)
	case innerPlain:
		tr.Protocols.SetHTTP1(true)
		origin = "http://api.example.com"
	case innerH2C:
		tr.Protocols.SetUnencryptedHTTP2(true)
		origin = "http://api.example.com"
	}
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}, origin
}
