package resolver

import (
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"

	"github.com/attache-proxy/attache/resolver/answer"
	"github.com/attache-proxy/attache/resolver/scrub"
)

// search makes an answer safe to pass on: see the package scrub.
func (x *exchange) search(res *http.Response, set *scrub.Set) error {
	o := scrub.Options{Range: scrub.Asked(x.req.Method, x.req.Header), Numbered: strings.Contains(x.req.URL.RawQuery, "partNumber="), Found: &x.call.Outcome.Scrubbed, Blind: &x.call.Outcome.Unsearchable}
	if reserve := x.r.inflate; reserve != nil {
		o.Reserve = func(n int64) (func(), error) { return reserve(x.call, n) }
	}
	err := set.Answer(res, o)
	if err == nil {
		return nil
	}
	_ = res.Body.Close()
	var blind *scrub.Unsearchable
	if !errors.As(err, &blind) {
		return err
	}
	next := "Ask for it in another form, for example without Range or with Accept-Encoding: identity."
	if m := x.req.Method; m != http.MethodGet && m != http.MethodHead {
		next = "The service has answered, so do not repeat the request before you know what it did. " + next
	}
	return &Refusal{Code: "echo_unsearchable", Detail: x.call.Target.Host + " answered, and " + blind.Error(), Next: next + " If the service is trusted not to echo credentials, the operator may say scrub off for the connector."}
}

// watch1xx searches informational answers too. The caller's own trace belongs
// to this request alone, so its hook is wrapped in place: composing traces costs
// more than the rest of a request's decision.
func (x *exchange) watch1xx(out *http.Request, set *scrub.Set) {
	trace := httptrace.ContextClientTrace(out.Context())
	if trace == nil || trace.Got1xxResponse == nil {
		return // nobody sees them
	}
	next := trace.Got1xxResponse
	trace.Got1xxResponse = func(code int, h textproto.MIMEHeader) error {
		answer.Head(x.call.Connector, http.Header(h))
		if set.Header(http.Header(h)) {
			x.call.Outcome.Scrubbed.Store(true)
		}
		return next(code, h)
	}
}
