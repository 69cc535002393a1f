package providers_test

import (
	"cmp"
	"maps"
	"slices"
	"testing"

	"github.com/attache-proxy/attache/providers"
)

// atLeast is what of the catalogue was reached, so that it is not lost again.
var atLeast = map[string]int{
	"connectors":                          911,
	"have an identity":                    452,
	"have environments":                   134,
	"were checked on a day that they say": 564,
	"say what reads besides GET, or what of it does not read": 139,
}

// What the catalogue holds, counted; docs/connectors.md says what the words mean.
func TestNumbers(t *testing.T) {
	count := map[string]int{}
	add := func(what string, yes bool) {
		n := 0
		if yes {
			n = 1
		}
		count[what] += n
	}
	var untold []string
	for _, c := range catalogue(t) {
		tells, identity := false, c.Identity != (providers.IdentityDef{})
		for _, o := range c.Options {
			test := c.TestOf(o)
			if test == nil {
				t.Errorf("%s: option %s has no test, and does not say why (test: {none: …})", c.Key, o.Name)
				continue
			}
			add("options", true)
			add("options with scopes to choose from", len(o.ScopeList) > 0)
			add("options that say why they have no test", test.None != "")
			tells = tells || test.None == "" && test.Tells()
			identity = identity || c.IdentityFor(o) != providers.IdentityDef{}
			if test.None == "" && !test.Tells() {
				untold = append(untold, c.Key+"/"+o.Name)
			}
		}
		add("connectors", true)
		add("have a test that a made-up key fails", tells)
		add("have an identity", identity)
		add("have one option", len(c.Options) == 1)
		add("have environments", len(c.Environments) > 0)
		add("were checked on a day that they say", !c.Checked.IsZero())
		add("have something that ends", len(c.Ends) > 0)
		add("say what reads besides GET, or what of it does not read", len(c.Access.Read)+len(c.Access.Write)+len(c.Access.Query) > 0 || c.Access.OnlyListed)
		add("take nothing for reading that is not listed", c.Access.OnlyListed)
	}
	for _, what := range slices.SortedFunc(maps.Keys(count), func(a, b string) int { return cmp.Or(count[b]-count[a], cmp.Compare(a, b)) }) {
		t.Logf("%4d %s", count[what], what)
		if count[what] < atLeast[what] {
			t.Errorf("%d connectors %s, and it were %d", count[what], what, atLeast[what])
		}
	}
	t.Logf("it is not known what a made-up key gets at %v", untold)
	if told := count["have a test that a made-up key fails"] * 100 / max(1, count["connectors"]); told < 85 {
		t.Errorf("a made-up key fails the test of %d in 100 connectors, want 85", told)
	}
}
