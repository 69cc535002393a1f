// Package unreached says why no answer came from a host, in words for people who
// must not learn anything of our network: no addresses, no names of our resolver.
package unreached

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
)

// Why is what may be told of an error of a Doer.
func Why(err error) string {
	var denied interface{ Denied() bool }
	var name *net.DNSError
	var timeout net.Error
	var op *net.OpError
	switch {
	case errors.As(err, &denied):
		return "its address may not be called; the operator can allow it with allow_address"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.As(err, &name):
		return "its name cannot be resolved"
	case isTLS(err):
		return "TLS fails, or its certificate is not trusted"
	case errors.As(err, &op) && op.Op == "dial":
		return "it cannot be reached"
	case slices.ContainsFunc(quoting, func(s string) bool { return strings.Contains(err.Error(), s) }):
		return "its answer is not HTTP"
	}
	return "the connection broke"
}

// quoting are marks of net/http's errors that quote what came.
var quoting = []string{"malformed", "connection broken", "bad Content-Length", "transfer encoding", "http2:"}

func isTLS(err error) bool {
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verify) || errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &unknown) || errors.As(err, &host) ||
		errors.As(err, &invalid) || strings.Contains(err.Error(), "tls: ")
}
