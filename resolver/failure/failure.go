// Package failure says to an agent what went wrong between us and a service: the
// address, the certificate, the time, or the connection.
package failure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/resolver/egress"
	"github.com/attache-proxy/attache/resolver/refusal"
)

// Refusal turns what went wrong on the way to the service into a refusal.
// Causes are told only where their text comes from the local side: an error
// may quote what the service sent.
func Refusal(ctx context.Context, err error, host, method string) error {
	if ctx.Err() != nil {
		return ctx.Err() // the agent hung up
	}
	var denied *egress.DeniedError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var ne net.Error
	var bad *sign.Error
	switch {
	case errors.As(err, &bad): // the body, found wrong while it was signed
		return &refusal.Refusal{Code: "cannot_sign", Status: bad.Status, Detail: bad.Msg, Next: "Send the body as its framing says."}
	case errors.Is(err, egress.ErrScarce):
		return &refusal.Refusal{Code: "too_many_requests", RetryAfter: 1, Detail: "the proxy has too many connections to open one to " + host, Next: "Try again in a few seconds, with fewer requests at a time."}
	case errors.As(err, &denied):
		return &refusal.Refusal{Code: "upstream_denied", Err: denied, Detail: fmt.Sprintf("%s: %v", host, denied),
			Next: "Do not repeat this request. The operator may name the address with allow_address."}
	case errors.As(err, &dns) && !dns.IsTimeout:
		return &refusal.Refusal{Code: "upstream_unreachable", Detail: "the name " + host + " cannot be resolved", Next: "Check the host name; then try again."}
	case errors.As(err, &cert), errors.As(err, &unknown):
		return &refusal.Refusal{Code: "upstream_unreachable", Detail: fmt.Sprintf("the TLS certificate of %s is not trusted: %s", host, certificateReason(err)),
			Next: "Do not repeat this request. The operator must set the service's certificate right, or name its CA with tls_trusted_ca."}
	case errors.As(err, &ne) && ne.Timeout():
		return unknownOutcome(&refusal.Refusal{Code: "upstream_timeout", Detail: host + " did not answer in time", Next: "Try again later."}, err, method)
	}
	return unknownOutcome(&refusal.Refusal{Code: "upstream_unreachable", Detail: "the connection to " + host + " failed: " + failureKind(err), Next: "Try again in a few seconds."}, err, method)
}

// Unsent reports what went wrong before the service got anything.
func Unsent(err error) bool {
	var denied *egress.DeniedError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var op *net.OpError
	return errors.Is(err, egress.ErrScarce) || errors.As(err, &denied) || errors.As(err, &dns) || errors.As(err, &cert) || errors.As(err, &unknown) ||
		errors.As(err, &op) && op.Op == "dial"
}

// unknownOutcome does not invite to repeat what the service may have done: a
// request that changes something, and may have reached it.
func unknownOutcome(ref *refusal.Refusal, err error, method string) *refusal.Refusal {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return ref
	}
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodConnect:
		return ref
	}
	ref.Detail += "; whether it has done what " + method + " asked for is not known"
	ref.Next = "Do not repeat this request yet: find out first, by reading, whether it took effect."
	return ref
}

func certificateReason(err error) string {
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &host):
		return "it is for another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "it has expired or is not yet valid"
	case errors.As(err, &unknown):
		return "its issuer is unknown"
	}
	return "it cannot be verified"
}

// failureKind names a failure without quoting anything that was received.
func failureKind(err error) string {
	var op *net.OpError
	var rec tls.RecordHeaderError
	switch {
	case errors.As(err, &op):
		if op.Op == "dial" {
			return "it cannot be dialled"
		}
		return "it broke off (" + op.Op + ")"
	case errors.As(err, &rec):
		return "it does not speak TLS on that port"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it was closed before an answer came"
	}
	return "its answer was not valid HTTP, or it broke off"
}
