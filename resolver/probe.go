package resolver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/operations"
)

// Granted lists the accounts of a connector that the agent may use.
func (r *Resolver) Granted(ctx context.Context, agent *Agent, connector string) ([]Granted, error) {
	return r.directory.Granted(ctx, agent, connector)
}

// Choose is the account that the agent would use: the named one, the default,
// or the only one.
func (r *Resolver) Choose(ctx context.Context, agent *Agent, c *providers.Connector, name string) (*Account, error) {
	g, err := r.choose(ctx, &Call{Connector: c}, Ask{Agent: agent, Connector: c.Key, Account: name}, []providers.Entry{{Connector: c}})
	if err != nil {
		return nil, err
	}
	return g.Account, usable(g.Account)
}

// GrantOf is the grant by which the agent would use a connector: that of the named account,
// the default, or the only one. Its error is a *Refusal.
func (r *Resolver) GrantOf(ctx context.Context, agent *Agent, connector, account string) (Granted, error) {
	c, ok := r.Index().For(agent.organisation(), connector)
	if !ok {
		return Granted{}, &Refusal{Code: "unknown_connector", Detail: "there is no connector " + connector + " here"}
	}
	return r.choose(ctx, &Call{Connector: c}, Ask{Agent: agent, Connector: c.Key, Account: account}, []providers.Entry{{Connector: c}})
}

// Operations is a connector's table; nil where it has none.
func (r *Resolver) Operations(c *providers.Connector) operations.Table {
	if r.operations == nil {
		return nil
	}
	return r.operations(c)
}

// Organisation is an agent's.
func (r *Resolver) Organisation(a *Agent) string { return a.organisation() }

// ErrNoTest says that the connector names no test request.
var ErrNoTest = errors.New("the connector has no test request")

// Test runs a connector's test request through the whole pipeline and returns
// the status that came and the one that proves that the credential works.
func (r *Resolver) Test(ctx context.Context, agent *Agent, connector, account string) (status, expected int, err error) {
	c, ok := r.Index().For(agent.organisation(), connector)
	if !ok {
		return 0, 0, &Refusal{Code: "unknown_connector", Detail: "there is no connector " + connector + " here"}
	}
	acct, err := r.Choose(ctx, agent, c, account)
	if err != nil {
		return 0, 0, err
	}
	p, err := r.Probe(ctx, acct)
	return p.Status, p.Expected, err
}

// Probed is what a test request showed.
type Probed struct {
	// Status is the service's, Expected the one that proves the credential. A
	// service that says no in the body of such an answer has the status 0.
	Status, Expected int
	// ID, Label and Email are whose account it is, where the connector can tell.
	ID, Label, Email string
}

// OK reports whether the service took the credential.
func (p *Probed) OK() bool { return p.Status == p.Expected }

// Probe sends the test request of an account, whatever its state. ErrNoTest
// means that there is none.
func (r *Resolver) Probe(ctx context.Context, acct *Account) (p Probed, err error) {
	c := acct.Connector
	t := c.TestFor(acct.Option)
	if t == nil {
		return p, ErrNoTest
	}
	for err == nil && t != nil {
		p, err = r.try(ctx, acct, t)
		t = t.Next(p.Status)
	}
	return p, err
}

// try sends one test request.
func (r *Resolver) try(ctx context.Context, acct *Account, t *providers.TestDef) (p Probed, err error) {
	c := acct.Connector
	p.Expected = t.Status()
	call := &Call{Agent: &Agent{}, Connector: c, Account: acct}
	path, _, _ := strings.Cut(t.Get+t.Post, "?")
	if !strings.HasPrefix(path, "/") {
		path = "/" // an absolute URL: testRequest finds its host
	}
	if err := call.settle(Ask{Connector: c.Key, Path: path}); err != nil {
		return p, err
	}
	req, err := testRequest(ctx, call, t)
	if err != nil {
		return p, err
	}
	res, err := r.Send(req, call)
	if err != nil {
		return p, err
	}
	defer res.Body.Close()
	p.Status = res.StatusCode
	paths := c.IdentityFor(acct.Option)
	if !p.OK() || !t.ReadsBody() && paths == (providers.IdentityDef{}) { // else the body may be a stream without end
		return p, nil
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if !t.Proves(p.Status, body) {
		p.Status = 0
		return p, nil
	}
	p.identify(paths, body)
	if paths.ID != "" && p.ID == "" && !t.Tells() {
		p.Status = 0
	}
	return p, nil
}

// identify reads whose account it is. Services that say no with status 200 do
// not say whose it is: where nothing else tells, the credential was not taken.
func (p *Probed) identify(paths providers.IdentityDef, body []byte) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var doc any
	if dec.Decode(&doc) != nil {
		return
	}
	p.ID, p.Label, p.Email = at(doc, paths.ID), at(doc, paths.Label), at(doc, paths.Email)
}

// at follows a dotted path.
func at(doc any, path string) string {
	if path == "" {
		return ""
	}
	for key := range strings.SplitSeq(path, ".") {
		switch v := doc.(type) {
		case map[string]any:
			doc = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(v) {
				return ""
			}
			doc = v[i]
		default:
			return ""
		}
	}
	switch v := doc.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
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
	u.Scheme, u.Host = "https", call.Target.Authority(true)
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
