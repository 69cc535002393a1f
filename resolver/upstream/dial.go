package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
)

// errHTTP2 says that a place which spoke HTTP/1.1 now agrees to HTTP/2.
var errHTTP2 = errors.New("the service speaks HTTP/2")

// sessions are the TLS settings of new connections.
type sessions struct{ conf *tls.Config }

// sessionsKept is how many places' TLS sessions are kept to be resumed.
const sessionsKept = 256

func (s *sessions) init(base *tls.Config) {
	s.conf = base.Clone()
	if s.conf == nil {
		s.conf = &tls.Config{}
	}
	if s.conf.ClientSessionCache == nil {
		s.conf.ClientSessionCache = tls.NewLRUClientSessionCache(sessionsKept)
	}
	s.conf.NextProtos = []string{"h2", "http/1.1"}
}

func (s *sessions) of(host string) *tls.Config {
	conf := s.conf.Clone()
	if conf.ServerName == "" {
		conf.ServerName = host
	}
	return conf
}

// dial opens a connection. Its errors are the dialler's and those of crypto/tls.
func (t *Transport) dial(ctx context.Context, p place) (*conn, error) {
	raw, err := t.std.DialContext(ctx, "tcp", p.addr)
	if err != nil {
		return nil, err
	}
	c := newConn(p, raw)
	if !p.tls {
		return c, nil
	}
	host, _, err := net.SplitHostPort(p.addr)
	if err == nil {
		err = c.secure(ctx, t, host)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// secure puts TLS on the connection.
func (c *conn) secure(ctx context.Context, t *Transport, host string) error {
	if d := t.std.TLSHandshakeTimeout; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, handshakeTimeout{})
		defer cancel()
	}
	tc := tls.Client(&c.wire, t.tls.of(host))
	if err := tc.HandshakeContext(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	state := tc.ConnectionState()
	if state.NegotiatedProtocol == "h2" {
		return errHTTP2
	}
	c.rw, c.state = tc, &state
	return nil
}

// handshakeTimeout is a time-out as net/http understands it.
type handshakeTimeout struct{}

func (handshakeTimeout) Error() string   { return "TLS handshake timeout" }
func (handshakeTimeout) Timeout() bool   { return true }
func (handshakeTimeout) Temporary() bool { return true }

func hostPort(host string, tls bool) string {
	port := "80"
	if tls {
		port = "443"
	}
	return net.JoinHostPort(host, port)
}
