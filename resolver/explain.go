package resolver

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/attache-proxy/attache/resolver/operation"
	"github.com/attache-proxy/attache/resolver/rule"
)

// Question is a request of which somebody wants to know what would become of it.
type Question struct {
	Method, URL string
	Header      http.Header
	Body        []byte
	// Account is the agent's choice; empty means none.
	Account string
}

// Explanation is what would become of a request. Nothing is sent, and no limit is used up.
type Explanation struct {
	// Call is what was decided, also beside a refusal. Its Connector is nil for a host of
	// none, and its Account nil where none was chosen.
	Call *Call
	// Does is what the request does; none where that is not known, and Why says why.
	Does []rule.Does
	Why  string
	// Decision is that of the grant's rules, Number 0 where no rule decided; Ruled says
	// that it has any.
	Decision rule.Decision
	Ruled    bool
	// Refusal is the answer of ours that the agent would get; nil for none.
	Refusal *Refusal
}

// Explain says what would become of an agent's request through the forward proxy.
func (r *Resolver) Explain(ctx context.Context, agent *Agent, q Question) (*Explanation, error) {
	u, err := url.Parse(q.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, errors.New("the URL must be absolute: https://api.example.com/v1/things")
	}
	t, err := ParseTarget(u.Host, map[string]string{"http": "80", "https": "443"}[u.Scheme])
	if err != nil {
		return nil, err
	}
	t.Plain = u.Scheme == "http"
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	ask := Ask{Agent: agent, Target: t, Method: q.Method, Path: path, Query: u.RawQuery, Header: q.Header, Body: len(q.Body) > 0, Upgrade: len(q.Header["Upgrade"]) > 0, Account: q.Account, explains: true}
	call, err := r.Decide(ctx, ask)
	x := &Explanation{Call: call}
	switch size := int64(len(q.Body)); {
	case err != nil || !call.deed.Waits() || call.deed.Unread(size):
	case call.deed.Long(size):
		err = call.decided()
	case size > operation.MaxBody:
		err = call.bodyTooLong()
	default:
		err = r.judgeBody(ctx, call, q.Body, nil)
	}
	if d := call.deed.Asking(); err == nil && d != nil {
		err = call.about().Asked(*d)
	}
	if ref, ok := AsRefusal(err); ok {
		x.Refusal = ref
	} else if err != nil {
		return nil, err
	}
	if call.head == nil {
		return x, nil
	}
	request, more := operation.Of(call.head)
	if more && len(q.Body) <= operation.MaxBody {
		request = operation.With(call.head, q.Body)
	}
	x.Does, x.Why = request.Does, request.Why
	if call.deed != nil {
		x.Ruled = true
		if done := call.deed.Done(); done != nil {
			x.Decision = call.deed.Rules.Decide(done)
		}
	}
	return x, nil
}
