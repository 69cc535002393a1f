package providers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers"
)

// What every replica reads and compiles stays short, also where aliases make
// much of little.
func TestParseBoundsLengths(t *testing.T) {
	const head = "key: big\nhosts: [big.example]\nbase_url: https://big.example\nauth: {token: {type: credentials, fields: {a: {title: A}}, sign: {header: {X-A: \""
	aliases := "key: big\nx0: &x0 [a, a]\n"
	for i := range 40 {
		aliases += fmt.Sprintf("x%d: &x%d [*x%d, *x%d]\n", i+1, i+1, i, i)
	}
	for name, tt := range map[string]struct{ src, want string }{
		"a long file":        {head + strings.Repeat("x", 64<<10) + "\"}}}}", "at most 64 KiB"},
		"many expressions":   {head + strings.Repeat("{1+1}", 4<<10) + "\"}}}}", "line 4: the expressions and aliases of a connector have at most 16 KiB"},
		"aliases":            {aliases, "the expressions and aliases of a connector have at most 16 KiB"},
		"an alias of itself": {"key: &a [*a]\n", ""},
	} {
		start := time.Now()
		_, err := providers.Parse("big.yaml", []byte(tt.src))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse of %s = %.200v, want %s", name, err, tt.want)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("Parse of %s took %v", name, took)
		}
	}
}
