package intercept

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// recordTypeHandshake is the first byte of a TLS connection (RFC 8446 §5.1).
const recordTypeHandshake = 0x16

// handshake finds out what the client speaks, and returns the connection to
// serve: c itself for plain HTTP, TLS over it otherwise, or nil if the client
// got no further.
func (i *Interceptor) handshake(c *conn) net.Conn {
	_ = c.SetDeadline(time.Now().Add(i.cfg.HandshakeTimeout))
	first, err := c.peek()
	if err != nil {
		// It opened a tunnel and did not use it. Clients do that.
		i.debug("tunnel closed before it was used", c.tunnel, err)
		return nil
	}
	served := net.Conn(c)
	if first == recordTypeHandshake {
		t := tls.Server(c, i.tls)
		if err := t.Handshake(); err != nil {
			i.logHandshake(c.tunnel, err)
			return nil
		}
		served = t
	}
	_ = c.SetDeadline(time.Time{})
	return served
}

// logHandshake tells the operator what to do about a client whose handshake
// failed.
func (i *Interceptor) logHandshake(t *Tunnel, err error) {
	hint := handshakeHint(err)
	if hint == "" {
		i.debug("client hung up during the TLS handshake", t, err)
		return
	}
	i.cfg.Logger.Warn("TLS handshake in a tunnel failed",
		zap.String("host", t.Host), zap.String("agent", t.agentName()), zap.Error(err), zap.String("hint", hint))
}

func (i *Interceptor) debug(message string, t *Tunnel, err error) {
	if ce := i.cfg.Logger.Check(zap.DebugLevel, message); ce != nil {
		ce.Write(zap.String("host", t.Host), zap.String("agent", t.agentName()), zap.Error(err))
	}
}

// The hints of a failed handshake.
const (
	hintTrust = "does the client trust our CA? `attache ca` prints it, `attache exec` sets it for the common clients"
	hintSlow  = "the client opened a tunnel and did not finish its handshake in time"
	hintOther = "the client must offer TLS 1.2 or 1.3, and HTTP/1.1 or HTTP/2 inside"
)

// handshakeHint says what is probably the matter. It is empty for a client that
// just went away.
func handshakeHint(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return hintSlow
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe),
		errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ""
	}
	// crypto/tls gives alerts in either direction this type. A client that
	// distrusts us does not always say so: curl's alert arrives as "bad record
	// MAC".
	if op := new(net.OpError); errors.As(err, &op) {
		return hintTrust
	}
	return hintOther
}
