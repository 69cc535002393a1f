package resolver

import (
	"context"
	"fmt"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/deed"
	"github.com/attache-proxy/attache/resolver/denial"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/operation"
	"github.com/attache-proxy/attache/resolver/rule"
)

// head is what the call's head says of what it does.
func (r *Resolver) head(call *Call, ask *Ask, a *Account, does providers.Does) operation.Head {
	h := operation.Head{Does: does, Connector: call.Connector, Host: call.ruleHost(*ask, a), OnBase: ask.Target.Host == ""}
	if r.operations != nil {
		h.Table = r.operations(call.Connector)
	}
	if h.Table != nil && !h.OnBase && call.Connector.BaseURL != nil {
		t, err := a.origin()
		h.OnBase = err == nil && t.Host == h.Host
	}
	return h
}

// judge decides by the rules of a grant. Where what the request does stands in its
// body, that is judged when it is sent.
func (call *Call) judge(h operation.Head, rules *rule.Set) error {
	call.deed = deed.New(h, rules)
	call.onlyReads = call.deed.ByMethod(call.methods[0])
	if call.deed.Waits() {
		return nil
	}
	return call.decided()
}

// judgeRead decides for a grant that is for reading and has no rules, where a protocol
// is spoken whose body says what reads.
func (call *Call) judgeRead(h operation.Head) error {
	call.deed = deed.New(h, rule.Reading())
	call.deed.Reads = true
	if call.deed.Waits() {
		call.onlyReads = false // the body is read as it is, with every field of it
		return nil
	}
	return call.decided()
}

// judgeBody decides by the rules when the body is here, in memory of the agent.
func (r *Resolver) judgeBody(ctx context.Context, call *Call, body []byte, of *limit.Agent) error {
	if err := call.deed.Know(ctx, r.tools, call.server()); err != nil {
		return vaultAway(err)
	}
	if err := call.deed.Body(body, of); err != nil {
		return err
	}
	return call.decided()
}

func (call *Call) decided() error {
	d := call.deed.Decide()
	if d.Allowed || d.Ask != nil {
		return call.about().Changed(call.deed.Changed(), call.deed.Head.Host)
	}
	why := call.deed.Done().Why
	if call.deed.Reads && why == "" {
		return call.onlyReading(d.Operation.Name)
	}
	return call.about().Of(d, why)
}

// onlyReading refuses what is no reading under a grant for nothing else.
func (call *Call) onlyReading(what string) *Refusal {
	c := call.Connector.Key
	return &Refusal{Code: "not_permitted",
		Detail: fmt.Sprintf("agent %s may only read with connector %s, account %s; %s is writing", call.Agent.Name, c, call.Account.Name, what),
		Next:   "Do not repeat this request. If writing is needed, ask the operator for: grant " + c + " write."}
}

// bodyTooLong is the refusal of a body of which the rules would have to know more.
func (call *Call) bodyTooLong() error {
	ref, why := call.about().TooLong()
	call.deed.Unknown(why)
	return ref
}

func (call *Call) about() *denial.About {
	return &denial.About{Agent: call.Agent.Name, Connector: call.Connector.Key, Account: call.Account.Name, Method: call.Method, Path: call.Path}
}

// Does is what the call does, as far as that is known; not where it hangs on a body that
// was not read.
func (call *Call) Does() (does operations.Operation, known bool) {
	if call.deed == nil {
		return call.does, call.Connector != nil
	}
	return call.deed.Sum()
}

// mayStill reports whether rules that are in force now permit a call that is under way.
func (call *Call) mayStill(g *Granted) bool {
	switch {
	case g.Operations == nil && call.deed != nil && call.deed.Reads:
		return true
	case g.Operations == nil:
		return g.Write || !call.writes
	case call.deed == nil: // there were none when it was decided
		return g.Operations.Everything()
	}
	return call.deed.MayStill(g.Operations)
}

// Tables finds the table of operations of a connector; nil for none.
type Tables func(c *providers.Connector) operations.Table
