package resolver_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/resolver"
)

// Whatever stands in Host: it is refused, or it has one normal form, which is
// its own normal form and holds nothing that a URL could read otherwise.
func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"", "api.example.com", "API.Example.COM.:0443", "bücher.example", "xn--bcher-kva.example", "[2001:DB8::1]:8080", "[::ffff:127.0.0.1]", "[fe80::1%eth0]",
		"127.1", "0x7f.1:80", "2130706433", "a@b", "a:b:c", "a..b", ".", "-", "a.b:65536", "１２７.０.０.１", "a%2eb", "a/b", "a\\b", "a b", "a\x00b", "_dmarc.example:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, authority string) {
		got, err := resolver.ParseTarget(authority, "443")
		if err != nil {
			return
		}
		again, err := resolver.ParseTarget(got.JoinHostPort(), "")
		if err != nil || again != got {
			t.Errorf("ParseTarget(%q) = %v; that again = %v, %v", authority, got, again, err)
		}
		if strings.ContainsAny(got.Host, "@/\\%?# \x00\r\n") || got.Host == "" || got.Host != strings.ToLower(got.Host) {
			t.Errorf("ParseTarget(%q) = %q: no host to dial", authority, got.Host)
		}
	})
}
