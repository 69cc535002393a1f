package confine

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// extensionECH is encrypted_client_hello (RFC 9849). Clients that only pretend, so
// that nobody gets used to its absence, cannot be told from others.
const extensionECH = 0xfe0d

// hello is what a client says first where it speaks TLS.
type hello struct {
	name string // SNI, in lower case and without its last dot; empty for none
	ech  bool
}

// errHeard ends a handshake that is only listened to.
var errHeard = errors.New("heard")

// hear reads a client's hello. The bytes are in what is returned, however it goes.
func hear(from io.Reader) (h hello, said []byte, err error) {
	c := &listened{from: from}
	err = tls.Server(c, &tls.Config{GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
		h.name = strings.ToLower(strings.TrimSuffix(i.ServerName, "."))
		h.ech = slices.Contains(i.Extensions, extensionECH)
		return nil, errHeard
	}}).Handshake()
	if errors.Is(err, errHeard) {
		err = nil
	} else if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return h, c.said.Bytes(), err
}

// listened is a connection on which nothing is said.
type listened struct {
	from io.Reader
	said bytes.Buffer
}

func (c *listened) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.said.Write(p[:n])
	return n, err
}

func (c *listened) Write(p []byte) (int, error)      { return len(p), nil }
func (c *listened) Close() error                     { return nil }
func (c *listened) LocalAddr() net.Addr              { return nil }
func (c *listened) RemoteAddr() net.Addr             { return nil }
func (c *listened) SetDeadline(time.Time) error      { return nil }
func (c *listened) SetReadDeadline(time.Time) error  { return nil }
func (c *listened) SetWriteDeadline(time.Time) error { return nil }
