// Package reach compares what two sets of rules permit.
package reach

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/rule"
)

// Verdict is what rules say to a request; more is greater.
type Verdict uint8

// The verdicts.
const (
	Refused Verdict = iota
	Asked
	Permitted
)

var verdicts = [...]string{"refused", "asked", "permitted"}

func (v Verdict) String() string { return verdicts[v] }

// Change is a kind of request to which two sets say different things.
type Change struct {
	// Does is the operation's name, or a method and a path, for one that has no name.
	Does string
	// Effects are those of the operations that it is about; nil is any.
	Effects []string
	// Resources are those it is about; nil is any.
	Resources []string
	Was, Is   Verdict
	// Rule is the text of the new set's rule that decides; empty where none matches.
	Rule string
}

// Adds reports that more is permitted than was.
func (c *Change) Adds() bool { return c.Is > c.Was }

// Diff is what the change from one set to another does: what it adds first. It goes through all operations that are known, and what the
// patterns of both sets are about; no finite list has everything that globs may match.
func Diff(was, is *rule.Set, known []operations.Operation) []Change {
	t := table{of: map[key]*cell{}, tried: map[string]map[string]bool{}}
	probes := rule.Probes([]*rule.Set{was, is}, known)
	cases := supposed(append(was.Conditions(), is.Conditions()...))
	for i := range probes {
		for _, assume := range cases {
			probes[i].Assume = assume
			t.add(&probes[i], was, is)
		}
	}
	return t.changes()
}

// key is what a change is about, but for the effects and the resources.
type key struct {
	does, rule string
	was, is    Verdict
}

type cell struct{ effects, resources map[string]bool }

type table struct {
	of map[key]*cell
	// tried are, by what is done, all effects and resources that were looked at.
	tried map[string]map[string]bool
}

func (t *table) add(r *rule.Request, was, is *rule.Set) {
	a, b := was.Decide(r), is.Decide(r)
	does, effect, resource := label(r)
	if t.tried[does] == nil {
		t.tried[does] = map[string]bool{}
	}
	t.tried[does]["effect:"+effect.String()], t.tried[does]["on "+resource] = true, true
	k := key{does, b.Rule, verdict(a), verdict(b)}
	if k.was == k.is {
		return
	}
	if t.of[k] == nil {
		t.of[k] = &cell{map[string]bool{}, map[string]bool{}}
	}
	t.of[k].effects[effect.String()], t.of[k].resources[cmp.Or(resource, "none")] = true, true
}

func (t *table) changes() (out []Change) {
	for k, c := range t.of {
		change := Change{Does: k.does, Was: k.was, Is: k.is, Rule: k.rule}
		effects, resources := 0, 0
		for what := range t.tried[k.does] {
			if strings.HasPrefix(what, "effect:") {
				effects++
			} else {
				resources++
			}
		}
		if len(c.effects) < effects || effects == 1 {
			change.Effects = slices.Sorted(maps.Keys(c.effects))
		}
		if len(c.resources) < resources {
			change.Resources = slices.Sorted(maps.Keys(c.resources))
		}
		out = append(out, change)
	}
	slices.SortFunc(out, func(a, b Change) int {
		added := func(c *Change) int { return map[bool]int{true: 0, false: 1}[c.Adds()] }
		return cmp.Or(added(&a)-added(&b), cmp.Compare(a.Does, b.Does), cmp.Compare(a.Rule, b.Rule), slices.Compare(a.Effects, b.Effects), slices.Compare(a.Resources, b.Resources))
	})
	return out
}

func verdict(d rule.Decision) Verdict {
	switch {
	case d.Allowed:
		return Permitted
	case d.Ask != nil:
		return Asked
	}
	return Refused
}

func label(r *rule.Request) (does string, effect operations.Effect, resource string) {
	switch {
	case len(r.Does) == 0:
		return r.Methods[0] + " " + r.Path + ", not known what it does", operations.Unknown, ""
	case r.Does[0].Name != "":
		return r.Does[0].Name, r.Does[0].Effect, r.Does[0].Resource
	case r.Path != "/":
		return strings.Join(r.Methods, " ") + " " + r.Path, r.Does[0].Effect, ""
	}
	return "anything without a name", r.Does[0].Effect, r.Does[0].Resource
}

// assumption answers conditions.
type assumption = func(when string, allows bool) (bool, error)

// maxConditions is of how many conditions all cases are gone through.
const maxConditions = 5

// supposed are the cases that conditions make: each may hold, or not, or not be known. Of
// many only these are looked at: that all are the same, and each by itself.
func supposed(conditions []string) (cases []assumption) {
	slices.Sort(conditions)
	conditions = slices.Compact(conditions)
	if len(conditions) == 0 {
		return []assumption{nil}
	}
	if len(conditions) > maxConditions {
		return many(conditions)
	}
	n := 1
	for range conditions {
		n *= 3
	}
	for i := range n {
		answers := map[string]int{}
		for _, c := range conditions {
			answers[c] = i % 3
			i /= 3
		}
		cases = append(cases, answered(answers))
	}
	return cases
}

func many(conditions []string) (cases []assumption) {
	for rest := range 3 {
		for _, one := range conditions {
			for its := range 3 {
				answers := map[string]int{}
				for _, c := range conditions {
					answers[c] = rest
				}
				answers[one] = its
				cases = append(cases, answered(answers))
			}
		}
	}
	return cases
}

// answered answers each condition as its number says: 0 it does not hold, 1 it does, 2 it is
// not known.
func answered(answers map[string]int) assumption {
	return func(when string, allows bool) (bool, error) {
		if answers[when] == 2 {
			return rule.AtWorst(when, allows)
		}
		return answers[when] == 1, nil
	}
}
