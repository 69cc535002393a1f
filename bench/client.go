package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// client is one connection that repeats one request. It is not safe for
// concurrent use.
type client interface {
	// do sends the request and checks the answer.
	do() error
	close()
}

// dialTimeout bounds connecting, CONNECT and the TLS handshake together.
const dialTimeout = 10 * time.Second

// requestTimeout bounds a request, so that nothing hangs.
const requestTimeout = 10 * time.Second

// h1Client speaks HTTP/1.1 with as little work as it can: the processor is
// shared with what is measured.
type h1Client struct {
	conn    net.Conn
	r       *bufio.Reader
	request []byte
	body    []byte
	want    []byte
	calls   int
}

func newH1Client(conn net.Conn, request []byte) *h1Client {
	return newH1ClientOf(conn, request, answer)
}

// newH1ClientOf expects an answer of its own.
func newH1ClientOf(conn net.Conn, request, want []byte) *h1Client {
	return &h1Client{conn: conn, r: bufio.NewReaderSize(conn, 4<<10), request: request, body: make([]byte, len(want)), want: want}
}

func (c *h1Client) close() { _ = c.conn.Close() }

func (c *h1Client) do() error {
	if err := c.limit(); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	h, err := readHead(c.r)
	if err != nil {
		return err
	}
	if h.status != 200 {
		rest, _ := c.r.Peek(min(c.r.Buffered(), 300))
		return fmt.Errorf("status %d: %s", h.status, rest)
	}
	if err := c.readBody(h); err != nil {
		return err
	}
	if !bytes.Equal(c.body, c.want) {
		return errors.New("the answer's body is not the service's")
	}
	return nil
}

// limit sets a deadline for the first two requests and none for those that
// follow: setting one each time would cost a tenth of a request. The closed
// loop has a limit of its own.
func (c *h1Client) limit() error {
	c.calls++
	switch {
	case c.calls <= 2:
		return c.conn.SetDeadline(time.Now().Add(requestTimeout))
	case c.calls == 3:
		return c.conn.SetDeadline(time.Time{})
	}
	return nil
}

// readBody reads a body of a known length, or one in chunks.
func (c *h1Client) readBody(h head) error {
	if h.length >= 0 {
		if h.length != len(c.body) {
			return fmt.Errorf("the answer has %d bytes, want %d", h.length, len(c.body))
		}
		_, err := io.ReadFull(c.r, c.body)
		return err
	}
	if !h.chunked {
		return errors.New("the answer has neither a length nor chunks")
	}
	for at := 0; ; {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil || at+int(n) > len(c.body) {
			return fmt.Errorf("chunk %q", line)
		}
		if _, err := io.ReadFull(c.r, c.body[at:at+int(n)]); err != nil {
			return err
		}
		at += int(n)
		if _, err := c.r.Discard(2); err != nil || n == 0 {
			return err
		}
	}
}

// head is what we need to know of an answer's head. A length of -1 is none.
type head struct {
	status, length int
	chunked        bool
}

func readHead(r *bufio.Reader) (head, error) {
	h := head{length: -1}
	line, err := r.ReadSlice('\n')
	if err != nil {
		return h, err
	}
	if len(line) < 13 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return h, fmt.Errorf("the answer begins with %q", line)
	}
	if h.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return h, fmt.Errorf("the answer begins with %q", line)
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return h, err
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return h, nil // the empty line
		}
		value = bytes.TrimSpace(value)
		switch {
		case len(name) == 14 && bytes.EqualFold(name, []byte("Content-Length")):
			if h.length, err = strconv.Atoi(string(value)); err != nil {
				return h, err
			}
		case len(name) == 17 && bytes.EqualFold(name, []byte("Transfer-Encoding")):
			h.chunked = bytes.EqualFold(value, []byte("chunked"))
		case len(name) == 10 && bytes.EqualFold(name, []byte("Connection")) && bytes.EqualFold(value, []byte("close")):
			return h, errors.New("the server closes a connection that should stay")
		}
	}
}

// get writes a request as an SDK would. The headers are whole lines.
func get(target, host string, headers ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: attache-bench/1\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate\r\n", target, host)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: -1}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(dialTimeout))
	}
	return conn, err
}

// dialTLS connects over TCP and then over TLS; the name is what the
// certificate must be for.
func dialTLS(ctx context.Context, addr, name string, conf *tls.Config, protos ...string) (*tls.Conn, error) {
	conn, err := dialTCP(ctx, addr)
	if err != nil {
		return nil, err
	}
	return startTLS(ctx, conn, name, conf, protos)
}

func startTLS(ctx context.Context, conn net.Conn, name string, conf *tls.Config, protos []string) (*tls.Conn, error) {
	conf = conf.Clone()
	conf.ServerName, conf.NextProtos = name, protos
	tc := tls.Client(conn, conf)
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS for %s: %w", name, err)
	}
	return tc, nil
}

// dialTunnel opens a tunnel through a proxy. What is returned is not yet TLS.
func dialTunnel(ctx context.Context, proxy, target string, headers ...string) (net.Conn, error) {
	conn, err := dialTCP(ctx, proxy)
	if err != nil {
		return nil, err
	}
	request := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n"
	for _, h := range headers {
		request += h + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		_ = conn.Close()
		return nil, err
	}
	r := bufio.NewReaderSize(conn, 512)
	h, err := readHead(r)
	if err == nil && (h.status != 200 || r.Buffered() > 0) {
		err = fmt.Errorf("status %d and %d bytes ahead", h.status, r.Buffered())
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("CONNECT %s: %w", target, err)
	}
	return conn, nil
}

func bearer(token string) string { return "Authorization: Bearer " + token }

func proxyBasic(user, token string) string {
	return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+token))
}
