package resolver

import (
	"net/http"
	"sync/atomic"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/denial"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/operation"
	"github.com/attache-proxy/attache/resolver/rule"
)

// deed is what a call does, where the grant's rules decide on it.
type deed struct {
	head  operation.Head
	rules *rule.Set
	// done is what is known of it; nil while that hangs on the body.
	done atomic.Pointer[rule.Request]
	// asks is the decision that leaves it to a person; nil for none.
	asks atomic.Pointer[rule.Decision]
}

// asking is the decision that leaves the call to a person; nil for none. Nothing may be
// sent before they have said yes.
func (d *deed) asking() *rule.Decision {
	if d == nil {
		return nil
	}
	return d.asks.Load()
}

// waits reports a deed that is known only when the body was read.
func (d *deed) waits() bool { return d != nil && d.done.Load() == nil }

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
	d := &deed{head: h, rules: rules}
	call.deed = d
	request, more := operation.Of(&d.head)
	if more && rules.Everything() && !rules.Learns() {
		more, request.Why = false, "its body was not read, since everything is allowed"
	}
	if more {
		call.onlyReads = false // the body is read as it is, with every field of it
		return nil
	}
	call.onlyReads = call.watched(rules)
	d.done.Store(&request)
	return call.decided(&request)
}

// watched reports a request whose body is looked through for another method: where the
// method on the wire says what it does, and frameworks let a field override it.
func (call *Call) watched(rules *rule.Set) bool {
	switch call.methods[0] {
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		return false
	}
	return !rules.Everything()
}

// judgeBody decides by the rules when the body is here, in memory of the agent.
func (call *Call) judgeBody(body []byte, of *limit.Agent) error {
	need := 4 * int64(len(body)) // what is decoded of it, and what readers of JSON and GraphQL keep
	if !of.Take(limit.Memory, need) {
		return &limit.FullError{Kind: limit.Memory}
	}
	defer of.Give(limit.Memory, need)
	request := operation.With(&call.deed.head, body)
	call.deed.done.Store(&request)
	return call.decided(&request)
}

func (call *Call) decided(request *rule.Request) error {
	d := call.deed.rules.Decide(request)
	switch {
	case d.Allowed:
		return nil
	case d.Ask != nil:
		call.deed.asks.Store(&d)
		return nil
	}
	return call.about().Of(d, request.Why)
}

// unread lets a request pass whose body is not read although its grant learns: it is long,
// or nobody says how long, and what learns holds nothing up.
func (call *Call) unread(length int64) bool {
	d := call.deed
	if !d.waits() || !d.rules.Everything() || length >= 0 && length <= operation.MaxBody {
		return false
	}
	d.done.Store(&rule.Request{Methods: call.methods, Path: call.Path, Why: "its body was not read, since everything is allowed"})
	return true
}

// bodyTooLong is the refusal of a body of which the rules would have to know more.
func (call *Call) bodyTooLong() error {
	ref, why := call.about().TooLong()
	call.deed.done.Store(&rule.Request{Methods: call.methods, Path: call.Path, Why: why})
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
	request := call.deed.done.Load()
	if request == nil {
		return does, false
	}
	return request.Sum(), true
}

// mayStill reports whether rules that are in force now permit a call that is under way.
func (call *Call) mayStill(g *Granted) bool {
	switch {
	case g.Operations == nil:
		return g.Write || !call.writes
	case call.deed == nil: // there were none when it was decided
		return g.Operations.Everything()
	}
	request := call.deed.done.Load()
	if request == nil {
		return true
	}
	d := g.Operations.Decide(request)
	return d.Allowed || d.Ask != nil && call.deed.asking() != nil // it waits for a person, or they have said yes
}

// Tables finds the table of operations of a connector; nil for none.
type Tables func(c *providers.Connector) operations.Table
