package resolver

import (
	"fmt"
	"net/http"
)

// As sends requests with an account's credential, for libraries that bring their
// own requests: only to hosts of the connector, through the whole pipeline. The
// account must be active.
func (r *Resolver) As(acct *Account) http.RoundTripper { return as{r, acct} }

type as struct {
	r    *Resolver
	acct *Account
}

// RoundTrip implements http.RoundTripper. Its error may be a *Refusal.
func (a as) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := usable(a.acct); err != nil {
		return nil, err
	}
	t, err := ParseTarget(req.URL.Host, map[bool]string{true: "80", false: "443"}[req.URL.Scheme == "http"])
	if err != nil {
		return nil, err
	}
	call := &Call{Agent: &Agent{}, Connector: a.acct.Connector, Account: a.acct, Target: t, Method: req.Method, Path: req.URL.EscapedPath()}
	if call.Host = call.hostFor(t, req.URL.EscapedPath()); call.Host == nil {
		return nil, &Refusal{Code: "no_connector", Detail: fmt.Sprintf("%s is no host of connector %s", t.Host, call.Connector.Key)}
	}
	if err := call.settle(Ask{Path: req.URL.EscapedPath(), Target: t}); err != nil {
		return nil, err
	}
	if err := a.r.take(req.Context(), a.acct); err != nil {
		return nil, err
	}
	return a.r.Send(req, call)
}
