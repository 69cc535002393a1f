package connect

import (
	"testing"

	"github.com/attache-proxy/attache/providers"
)

// TestMadeUpFits: an account in test mode needs no field of any connector of the
// catalogue.
func TestMadeUpFits(t *testing.T) {
	all, err := providers.CompileAll(providers.BuiltIn(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		for _, o := range c.Options {
			if _, err := Validated(o, TestFields(o, nil)); err != nil {
				t.Errorf("%s, %s: %v", c.Key, o.Name, err)
			}
		}
	}
}

func TestMadeUpText(t *testing.T) {
	for pattern, want := range map[string]string{
		`^(sk|rk)_.+$`: "sk_t", `^[0-9]+:[A-Za-z0-9_-]+$`: "1:t", `^SK[0-9a-f]{3}$`: "SK111", `^xox.+$`: "xoxt", `^[é]{2}x?$`: "éé", `^a\z.`: "",
	} {
		if got := madeUpText(pattern); got != want {
			t.Errorf("madeUpText(%s) = %q, want %q", pattern, got, want)
		}
	}
}
