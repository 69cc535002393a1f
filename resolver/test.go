package resolver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
)

// Granted lists the accounts of a connector that the agent may use.
func (r *Resolver) Granted(ctx context.Context, agent *Agent, connector string) ([]Granted, error) {
	return r.directory.Granted(ctx, agent, connector)
}

// Choose is the account that the agent would use: the named one, the default,
// or the only one.
func (r *Resolver) Choose(ctx context.Context, agent *Agent, c *providers.Connector, name string) (*Account, error) {
	granted, err := r.directory.Granted(ctx, agent, c.Key)
	if err != nil {
		return nil, err
	}
	g, err := choose(granted, &Call{Connector: c}, Ask{Agent: agent, Connector: c.Key, Account: name})
	if err != nil {
		return nil, err
	}
	return g.Account, usable(g.Account)
}

// ErrNoTest says that the connector names no test request.
var ErrNoTest = errors.New("the connector has no test request")

// Test runs a connector's test request through the whole pipeline and returns
// the status that came and the one that proves that the credential works.
func (r *Resolver) Test(ctx context.Context, agent *Agent, connector, account string) (status, expected int, err error) {
	c, ok := r.index.Load().ByKey(connector)
	if !ok {
		return 0, 0, &Refusal{Code: "unknown_connector", Detail: "there is no connector " + connector + " here"}
	}
	acct, err := r.Choose(ctx, agent, c, account)
	if err != nil {
		return 0, 0, err
	}
	t := c.TestFor(acct.Option)
	if t == nil {
		return 0, 0, ErrNoTest
	}
	expected = t.Expect
	if expected == 0 {
		expected = http.StatusOK
	}
	call := &Call{Agent: agent, Connector: c, Account: acct}
	path, _, _ := strings.Cut(t.Get+t.Post, "?")
	if !strings.HasPrefix(path, "/") {
		path = "/" // an absolute URL: testRequest finds its host
	}
	if err := call.settle(Ask{Connector: connector, Path: path}); err != nil {
		return 0, expected, err
	}
	req, err := testRequest(ctx, call, t)
	if err != nil {
		return 0, expected, err
	}
	res, err := r.Send(req, call)
	if err != nil {
		return 0, expected, err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10)
	return res.StatusCode, expected, nil
}

// testRequest builds the request, on the connector's base URL or on the host
// that the test itself names, which must be one of the connector's.
func testRequest(ctx context.Context, call *Call, t *providers.TestDef) (*http.Request, error) {
	method, where := http.MethodGet, t.Get
	if t.Post != "" {
		method, where = http.MethodPost, t.Post
	}
	tmpl, err := expr.Compile(where)
	if err != nil {
		return nil, err
	}
	where, err = tmpl.Eval(call.Account.vars())
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(where)
	if err != nil {
		return nil, err
	}
	if u.Host != "" {
		target, err := ParseTarget(u.Host, "443")
		if err != nil {
			return nil, err
		}
		h := call.hostFor(target, u.EscapedPath())
		if h == nil {
			return nil, &Refusal{Code: "no_connector", Detail: "the test request goes to " + target.Host + ", which is no host of connector " + call.Connector.Key}
		}
		call.Target, call.Host = target, h
	}
	u.Scheme, u.Host = "https", call.Target.Host
	req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(t.Body))
	if err != nil {
		return nil, err
	}
	for name, v := range t.Headers {
		req.Header.Set(name, v)
	}
	if t.Body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}
