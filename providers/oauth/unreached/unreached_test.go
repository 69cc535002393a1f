package unreached_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/oauth/unreached"
)

type denied struct{}

func (denied) Error() string { return "address 10.7.7.7 is refused: private" }
func (denied) Denied() bool  { return true }

func TestWhyShowsNothingOfOurNetwork(t *testing.T) {
	addr := &net.TCPAddr{IP: net.IPv4(10, 7, 7, 7), Port: 5432}
	for want, inner := range map[string]error{
		"may not be called":   denied{},
		"cannot be reached":   &net.OpError{Op: "dial", Net: "tcp", Addr: addr, Err: errors.New("connect: connection refused")},
		"cannot be resolved":  &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "db.internal", Server: "10.7.7.7:53"}},
		"in time":             fmt.Errorf("dial tcp 10.7.7.7:53: %w", context.DeadlineExceeded),
		"not trusted":         x509.UnknownAuthorityError{},
		"TLS fails":           errors.New("remote error: tls: handshake failure"),
		"not HTTP":            errors.New(`malformed HTTP status code "SSH-2.0 10.7.7.7"`),
		"the connection brok": &net.OpError{Op: "read", Net: "tcp", Source: addr, Addr: addr, Err: errors.New("connection reset by peer")},
	} {
		got := unreached.Why(&url.Error{Op: "Post", URL: "https://db.internal/t", Err: inner})
		if !strings.Contains(got, want) || strings.Contains(got, "10.7") || strings.Contains(got, "internal") || strings.Contains(got, "refused") {
			t.Errorf("Why(%v) = %q, want %q and no address", inner, got, want)
		}
	}
}
