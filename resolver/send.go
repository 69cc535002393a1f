package resolver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"time"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/resolver/egress"
)

// Send signs a clone of req and sends it to where call says. The request
// itself is not changed and never holds a credential; the response's Request
// is req. A refusal of ours is a *Refusal.
func (r *Resolver) Send(req *http.Request, call *Call) (*http.Response, error) {
	tr, plain := r.transports.of(call)
	if call.Connector == nil {
		return r.roundTrip(tr, outgoing(req, call, plain), req, call, nil)
	}
	signer := call.Connector.SignerFor(call.Account.Option, call.Host)
	body, err := r.takeBody(req, call, signer)
	if err != nil {
		return nil, err
	}
	cred, err := r.credentials.For(req.Context(), call.Account, nil)
	if err != nil {
		return nil, err
	}
	res, err := r.attempt(tr, req, call, signer, cred, body, plain)
	if err != nil || res.StatusCode != http.StatusUnauthorized || !r.credentials.CanRefresh(call.Account) {
		return res, err
	}
	return r.again(tr, req, call, signer, cred, body, plain, res)
}

// again answers a 401 with another token, once, where the body can be sent
// again. Otherwise the token is replaced for the next request and the 401 passed on.
func (r *Resolver) again(tr http.RoundTripper, req *http.Request, call *Call, signer sign.Signer, old *secret.Credential, body *taken, plain bool, res *http.Response) (*http.Response, error) {
	if !body.replayable {
		go r.credentials.Force(context.WithoutCancel(req.Context()), call.Account, old) //nolint:errcheck // the next request asks again
		return res, nil
	}
	cred, ok, err := r.credentials.Force(req.Context(), call.Account, old)
	if !ok || err != nil && req.Context().Err() == nil {
		return res, nil // the service's own 401 says more than our failure
	}
	if err != nil {
		_ = res.Body.Close()
		return nil, err
	}
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10)
	_ = res.Body.Close()
	call.Outcome.Retried = true
	return r.attempt(tr, req, call, signer, cred, body, plain)
}

// attempt signs one clone and sends it.
func (r *Resolver) attempt(tr http.RoundTripper, req *http.Request, call *Call, signer sign.Signer, cred *secret.Credential, body *taken, plain bool) (*http.Response, error) {
	out := outgoing(req, call, plain)
	body.attach(out)
	for name, value := range call.Connector.Headers {
		if out.Header.Get(name) == "" {
			out.Header.Set(name, value)
		}
	}
	sign.Strip(out, signer.Places())
	if call.Connector.Scrub {
		onlyKnownCodings(out.Header)
	}
	for _, name := range call.Connector.Removes {
		delete(out.Header, name)
	}
	in := &sign.Input{Vars: expr.Vars{Cred: cred, App: call.Account.App, Account: call.Account.Meta, Request: out, Body: body.forSigner(), Now: time.Now()}}
	if err := signer.Sign(out, in); err != nil {
		return nil, signRefusal(call, err)
	}
	return r.roundTrip(tr, out, req, call, scrubberFor(call, cred, out))
}

// dropped are headers that are ours or reverse_proxy's, not the agent's.
var dropped = []string{"Attache-Account", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Via", "Alt-Used", "Proxy-Authorization"}

// outgoing clones req and points it at the service.
func outgoing(req *http.Request, call *Call, plain bool) *http.Request {
	out := new(http.Request)
	*out = *req
	u := *req.URL
	out.URL = &u
	out.Header = req.Header.Clone()
	for _, name := range dropped {
		delete(out.Header, name)
	}
	u.User, u.Fragment = nil, ""
	u.Scheme = "https"
	if plain {
		u.Scheme = "http"
	}
	u.Host = call.Target.JoinHostPort()
	out.Host = call.Target.Authority(!plain || call.HTTPS)
	out.RequestURI, out.Close = "", false
	return out
}

// roundTrip sends out and prepares its answer for the agent.
func (r *Resolver) roundTrip(tr http.RoundTripper, out, req *http.Request, call *Call, s *scrubber) (*http.Response, error) {
	call.countRequest(out)
	if s != nil {
		out = out.WithContext(httptrace.WithClientTrace(out.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(_ int, h textproto.MIMEHeader) error { s.headers(http.Header(h)); return nil },
		}))
	}
	res, err := tr.RoundTrip(out)
	if err != nil {
		return nil, sendRefusal(req.Context(), err, call.Target.Host)
	}
	res.Request = req
	res.Header.Del("Alt-Svc")
	call.countResponse(res)
	if s == nil {
		return res, nil
	}
	s.headers(res.Header)
	return res, s.wrap(res)
}

// signRefusal says why a request cannot be signed. Nothing unsigned is sent.
func signRefusal(call *Call, err error) error {
	ref := &Refusal{Code: "cannot_sign", Err: err, Next: "Change the request as the detail says, or call the service in another way."}
	about := fmt.Sprintf("connector %s, account %s: ", call.Connector.Key, call.Account.Name)
	var se *sign.Error
	var me *expr.MissingError
	switch {
	case errors.As(err, &se):
		ref.Status, ref.Detail = se.Status, about+se.Msg
	case errors.As(err, &me):
		ref.Detail, ref.Next = about+me.Error(), "Ask the operator to complete the account."
	default:
		ref.Detail = about + "the credential cannot be placed on this request"
	}
	return ref
}

// sendRefusal turns what went wrong on the way to the service into a refusal.
// Causes are told only where their text comes from the local side: an error
// may quote what the service sent.
func sendRefusal(ctx context.Context, err error, host string) error {
	if ctx.Err() != nil {
		return ctx.Err() // the agent hung up
	}
	var denied *egress.DeniedError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var ne net.Error
	switch {
	case errors.As(err, &denied):
		return &Refusal{Code: "upstream_denied", Err: denied, Detail: fmt.Sprintf("%s: %v", host, denied),
			Next: "Do not repeat this request. The operator may name the address with allow_address."}
	case errors.As(err, &dns) && !dns.IsTimeout:
		return &Refusal{Code: "upstream_unreachable", Detail: "the name " + host + " cannot be resolved", Next: "Check the host name; then try again."}
	case errors.As(err, &cert), errors.As(err, &unknown):
		return &Refusal{Code: "upstream_unreachable", Detail: fmt.Sprintf("the TLS certificate of %s is not trusted: %s", host, certificateReason(err)),
			Next: "Do not repeat this request. The operator must set the service's certificate right, or name its CA with tls_trusted_ca."}
	case errors.As(err, &ne) && ne.Timeout():
		return &Refusal{Code: "upstream_timeout", Detail: host + " did not answer in time", Next: "Try again later."}
	}
	return &Refusal{Code: "upstream_unreachable", Detail: "the connection to " + host + " failed: " + failureKind(err), Next: "Try again in a few seconds."}
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
