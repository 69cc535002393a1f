package providers_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/attache-proxy/attache/providers"
)

// What is put lies over what is built in; names that are no key are nothing.
func TestDefinitions(t *testing.T) {
	all, err := providers.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	defs := providers.BuiltIn()
	if got, want := defs.Keys(), slices.Sorted(maps.Keys(all)); !slices.Equal(got, want) {
		t.Errorf("%d keys, want the %d of the catalogue", len(got), len(want))
	}
	for _, key := range []string{"", ".", "..", "nosuch", "../catalog/github", "github.yaml", "GitHub", `a\b`, "github/"} {
		if d, err := defs.Get(key); d != nil || err != nil || defs.Has(key) {
			t.Errorf("Get(%q) = %v, %v; want nothing", key, d, err)
		}
	}
	before, err := defs.Get("github")
	if err != nil || before != all["github"] || !defs.Has("github") {
		t.Fatalf("Get(github) = %v, %v; want the catalogue's", before, err)
	}
	own := &providers.Definition{Key: "github"}
	defs.Put(own)
	if d, _ := defs.Get("github"); d != own || len(defs.Keys()) != len(all) {
		t.Errorf("Get(github) = %v after another was put over it", d)
	}
	if d, _ := providers.BuiltIn().Get("github"); d != before {
		t.Errorf("what one put is there for others: %v", d)
	}
	defs.Remove("github")
	if d, _ := defs.Get("github"); d != before {
		t.Errorf("Get(github) = %v after the other was removed, want the catalogue's", d)
	}
	var none providers.Definitions
	if d, err := none.Get("github"); d != nil || err != nil || none.Has("github") || len(none.Keys()) != 0 {
		t.Errorf("the zero Definitions have %v, %v", d, err)
	}
}
