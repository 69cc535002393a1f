package providers_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
)

// FuzzHostPattern: any text is a host pattern or is refused, and a pattern of a
// connector never covers a host outside the domain that it ends with.
func FuzzHostPattern(f *testing.F) {
	for _, s := range [][2]string{{"api.example.com", "api.example.com"}, {"*.example.com", "a.b.example.com"}, {"s3.*.amazonaws.com", "s3.eu-west-1.amazonaws.com"},
		{"*.example.com:8443/v2/", "x.example.com"}, {"http://host", "host"}, {"{fields.host}", "evil.example"}, {"*", "x"}, {"a*.example.com", "ab.example.com"}, {"[::1]", "::1"}} {
		f.Add(s[0], s[1], "/v2/x")
	}
	f.Fuzz(func(t *testing.T, pattern, host, path string) {
		if strings.ContainsAny(pattern, "\"\\\n\r\x00") || len(pattern) > 300 {
			return // would end the YAML's string
		}
		entry := "\"" + pattern + "\""
		if strings.Contains(pattern, "*") {
			entry = "{host: " + entry + ", wildcard: vendor, reason: a test}"
		}
		d, err := providers.Parse("fuzz.yaml", []byte("key: f\nhosts: ["+entry+"]\nauth: {key: {type: credentials, fields: {host: {optional: true}, token: {secret: true}}, sign: bearer}}\n"))
		if err != nil {
			return
		}
		c, err := providers.Compile(d)
		if err != nil {
			return
		}
		x, err := providers.NewIndex([]*providers.Connector{c})
		if err != nil {
			return
		}
		e, ok := lookup(x, host, "443", path)
		if !ok {
			return
		}
		literal := pattern[strings.LastIndexAny(pattern, "*}")+1:]
		if u, err := url.Parse("https://" + strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(literal), "http://"), "https://")); err == nil && literal != "" {
			if end := strings.TrimSuffix(u.Hostname(), "."); !strings.HasSuffix(strings.ToLower(host), end) && !strings.Contains(end, "xn--") && isASCII(end) {
				t.Errorf("the pattern %q covers %q (as %v)", pattern, host, e.Host)
			}
		}
	})
}

func isASCII(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return r > 126 }) < 0 }

// FuzzDotSegments: a path that is not refused means the same to a server that
// decodes it once and cleans it.
func FuzzDotSegments(f *testing.F) {
	for _, s := range []string{"/a/b", "/a/../b", "/%2e%2e/a", "/a/..;x/b", "/a/.%2fb", "/a//b", "/...", "/a/%252e%252e/b", "/%", "/a\\..\\b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if !strings.HasPrefix(path, "/") || providers.DotSegments(path) {
			return
		}
		plain, err := url.PathUnescape(path)
		if err != nil {
			return
		}
		for seg := range strings.SplitSeq(strings.ReplaceAll(plain, "\\", "/"), "/") {
			if seg, _, _ = strings.Cut(seg, ";"); seg == "." || seg == ".." {
				t.Errorf("DotSegments(%q) is false, and it has the segment %q", path, seg)
			}
		}
	})
}
