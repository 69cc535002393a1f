package narrowing

import (
	"strings"
	"testing"
)

func TestRuleHostLengths(t *testing.T) {
	for host, want := range map[string]bool{
		"a": true, "*.a": true, "a-b.c_d": true, "a.": false, "-a": false, "": false, "*.": false, "A": false, "::1": true, "1.2.3.4": true,
		strings.Repeat("a", 252): true, strings.Repeat("a", 253): false, "*." + strings.Repeat("a", 252): true, "*." + strings.Repeat("a", 253): false,
	} {
		if got := isRuleHost(host); got != want {
			t.Errorf("%.20q of %d bytes: %v, want %v", host, len(host), got, want)
		}
	}
}
