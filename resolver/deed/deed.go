// Package deed is what a request does, where the rules of a grant decide on it: by its head,
// or once its body is here.
package deed

import (
	"net/http"
	"sync/atomic"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/operation"
	"github.com/attache-proxy/attache/resolver/rule"
	"github.com/attache-proxy/attache/resolver/tool"
)

// Deed is what a call does. A nil Deed is of one on which no rules decide.
type Deed struct {
	Head  operation.Head
	Rules *rule.Set
	// Reads says that the grant has no rules, and is for reading.
	Reads bool
	// done is what is known of it; nil while that hangs on the body.
	done atomic.Pointer[rule.Request]
	// head is what its head says, where only conditions want to know its body.
	head *rule.Request
	// tools are what is known of the server's, where it is one of MCP.
	tools map[string]tool.State
	// asks is the decision that leaves it to a person; nil for none.
	asks atomic.Pointer[rule.Decision]
}

// New is a deed of which the head is known. Where what it does, or what a rule wants to
// know, stands in its body, it waits for that.
func New(h operation.Head, rules *rule.Set) *Deed {
	d := &Deed{Head: h, Rules: rules}
	d.Head.Keeps = rules.Conditional()
	request, more := operation.Of(&d.Head)
	switch {
	case more && rules.Everything() && !rules.Learns():
		request.Why = "its body was not read, since everything is allowed"
	case more:
		return d
	case rules.Needs(&request):
		d.head = &request
		return d
	}
	d.done.Store(&request)
	return d
}

// Asking is the decision that leaves it to a person; nil for none. Nothing may be sent
// before they have said yes.
func (d *Deed) Asking() *rule.Decision {
	if d == nil {
		return nil
	}
	return d.asks.Load()
}

// Waits reports a deed that is known only when the body was read.
func (d *Deed) Waits() bool { return d != nil && d.done.Load() == nil }

// ByMethod reports that the method on the wire says what it does, so that a body is looked
// through for another, which frameworks let a field override.
func (d *Deed) ByMethod(method string) bool {
	switch method {
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		return false
	}
	return !d.Rules.Everything() && (!d.Waits() || d.head != nil)
}

// Body reads what it does from the body, in memory of the agent.
func (d *Deed) Body(body []byte, of *limit.Agent) error {
	need := 4 * int64(len(body)) // what is decoded of it, and what readers of JSON and GraphQL keep
	if !of.Take(limit.Memory, need) {
		return &limit.FullError{Kind: limit.Memory}
	}
	defer of.Give(limit.Memory, need)
	if d.head == nil {
		request := operation.With(&d.Head, body)
		for i := range request.Does {
			d.hinted(&request.Does[i])
		}
		d.done.Store(&request)
		return nil
	}
	request := *d.head
	request.Body = operation.Body(&d.Head, body)
	d.done.Store(&request)
	return nil
}

// Long takes a body as one that is not read: where only conditions want to know it, and
// it is known to be too long for them. It reports whether that is so.
func (d *Deed) Long(length int64) bool {
	if d == nil || d.head == nil || length <= operation.MaxBody || !d.Waits() {
		return false
	}
	request := *d.head
	request.Body = operation.TooLong()
	d.done.Store(&request)
	return true
}

// Unread lets a request pass whose body is not read although its grant learns: it is long,
// or nobody says how long, and what learns holds nothing up.
func (d *Deed) Unread(length int64) bool {
	if !d.Waits() || !d.Rules.Everything() || length >= 0 && length <= operation.MaxBody {
		return false
	}
	d.Unknown("its body was not read, since everything is allowed")
	return true
}

// Unknown settles that it is not known, and why.
func (d *Deed) Unknown(why string) {
	d.done.Store(&rule.Request{Methods: d.Head.Methods, Path: d.Head.Path, Query: d.Head.Query, Why: why})
}

// Decide decides by the rules, and remembers where a person has to.
func (d *Deed) Decide() rule.Decision {
	said := d.Rules.Decide(d.done.Load())
	if !said.Allowed && said.Ask != nil {
		d.asks.Store(&said)
	}
	return said
}

// Done is what is known of it; nil while that hangs on the body.
func (d *Deed) Done() *rule.Request {
	if d == nil {
		return nil
	}
	return d.done.Load()
}

// Sum is what it does, as one operation, as far as that is known.
func (d *Deed) Sum() (does operations.Operation, known bool) {
	request := d.Done()
	if request == nil {
		return does, false
	}
	return request.Sum(), true
}

// MayStill reports whether rules that are in force now permit it.
func (d *Deed) MayStill(rules *rule.Set) bool {
	request := d.Done()
	if request == nil {
		return true
	}
	said := rules.Decide(request)
	return said.Allowed || said.Ask != nil && d.Asking() != nil // it waits for a person, or they have said yes
}
