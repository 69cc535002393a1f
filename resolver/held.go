package resolver

import (
	"context"
	"errors"

	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/limit"
)

// ask counts a request, and holds one on which a person decides until they have said yes. No credential
// was obtained before. Read says that its body was.
func (x *exchange) ask(read bool) error {
	if err := x.pay(); err != nil {
		return err // nobody is asked about what cannot be paid
	}
	d := x.call.deed.Asking()
	if d == nil {
		return nil
	}
	if x.r.approvals == nil {
		return x.call.about().Unasked(*d, "there is nobody here to be asked")
	}
	release, body := func() {}, &approval.Body{Read: x.body.Buffered, Whole: true}
	if !read {
		var of *limit.Agent
		if x.call.Agent != nil {
			of = x.call.Agent.Limit
		}
		req, begun, give, err := approval.Begin(x.req, of)
		var full *limit.FullError
		switch {
		case errors.As(err, &full):
			return TooMany(x.call.Agent, full.Kind)
		case err != nil:
			return err
		}
		x.req, body, release = req, begun, give
	}
	gone := approval.NewGone()
	if !x.call.ends(gone) {
		release()
		return permissionEnded(x.call)
	}
	x.call.waits.Store(true)
	a, err := x.r.approvals.Decide(x.req.Context(), &approval.Hold{Describe: func() *approval.Request { return x.described(body) }, Wait: d.Ask.Wait, Bytes: int64(len(body.Read)), Gone: gone, May: x.may})
	x.call.waits.Store(false)
	x.call.approval.Store(&a.ID)
	x.call.ends(nil)
	if err != nil {
		release()
		return err
	}
	x.release = release
	return nil
}

// may refuses what is not permitted any more, or of which that is not known: whoever took
// the grant away has the last word.
func (x *exchange) may(ctx context.Context) error {
	ok, err := x.r.may(ctx, x.call)
	switch {
	case err != nil:
		return vaultAway(err)
	case !ok || x.call.Ended():
		return permissionEnded(x.call)
	}
	return nil
}

// described is what a person is shown of the request.
func (x *exchange) described(body *approval.Body) *approval.Request {
	call, d := x.call, x.call.deed.Asking()
	scheme := "https://"
	if !call.HTTPS {
		scheme = "http://"
	}
	agent := call.Agent
	places := x.signer.Places()
	s := &approval.Sent{
		HTTP: x.req, When: d.When, Target: scheme + call.Target.Authority(call.HTTPS), Does: call.deed.Done(), Body: body.Read, Whole: body.Whole, Token: call.Token,
		Placed: func(name string) bool {
			return !call.Kept && (sign.IsNamed(name, places.Headers) || sign.IsNamed(name, call.Connector.Removes))
		},
		RPC:     call.deed.Head.SpeaksRPC(),
		InQuery: func(name string) bool { return sign.IsNamed(name, places.Query) },
	}
	s.Organisation, s.Connector, s.Method, s.Rule, s.GrantID = agent.organisation(), call.Connector.Key, call.Method, d.Rule, call.grant
	s.AgentID, s.Agent, s.AccountID, s.Account = agent.ID, agent.Name, call.Account.ID, call.Account.Name
	return approval.Describe(s)
}
