package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// h2Client sends requests over a connection that it may share with others.
type h2Client struct {
	conn *sharedConn
	url  string
	host string
	// header is shared by all requests; the client changes none of it.
	header http.Header
	body   bytes.Buffer
}

// sharedConn is an HTTP/2 connection with so many users.
type sharedConn struct {
	*http.ClientConn

	mu    sync.Mutex
	users int
}

// newSharedConn speaks HTTP/2 on a connection whose TLS handshake is done.
func newSharedConn(ctx context.Context, conn *tls.Conn) (*sharedConn, error) {
	if p := conn.ConnectionState().NegotiatedProtocol; p != "h2" {
		_ = conn.Close()
		return nil, fmt.Errorf("negotiated %q, want h2", p)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	tr := &http.Transport{DisableCompression: true, ForceAttemptHTTP2: true,
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	cc, err := tr.NewClientConn(ctx, "https", conn.ConnectionState().ServerName+":443")
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &sharedConn{ClientConn: cc}, nil
}

func (s *sharedConn) client(host string, header http.Header) *h2Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users++
	return &h2Client{conn: s, url: "https://" + host + "/v1/items", host: host, header: header}
}

func (s *sharedConn) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 {
		_ = s.Close()
	}
}

func (c *h2Client) close() { c.conn.leave() }

func (c *h2Client) do() error {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return err
	}
	req.Header = c.header
	res, err := c.conn.RoundTrip(req)
	if err != nil {
		return err
	}
	c.body.Reset()
	_, err = c.body.ReadFrom(io.LimitReader(res.Body, int64(len(answer)+1)))
	_ = res.Body.Close()
	switch {
	case err != nil:
		return err
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d: %s", res.StatusCode, c.body.Bytes()[:min(300, c.body.Len())])
	case !bytes.Equal(c.body.Bytes(), answer):
		return fmt.Errorf("the answer's body is not the service's")
	}
	return nil
}
