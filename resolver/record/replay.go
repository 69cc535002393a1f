package record

import (
	"cmp"
	"slices"

	"github.com/attache-proxy/attache/resolver/rule"
)

// Verdict is what rules would have made of calls of one kind.
type Verdict struct {
	Call
	// Allowed says that they would have been sent.
	Allowed bool
	// Asked says that a person would have been asked.
	Asked bool
	// Changed says that it was not so: what was sent would be refused, or what our
	// rules refused would be sent.
	Changed bool
	// Hangs says that it hangs on conditions on what was in the calls, which is not
	// recorded: they are taken for the stricter.
	Hangs bool
	// Rule is the text of the rule that decides; empty where none matches.
	Rule   string
	Number int
	Label  string
}

// Replay tries rules on what was called: first what they would refuse although it was
// sent, then what they would permit although it was refused, or ask about, then the rest, each in the
// order of how often. Refusals that no rule decides on are left out.
func Replay(rules *rule.Set, calls []Call) []Verdict {
	var out []Verdict
	for _, c := range calls {
		if c.Code != "" && !c.ruled() && !c.asked() {
			continue
		}
		r, hangs := c.request(), false
		r.Assume = func(when string, allows bool) (bool, error) { hangs = true; return rule.AtWorst(when, allows) }
		d := rules.Decide(r)
		v := Verdict{Call: c, Hangs: hangs, Allowed: d.Allowed, Asked: d.Ask != nil, Rule: d.Rule, Number: d.Number, Label: c.label()}
		v.Changed = d.Allowed != (c.Code == "") && (!v.Asked || !c.asked())
		out = append(out, v)
	}
	slices.SortStableFunc(out, func(a, b Verdict) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), -cmp.Compare(a.Count, b.Count), cmp.Compare(a.Label, b.Label))
	})
	return out
}

func rank(v Verdict) int {
	switch {
	case v.Changed && !v.Allowed:
		return 0
	case v.Changed:
		return 1
	}
	return 2
}
