package rule

import (
	"net/http"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/rule/condition"
)

// Request is what is known of a request.
type Request struct {
	// Methods are the method on the wire and those that override it.
	Methods []string
	// Path is escaped, as on the wire; Unclear says that services may read it in
	// different ways.
	Path    string
	Unclear bool
	Upgrade bool
	// Does is what it does: all of it must be permitted. None means that it is not
	// known, and Why says why.
	Does []Does
	Why  string
	// Query is raw, and Body what is in the body; of both only conditions want to know.
	// A nil Body is one that is not known.
	Query string
	Body  *condition.Document
	// Assume answers conditions in their place: with what is only supposed. Nil means
	// that they are evaluated.
	Assume func(when string, allows bool) (holds bool, err error)
}

// Does is one of the operations of a request.
type Does struct {
	operations.Operation
	// Also is the name by which the connector's table has the same operation, of one that
	// another protocol names: mutation mergePullRequest is also pulls/merge. Empty for none.
	Also string
	// Unsure says that the operation may have another name, which is not known here: a
	// request that is not in the connector's table.
	Unsure bool
	// Args are the arguments that it is given; nil where they are not known.
	Args *condition.Document
}

// Decision is what rules come to.
type Decision struct {
	Allowed bool
	// Ask says that a person decides, and how they are asked; nil where they do not.
	Ask *Asking
	// Unknown says that it is refused because what it does is not known.
	Unknown bool
	// Rule is the text of the rule that decided, and Number which it is, from 1; empty
	// and 0 where none matched.
	Rule   string
	Number int
	// Operation is which one was refused, of a request that is several.
	Operation operations.Operation
	// Failed says why it is not known whether the condition of the rule holds; empty
	// where it is. Near is the first rule that would have allowed it, had its condition
	// held.
	Failed, Near string
	// When is the rule's condition; empty for none.
	When string
}

// verdict is whether a rule's pattern is of a request.
type verdict uint8

const (
	no verdict = iota
	perhaps
	yes
)

// Everything reports that the rules permit every request, whatever it does.
func (s *Set) Everything() bool { return s != nil && s.everything }

// Learns reports rules under which what is permitted is read for the audit, as far as that
// holds nothing up.
func (s *Set) Learns() bool { return s != nil && s.learns }

// Decide judges a request.
func (s *Set) Decide(r *Request) Decision {
	if s == nil {
		return Decision{}
	}
	if len(r.Does) == 0 {
		return s.decide(r, nil)
	}
	var d, asked Decision
	for i := range r.Does {
		d = s.decide(r, &r.Does[i])
		switch {
		case d.Allowed:
		case d.Ask == nil:
			return d
		case asked.Ask == nil || d.Ask.Wait < asked.Ask.Wait:
			asked = d
		}
	}
	if asked.Ask != nil {
		return asked
	}
	return d
}

// decide judges one of the operations; nil is one that is not known.
func (s *Set) decide(r *Request, does *Does) Decision {
	var d Decision
	if does != nil {
		d.Operation = does.Operation
	}
	d.Unknown = does == nil
	for i := range s.rules {
		rule := &s.rules[i]
		v := rule.matches(r, does)
		if v == no || rule.allow && v == perhaps {
			continue
		}
		failed := ""
		if rule.when != nil {
			var held verdict
			if held, failed = rule.holds(r, does); held == no || rule.allow && held == perhaps {
				if rule.allow && d.Near == "" {
					d.Near = rule.text
				}
				continue
			}
		}
		if j, why := s.overruled(i, r, does); j >= 0 {
			i, v, rule, failed = j, yes, &s.rules[j], why
		}
		d.Rule, d.Number, d.Failed, d.Near = rule.text, i+1, failed, ""
		d.Allowed = rule.allow
		d.Unknown = v == perhaps
		d.When = ""
		if rule.when != nil {
			d.When = rule.when.String()
		}
		if v == yes || does != nil { // a person sees what is sent, but not what nobody could read
			d.Ask = rule.asks
		}
		return d
	}
	return d
}

func (p *rule) matches(r *Request, does *Does) verdict {
	best := no
	for i := range p.patterns {
		if best = max(best, p.patterns[i].matches(r, does, p.allow)); best == yes {
			break
		}
	}
	if len(p.resources) == 0 || best == no {
		return best
	}
	return min(best, p.on(does))
}

// on compares the resource. Services differ in whether case matters, so a rule that
// denies is for every case.
func (p *rule) on(does *Does) verdict {
	switch {
	case does == nil || does.Resource == "":
		return perhaps
	case slices.ContainsFunc(p.resources, func(glob string) bool { return fits(glob, does.Resource) }):
		return yes
	case !p.allow && slices.ContainsFunc(p.resources, func(glob string) bool {
		return fits(strings.ToLower(glob), strings.ToLower(does.Resource))
	}):
		return yes
	}
	return no
}

func (p *pattern) matches(r *Request, does *Does, allow bool) verdict {
	switch p.kind {
	case everything:
		return yes
	case upgrade:
		return when(r.Upgrade)
	case byPath:
		return p.onPath(r, allow)
	}
	if does == nil {
		return perhaps
	}
	switch p.kind {
	case byEffect:
		if does.Effect == operations.Unknown && p.effect != operations.Unknown {
			return perhaps
		}
		return when(does.Effect == p.effect)
	case changes:
		if does.Effect == operations.Unknown {
			return perhaps
		}
		return when(does.Effect != operations.Read)
	}
	if p.names(does.Name, allow) || p.names(does.Also, allow) {
		return yes
	}
	if does.Unsure {
		return perhaps
	}
	return no
}

// names reports that a pattern is for a name; what denies is, in either case.
func (p *pattern) names(name string, allow bool) bool {
	if name == "" || allow || fits(p.name, name) {
		return name != "" && fits(p.name, name)
	}
	lower := strings.ToLower(name)
	return (lower != name || p.lower != p.name) && fits(p.lower, lower)
}

// onPath compares method and path. What allows must be of all the methods that the request
// may be taken for, and says nothing of an upgrade; what denies, of any.
func (p *pattern) onPath(r *Request, allow bool) verdict {
	of := func(m string) bool {
		return p.method == "*" || p.method == m || p.method == http.MethodGet && m == http.MethodHead || !allow && strings.EqualFold(p.method, m)
	}
	if !allow {
		if r.Unclear {
			return perhaps
		}
		return when(slices.ContainsFunc(r.Methods, of) && p.path.Touches(r.Path))
	}
	return when(!r.Unclear && !r.Upgrade && len(r.Methods) > 0 && !slices.ContainsFunc(r.Methods, func(m string) bool { return !of(m) }) && p.path.Matches(r.Path))
}

func when(is bool) verdict {
	if is {
		return yes
	}
	return no
}

// reading stands before the rules of a grant that is for reading.
var reading = rule{text: OnlyReads, patterns: []pattern{{kind: changes}}}

// Reading is what a grant for reading is that has no rules.
func Reading() *Set { return readings }

var readings = &Set{rules: []rule{reading, {text: "allow read", allow: true, patterns: []pattern{{kind: byEffect, effect: operations.Read}}}}}

// OnlyReading is the set with everything denied that is not reading.
func (s *Set) OnlyReading() *Set {
	set := &Set{rules: append([]rule{reading}, s.rules...)}
	if s.lastDeny > 0 {
		set.lastDeny = s.lastDeny + 1
	}
	return set
}

// And joins the names of several operations of one request.
const And = " + "

// Sum is what the request does, as one operation: names joined by And, the gravest effect,
// and the resource that all of them are done to.
func (r *Request) Sum() operations.Operation {
	if len(r.Does) == 0 {
		return operations.Operation{}
	}
	sum := r.Does[0].Operation
	if len(r.Does) == 1 {
		return sum
	}
	var names []string
	for _, d := range r.Does {
		if d.Name != "" && !slices.Contains(names, d.Name) {
			names = append(names, d.Name)
		}
		if d.Resource != sum.Resource {
			sum.Resource = ""
		}
		if sum.Effect != operations.Unknown && (d.Effect == operations.Unknown || d.Effect > sum.Effect) {
			sum.Effect = d.Effect
		}
	}
	sum.Name = strings.Join(names, And)
	return sum
}
