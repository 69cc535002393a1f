// Package denial says to an agent what the rules of its grant do not allow, and the
// smallest rule that would.
package denial

import (
	"fmt"

	"github.com/attache-proxy/attache/resolver/operation"
	"github.com/attache-proxy/attache/resolver/refusal"
	"github.com/attache-proxy/attache/resolver/rule"
)

// About is whose request it is, and what for. All are names.
type About struct {
	Agent, Connector, Account string
	// Method is the one that counts; Path is escaped, without query.
	Method, Path string
}

func (a *About) String() string {
	return fmt.Sprintf("agent %s, connector %s, account %s: ", a.Agent, a.Connector, a.Account)
}

// Of is the refusal of what rules do not allow. Why says why it is not known what the
// request does; empty where it is.
func (a *About) Of(d rule.Decision, why string) *refusal.Refusal {
	by := "no rule of the grant allows it"
	switch {
	case d.Number > 0:
		by = fmt.Sprintf("rule %d of the grant decides, %s", d.Number, d.Rule)
	case d.Near != "":
		by += ", and the condition is not met of: " + d.Near
	}
	ref := &refusal.Refusal{Code: "operation_denied", Operation: d.Operation.Name, Rule: d.Rule}
	if why == "" {
		ref.Proposal = a.proposal(d)
	}
	defer a.offer(ref)
	what := a.what(d)
	switch {
	case why != "":
		ref.Code, ref.Next = "operation_unknown", "Send the request in the plain form that the service's documentation has, or ask the operator."
		ref.Detail = a.String() + "what the request does is not known: " + why + "; " + by
	case d.Failed != "":
		ref.Detail = a.String() + what + " (" + d.Operation.Effect.String() + ") is not allowed; whether the condition holds is not known, since " + d.Failed + "; " + by
		ref.Next = "Do not repeat this request, and do not try another way. Ask the operator if it is needed."
	case d.Unknown:
		ref.Code, ref.Next = "operation_unknown", "Do not repeat this request. Ask the operator for a rule that names it: "+a.smallest(d)+"."
		ref.Detail = a.String() + what + " (" + d.Operation.Effect.String() + ") cannot be compared with a rule; " + by
	default:
		ref.Detail = a.String() + what + " (" + d.Operation.Effect.String() + ") is not allowed; " + by
		ref.Next = "Do not repeat this request, and do not try another way. If it is needed, ask the operator for the rule: " + a.smallest(d) + "."
	}
	return ref
}

// what is the operation's name, else method and path.
func (a *About) what(d rule.Decision) string {
	if d.Operation.Name != "" {
		return d.Operation.Name
	}
	return a.Method + " " + a.Path
}

// smallest is the smallest rule that would permit what was refused.
func (a *About) smallest(d rule.Decision) string {
	what := []string{"allow", d.Operation.Name}
	if d.Operation.Name == "" {
		what = []string{"allow", a.Method, a.Path}
	}
	if d.Operation.Resource != "" {
		what = append(what, "on", d.Operation.Resource)
	}
	return rule.Line(what)
}

// Path is where an agent files a proposal, and asks how it stands.
const Path = "/.well-known/attache/proposals"

// proposal is the smallest rule as it may be filed; nil where a rule is not what is
// missing, and where it would be for more than what was refused.
func (a *About) proposal(d rule.Decision) *refusal.Proposal {
	p := rule.Proposal{Name: d.Operation.Name, Resource: d.Operation.Resource}
	if p.Name == "" {
		p = rule.Proposal{Method: a.Method, Path: a.Path}
	}
	line, ok := rule.Smallest(p)
	if !ok || d.Rule == rule.OnlyReads {
		return nil
	}
	return &refusal.Proposal{Rule: line, Connector: a.Connector, Account: a.Account}
}

// offer tells that it may be filed.
func (a *About) offer(ref *refusal.Refusal) {
	if ref.Proposal != nil {
		ref.Next += " The rule may be proposed once: POST " + Path + " with what proposal has, and a reason for people."
	}
}

// Changed is the refusal of a tool that says something else than it did when a person
// looked; nil for an empty name.
func (a *About) Changed(name, host string) error {
	if name == "" {
		return nil
	}
	return &refusal.Refusal{Code: "tool_changed", Operation: "tools/call " + name,
		Detail: a.String() + "the server at " + host + " says something else of the tool " + name + " than it did, so that it is stopped until a person has looked",
		Next:   "Do not repeat this request, and do not do the same in another way. Tell the operator, who may accept it: attache tools list."}
}

// TooLong is the refusal of a body of which the rules would have to know more, and why.
func (a *About) TooLong() (*refusal.Refusal, string) {
	why := fmt.Sprintf("its body is longer than %d KiB", operation.MaxBody>>10)
	return a.Of(rule.Decision{Unknown: true}, why), why
}

// Asked is what would become of a request on which a person decides.
func (a *About) Asked(d rule.Decision) *refusal.Refusal {
	return &refusal.Refusal{Code: "approval_pending", Operation: d.Operation.Name, Rule: d.Rule,
		Detail: a.String() + "a person is asked about " + a.what(d) + " (" + d.Operation.Effect.String() + ") before it is sent; " + fmt.Sprintf("rule %d of the grant decides, %s", d.Number, d.Rule),
		Next:   "Send the request: it waits for the person. Do not try another way."}
}

// Unasked is the refusal where a person would have to decide, and none can be asked.
func (a *About) Unasked(d rule.Decision, why string) *refusal.Refusal {
	ref := a.Of(rule.Decision{Rule: d.Rule, Number: d.Number, Operation: d.Operation}, "")
	ref.Detail += ", and " + why
	return ref
}
