package resolver_test

import (
	"testing"

	"github.com/attache-proxy/attache/resolver"
)

func TestParseTarget(t *testing.T) {
	for in, want := range map[string]string{
		"api.example.com":                      "api.example.com:443",
		"API.Example.COM.":                     "api.example.com:443",
		"api.example.com:8443":                 "api.example.com:8443",
		"api.example.com:0443":                 "api.example.com:443",
		"bücher.example":                       "xn--bcher-kva.example:443",
		"xn--bcher-kva.example":                "xn--bcher-kva.example:443",
		"under_score.example":                  "under_score.example:443",
		"127.0.0.1:80":                         "127.0.0.1:80",
		"[2001:DB8::1]:8080":                   "[2001:db8::1]:8080",
		"[::ffff:127.0.0.1]":                   "127.0.0.1:443",
		"localhost":                            "localhost:443",
		"EXAMPLE。com":                          "example.com:443",
		"":                                     "",
		"a b.example":                          "",
		"user@api.example.com":                 "",
		"user:pw@api.example.com":              "",
		"api.example.com:":                     "",
		"api.example.com:0":                    "",
		"api.example.com:65536":                "",
		"api.example.com:http":                 "",
		"api.example.com:-1":                   "",
		"api.example.com:80:80":                "",
		"api..example":                         "",
		".api.example":                         "",
		"[fe80::1%eth0]:80":                    "",
		"[::1":                                 "",
		"::1":                                  "",
		"2130706433":                           "",
		"0x7f000001":                           "",
		"127.1":                                "",
		"0177.0.0.1":                           "",
		"api.example.com/evil":                 "",
		`api.example.com\@evil`:                "",
		"api.example.com%2eevil":               "",
		"api.example.com\x00.evil":             "",
		"ｅｘａｍｐｌｅ.com":                          "example.com:443",
		"api.example.com#x":                    "",
		"api.example.com?x":                    "",
		"-odd.example":                         "-odd.example:443",
		"１２７.0.0.1":                            "",
		"１２７.1":                                "",
		"api.example.com..":                    "",
		"xn--ls8h.example":                     "xn--ls8h.example:443",
		"very-long-" + label(60):               "",
		label(63) + ".example":                 label(63) + ".example:443",
		"*.example.com":                        "",
		"api.example.com:443 ":                 "",
		"[2001:db8::1]x:80":                    "",
		"[127.0.0.1]:80":                       "127.0.0.1:80",
		"api.example.com:99999999999999999999": "",
	} {
		got := ""
		target, err := resolver.ParseTarget(in, "443")
		if err == nil {
			got = target.JoinHostPort()
		}
		if got != want {
			t.Errorf("ParseTarget(%q) = %q (%v), want %q", in, got, err, want)
		}
	}
	if _, err := resolver.ParseTarget("api.example.com", ""); err == nil {
		t.Errorf("ParseTarget without port and default = nil error, want one")
	}
}

func label(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a'
	}
	return string(b)
}

func TestAuthority(t *testing.T) {
	for _, c := range []struct {
		in    resolver.Target
		https bool
		want  string
	}{
		{resolver.Target{Host: "a.example", Port: "443"}, true, "a.example"},
		{resolver.Target{Host: "a.example", Port: "80"}, false, "a.example"},
		{resolver.Target{Host: "a.example", Port: "80"}, true, "a.example:80"},
		{resolver.Target{Host: "a.example", Port: "8443"}, true, "a.example:8443"},
		{resolver.Target{Host: "2001:db8::1", Port: "443"}, true, "[2001:db8::1]"},
	} {
		if got := c.in.Authority(c.https); got != c.want {
			t.Errorf("Authority(%+v, %v) = %q, want %q", c.in, c.https, got, c.want)
		}
	}
}
