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
	"net/url"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/resolver/egress"
	"github.com/attache-proxy/attache/resolver/refusal"
	"github.com/attache-proxy/attache/resolver/scrub"
	"github.com/attache-proxy/attache/resolver/upstream"
)

// Send signs a clone of req and sends it to where call says. The request
// itself is not changed and never holds a credential; the response's Request
// is req. A refusal of ours is a *Refusal.
func (r *Resolver) Send(req *http.Request, call *Call) (*http.Response, error) {
	call.asks(req)
	tr, owner, plain := r.transports.of(call)
	if bindsConnection(req.Header) && call.Agent != nil {
		owner += " of agent " + call.Agent.ID // the agent's own authentication: not another one's
	}
	x := call.exchange()
	x.r, x.tr, x.owner, x.plain, x.req, x.call = r, tr, owner, plain, req, call
	if call.Connector == nil {
		return x.roundTrip(&x.outgoing().req, nil)
	}
	x.signer = call.Connector.SignerFor(call.Account.Option, call.Host)
	if err := x.takeBody(); err != nil {
		return nil, err
	}
	res, err := x.send()
	switch {
	case !x.body.keeps():
	case err != nil:
		x.body.close()
	default: // the transport may still read the request's body
		res.Body = lastUse{res.Body, x.body.close}
	}
	return res, err
}

// bindsConnection reports an Authorization that authenticates the connection
// and not the request (RFC 4559).
func bindsConnection(h http.Header) bool {
	for _, v := range h["Authorization"] {
		scheme, _, _ := strings.Cut(strings.TrimSpace(v), " ")
		if strings.EqualFold(scheme, "NTLM") || strings.EqualFold(scheme, "Negotiate") || strings.EqualFold(scheme, "Kerberos") {
			return true
		}
	}
	return false
}

// send signs and sends what was taken, and again where that helps.
func (x *exchange) send() (*http.Response, error) {
	r, call := x.r, x.call
	cred, err := r.credentials.For(x.req.Context(), call.Account, nil)
	if err != nil {
		return nil, err
	}
	res, err := x.attempt(cred)
	if err == nil && res.StatusCode == http.StatusUnauthorized && r.credentials.CanRefresh(call.Account) {
		res, err = x.again(res, cred)
	}
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusSwitchingProtocols && !IsUpgrade(x.req) {
		_ = res.Body.Close()
		return nil, errUnaskedUpgrade
	}
	return x.enough(res)
}

// errUnaskedUpgrade is an answer that would make a tunnel of a request that was
// permitted as something less.
var errUnaskedUpgrade = errors.New("the service switched to another protocol without being asked")

// exchange is one request on its way to a service, perhaps in several attempts.
type exchange struct {
	r      *Resolver
	tr     *upstream.Transport
	owner  string // of the connection
	plain  bool
	req    *http.Request
	call   *Call
	signer sign.Signer
	body   taken
	// own is what the first request is made in, so that it costs no allocations of
	// its own. A further one has others: the transport may still read the first.
	own   outgoing
	begun bool
}

// outgoing is a request of ours and what it is signed with.
type outgoing struct {
	req http.Request
	url url.URL
	in  sign.Input
}

// exchange is the call's own one where it was not sent yet.
func (call *Call) exchange() *exchange {
	if call.sending.r == nil {
		return &call.sending
	}
	return new(exchange)
}

func (x *exchange) next() *outgoing {
	if x.begun {
		return new(outgoing)
	}
	x.begun = true
	return &x.own
}

// again answers a 401 with another token, once, where the body can be sent
// again. Otherwise the token is replaced for the next request and the 401 passed on.
func (x *exchange) again(res *http.Response, old *secret.Credential) (*http.Response, error) {
	ctx, c, acct := x.req.Context(), x.r.credentials, x.call.Account
	if !x.body.replayable {
		go c.Force(context.WithoutCancel(ctx), acct, old, x.call.mayRefresh) //nolint:errcheck // the next request asks again
		return res, nil
	}
	cred, ok, err := c.Force(ctx, acct, old, x.call.mayRefresh)
	if !ok || err != nil && ctx.Err() == nil && !needsPerson(err) {
		return res, nil // the service's own 401 says more than our failure
	}
	discard(res)
	if err != nil {
		return nil, err
	}
	return x.attempt(cred)
}

// attempt signs one clone and sends it. A signer that learns from the answer
// (a challenge, the service's clock) signs once more.
func (x *exchange) attempt(cred *secret.Credential) (*http.Response, error) {
	res, in, err := x.once(cred)
	if err != nil || !x.body.replayable || !sign.Again(x.signer, in, res) {
		return res, err
	}
	discard(res)
	res, _, err = x.once(cred)
	return res, err
}

// discard reads what is left of a short answer, so that its connection is kept.
func discard(res *http.Response) {
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10)
	_ = res.Body.Close()
}

func (x *exchange) once(cred *secret.Credential) (*http.Response, *sign.Input, error) {
	o := x.outgoing()
	out, in := &o.req, &o.in
	x.body.attach(out)
	x.keepTrailers(out)
	if x.call.Connector.TakesSignedURLs {
		x.unsignURL(out)
	}
	*in = sign.Input{Vars: expr.Vars{Cred: cred, App: x.call.Account.App, Account: x.call.Account.Meta, Body: x.body.forSigner(), Now: time.Now(), Agent: x.req.Header}, Memory: &x.call.Account.learned, MaxExpires: MaxPresign, HeaderOnly: !x.call.mayPresign}
	if err := Place(x.call.Connector, x.signer, out, in); err != nil {
		return nil, nil, signRefusal(x.call, err)
	}
	var set *scrub.Set
	if x.call.Connector.Scrub {
		set = x.call.Account.echoesOf(in)
	}
	res, err := x.roundTrip(out, set)
	return res, in, err
}

// Place makes out, which belongs to the caller, the request that the service
// gets: with the connector's own headers, without the agent's credentials, and
// signed. In holds what the signer may use; its Request becomes out.
func Place(c *providers.Connector, signer sign.Signer, out *http.Request, in *sign.Input) error {
	for name, value := range c.Headers {
		if out.Header.Get(name) == "" {
			out.Header.Set(name, value)
		}
	}
	sign.Strip(out, signer.Places())
	if c.Scrub {
		scrub.Codings(out.Header)
	}
	for _, name := range c.Removes {
		delete(out.Header, name)
	}
	in.Request = out
	return signer.Sign(out, in)
}

// dropped are headers that are ours or reverse_proxy's, not the agent's.
var dropped = []string{"Attache-Account", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Via", "Alt-Used", "Proxy-Authorization"}

// outgoing clones the request and points it at the service.
func (x *exchange) outgoing() *outgoing {
	o := x.next()
	out, u := &o.req, &o.url
	*out, *u = *x.req, *x.req.URL
	out.URL = u
	out.Header = x.req.Header.Clone()
	for _, name := range dropped {
		delete(out.Header, name)
	}
	if x.call.Connector != nil {
		for name := range out.Header {
			if providers.ClaimsOrigin(name) {
				delete(out.Header, name)
			}
		}
	}
	u.User, u.Fragment = nil, ""
	u.Scheme = "https"
	if x.plain {
		u.Scheme = "http"
	}
	u.Host = x.call.Target.JoinHostPort()
	out.Host = x.call.Target.Authority(!x.plain || x.call.HTTPS)
	out.RequestURI, out.Close = "", false
	if c := x.call.Connector; c != nil && c.Scrub {
		scrub.Widen(out.Method, out.Header)
	}
	return o
}

// roundTrip sends out and prepares its answer for the agent.
func (x *exchange) roundTrip(out *http.Request, set *scrub.Set) (*http.Response, error) {
	x.call.countRequest(out)
	x.watch1xx(out, set)
	res, err := x.trip(out)
	if err != nil {
		if x.call.Ended() {
			return nil, permissionEnded(x.call)
		}
		return nil, sendRefusal(x.req.Context(), err, x.call.Target.Host, out.Method)
	}
	res.Request = x.req
	res.Header.Del("Alt-Svc")
	x.call.countResponse(res)
	if goesOn(res) {
		x.r.GoesOn(x.call)
	}
	x.call.Connector.CleanAnswer(res.Header)
	refusal.DropHeaders(res.Header)
	if c := x.call.Connector; c == nil || !c.Scrub {
		return res, nil
	}
	if err := x.search(res, set); err != nil {
		return nil, err
	}
	return res, nil
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
func sendRefusal(ctx context.Context, err error, host, method string) error {
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
		return &Refusal{Code: "cannot_sign", Status: bad.Status, Detail: bad.Msg, Next: "Send the body as its framing says."}
	case errors.Is(err, egress.ErrScarce):
		return &Refusal{Code: "too_many_requests", RetryAfter: 1, Detail: "the proxy has too many connections to open one to " + host, Next: "Try again in a few seconds, with fewer requests at a time."}
	case errors.As(err, &denied):
		return &Refusal{Code: "upstream_denied", Err: denied, Detail: fmt.Sprintf("%s: %v", host, denied),
			Next: "Do not repeat this request. The operator may name the address with allow_address."}
	case errors.As(err, &dns) && !dns.IsTimeout:
		return &Refusal{Code: "upstream_unreachable", Detail: "the name " + host + " cannot be resolved", Next: "Check the host name; then try again."}
	case errors.As(err, &cert), errors.As(err, &unknown):
		return &Refusal{Code: "upstream_unreachable", Detail: fmt.Sprintf("the TLS certificate of %s is not trusted: %s", host, certificateReason(err)),
			Next: "Do not repeat this request. The operator must set the service's certificate right, or name its CA with tls_trusted_ca."}
	case errors.As(err, &ne) && ne.Timeout():
		return unknownOutcome(&Refusal{Code: "upstream_timeout", Detail: host + " did not answer in time", Next: "Try again later."}, err, method)
	}
	return unknownOutcome(&Refusal{Code: "upstream_unreachable", Detail: "the connection to " + host + " failed: " + failureKind(err), Next: "Try again in a few seconds."}, err, method)
}

// unknownOutcome does not invite to repeat what the service may have done: a
// request that changes something, and may have reached it.
func unknownOutcome(ref *Refusal, err error, method string) *Refusal {
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
