package resolver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/headers"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/resolver/answer"
	"github.com/attache-proxy/attache/resolver/failure"
	"github.com/attache-proxy/attache/resolver/keep"
	"github.com/attache-proxy/attache/resolver/outcome"
	"github.com/attache-proxy/attache/resolver/scrub"
	"github.com/attache-proxy/attache/resolver/trailer"
	"github.com/attache-proxy/attache/resolver/upstream"
)

// Send signs a clone of req and sends it to where call says. The request
// itself is not changed and never holds a credential; the response's Request
// is req. A refusal of ours is a *Refusal.
func (r *Resolver) Send(req *http.Request, call *Call) (*http.Response, error) {
	call.asks(req)
	tr, owner, plain := r.transports.of(call)
	if bindsConnection(req.Header) {
		owner.Agent += ", authenticated" // not what its other requests use
	}
	x := call.exchange()
	x.r, x.tr, x.owner, x.plain, x.req, x.call = r, tr, owner, plain, req, call
	if call.Connector == nil {
		return x.roundTrip(&x.outgoing().req, nil)
	}
	x.signer = call.Connector.SignerFor(call.Account.Option, call.Host)
	if err := x.asked(); err != nil {
		return nil, err
	}
	res, err := x.send()
	if err == nil {
		err = x.listed(res)
	}
	switch {
	case !x.body.Keeps() && x.release == nil:
	case err != nil:
		x.lets()
	default: // the transport may still read the request's body
		outcome.Then(res, x.lets)
	}
	return res, err
}

// asked takes the body, and asks a person where that is to be: by the head before the body
// is taken, or by the body.
func (x *exchange) asked() error {
	if x.call.deed.Long(x.req.ContentLength) {
		if err := x.call.decided(); err != nil {
			return err
		}
	}
	byHead := x.call.deed.Asking() != nil
	if byHead {
		if err := x.ask(false); err != nil {
			return err
		}
	}
	if err := x.takeBody(); err != nil || byHead {
		if err != nil {
			x.lets()
		}
		return err
	}
	err := x.ask(true)
	if err != nil {
		x.lets()
	}
	return err
}

// lets lets go of what was kept of the body.
func (x *exchange) lets() {
	x.body.Close()
	if x.release != nil {
		x.release()
	}
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
	if call.Kept {
		out := &x.outgoing().req
		x.body.Attach(out)
		trailer.Keep(out, x.req, x.body.Held, x.mayTrail)
		res, err := x.roundTrip(out, nil)
		if err != nil {
			return nil, err
		}
		return x.asAsked(res)
	}
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
	if res, err = x.asAsked(res); err != nil {
		return nil, err
	}
	return x.enough(res)
}

// asAsked refuses an answer that switches protocols although nobody asked for it, or to
// another one than was asked for: nobody would speak it (RFC 9110 section 7.8).
func (x *exchange) asAsked(res *http.Response) (*http.Response, error) {
	if res.StatusCode == http.StatusSwitchingProtocols && !wants(x.req, res.Header.Get("Upgrade")) {
		_ = res.Body.Close()
		return nil, errUnaskedUpgrade
	}
	return res, nil
}

// wants reports whether a request asks for a protocol: HTTP/1.1 in a list, with or
// without a version; the extended CONNECT of HTTP/2 and HTTP/3 by its name (RFC 8441).
func wants(r *http.Request, protocol string) bool {
	protocol = strings.TrimSpace(protocol)
	return protocol != "" && (httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], protocol) || httpguts.HeaderValuesContainsToken(r.Header[":protocol"], protocol))
}

// errUnaskedUpgrade is an answer that would make a tunnel of a request that was
// permitted as something less.
var errUnaskedUpgrade = errors.New("the service switched to a protocol that was not asked for")

// exchange is one request on its way to a service, perhaps in several attempts.
type exchange struct {
	r      *Resolver
	tr     *upstream.Transport
	owner  upstream.Owner // of the connection
	plain  bool
	req    *http.Request
	call   *Call
	signer sign.Signer
	body   keep.Body
	// own is what the first request is made in, so that it costs no allocations of
	// its own. A further one has others: the transport may still read the first.
	own   outgoing
	begun bool
	ready *outgoing // made before it was to be sent, to be looked at; nil when it was taken
	// release gives back the memory of what a person was asked about; nil where it has none.
	release func()
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
	if !x.body.Replayable {
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
	if err != nil || !x.body.Replayable || !sign.Again(x.signer, in, res) {
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
	o := x.ready
	if x.ready = nil; o == nil {
		o = x.outgoing()
	}
	out, in := &o.req, &o.in
	x.body.Attach(out)
	trailer.Keep(out, x.req, x.body.Held, x.mayTrail)
	if x.call.Connector.TakesSignedURLs {
		x.unsignURL(out)
	}
	*in = sign.Input{Vars: expr.Vars{Cred: cred, App: x.call.Account.App, Account: x.call.Account.Meta, Body: x.body.ForSigner(), Now: time.Now(), Agent: x.req.Header}, Memory: &x.call.Account.learned, MaxExpires: MaxPresign, HeaderOnly: !x.call.mayPresign}
	if err := Place(x.call.Connector, x.signer, out, in); err != nil {
		return nil, nil, signRefusal(x.call, err)
	}
	var set *scrub.Set
	if x.call.Connector.Scrub {
		set = x.call.Account.echoes.Of(x.call.Account.Option, in)
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
		scrub.Charsets(out.Header)
	}
	sign.DropHeaders(out.Header, c.Removes)
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
	sign.DropHeaders(out.Header, dropped)
	if x.call.Connector != nil {
		for name := range out.Header {
			if headers.ClaimsOrigin(name) {
				delete(out.Header, name)
			}
		}
	} else if token := x.call.Token; !token.IsZero() { // a stranger has no business with what the agent is known by here
		for name, values := range out.Header {
			if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, token.Reveal()) }) {
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
	if x.call.deed.Guards() {
		out.Header["Accept-Encoding"] = []string{"identity"}
	}
	return o
}

// roundTrip sends out and prepares its answer for the agent.
func (x *exchange) roundTrip(out *http.Request, set *scrub.Set) (*http.Response, error) {
	x.call.Outcome.Goes(out)
	x.watch1xx(out, set)
	res, err := x.trip(out)
	if x.call.spend != nil && (err == nil || !failure.Unsent(err)) {
		x.call.spend.Reaches()
	}
	if err != nil {
		if x.call.Ended() {
			return nil, permissionEnded(x.call)
		}
		return nil, failure.Refusal(x.req.Context(), err, x.call.Target.Host, out.Method)
	}
	res.Request = x.req
	res.Header.Del("Alt-Svc")
	x.call.Outcome.Comes(res)
	x.taps(res)
	if goesOn(res) {
		x.r.GoesOn(x.call)
	}
	answer.Clean(x.call.Connector, res)
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

// mayTrail lets only those of the agent's trailers through that are no credential, no
// framing and nothing that claims another method, path or sender: some servers join
// trailers and headers.
func (x *exchange) mayTrail(name string) bool {
	c := x.call.Connector
	return httpguts.ValidTrailerHeader(name) && !sign.IsNamed(name, c.KeyHeaders) && !sign.IsNamed(name, c.Removes) && !sign.IsNamed(name, x.signer.Places().Headers) &&
		!headers.ClaimsOrigin(name) && !headers.OverridesMethod(name) && !sign.IsNamed(name, dropped)
}
