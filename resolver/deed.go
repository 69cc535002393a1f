package resolver

import (
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/operations"
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
	if more && rules.Everything() {
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
	if d.Allowed {
		return nil
	}
	return call.denied(d, request.Why)
}

// bodyTooLong is the refusal of a body of which the rules would have to know more.
func (call *Call) bodyTooLong() error {
	request := rule.Request{Methods: call.methods, Path: call.Path, Why: fmt.Sprintf("its body is longer than %d KiB", operation.MaxBody>>10)}
	call.deed.done.Store(&request)
	return call.denied(rule.Decision{Unknown: true}, request.Why)
}

// denied is the refusal of what rules do not allow.
func (call *Call) denied(d rule.Decision, why string) error {
	about := fmt.Sprintf("agent %s, connector %s, account %s: ", call.Agent.Name, call.Connector.Key, call.Account.Name)
	by := "no rule of the grant allows it"
	if d.Number > 0 {
		by = fmt.Sprintf("rule %d of the grant decides, %s", d.Number, d.Rule)
	}
	ref := &Refusal{Code: "operation_denied", Operation: d.Operation.Name, Rule: d.Rule}
	what := call.Method + " " + call.Path
	if d.Operation.Name != "" {
		what = d.Operation.Name
	}
	switch {
	case why != "":
		ref.Code, ref.Next = "operation_unknown", "Send the request in the plain form that the service's documentation has, or ask the operator."
		ref.Detail = about + "what the request does is not known: " + why + "; " + by
	case d.Unknown:
		ref.Code, ref.Next = "operation_unknown", "Do not repeat this request. Ask the operator for a rule that names it: "+call.smallest(d)+"."
		ref.Detail = about + what + " (" + d.Operation.Effect.String() + ") cannot be compared with a rule; " + by
	default:
		ref.Detail = about + what + " (" + d.Operation.Effect.String() + ") is not allowed; " + by
		ref.Next = "Do not repeat this request, and do not try another way. If it is needed, ask the operator for the rule: " + call.smallest(d) + "."
	}
	return ref
}

// smallest is the smallest rule that would permit what was refused.
func (call *Call) smallest(d rule.Decision) string {
	what := []string{"allow", d.Operation.Name}
	if d.Operation.Name == "" {
		what = []string{"allow", call.Method, call.Path}
	}
	if d.Operation.Resource != "" {
		what = append(what, "on", d.Operation.Resource)
	}
	return rule.Line(what)
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
	return request == nil || g.Operations.Decide(request).Allowed
}

// Tables finds the table of operations of a connector; nil for none.
type Tables func(c *providers.Connector) operations.Table
