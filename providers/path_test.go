package providers_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
)

// A path that services may read in different ways has no normal form; escapes
// of one and the same path have one.
func TestNormalPath(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "/v1/a-b_c.d/e~f": "/v1/a-b_c.d/e~f", "/v1/%73earch": "/v1/search", "/v1/%E6%97%A5": "/v1/日", "/a%20b": "/a b", "/50%25": "/50%", "/100%25-x": "/100%-x",
		"/p/g%2Fn": `/p/g\n`, "/p/g%2fn/": `/p/g\n/`, "/x:y,z@w=1": "/x:y,z@w=1", "/a.b/c..d": "/a.b/c..d",
	} {
		if got, err := providers.NormalPath(path); err != nil || got != want {
			t.Errorf("NormalPath(%q) = %q, %v; want %q", path, got, err, want)
		}
	}
	for _, path := range []string{
		"", "*", "v1", "/a/../b", "/a/./b", "/..", "/.", "/a/..", "/a/%2e%2e/b", "/a/.%2E/b", "/a/%2e/b", // dot segments
		"/a/%252e%252e/b", "/a/%25%32%65/b", "/a/..%2fb", "/a%2f..%2fb", "/a/..%5cb", // encoded twice, or with encoded slashes
		`/a\b`, "/a%5cb", "/a%255cb", "/a%252fb", "/a%u002fb", "/a%u2215b", "/a/%25u002e/b", // backslashes, IIS's escapes
		"/a%00", "/a%00.json", "/a%0ab", "/a%0d%0ab", "/a%09", "/a%7f", "/a%20/b", "/%20a", "/a/%2e%2e%20/b", // controls, white space
		"/a;b", "/a;b=c/d", "/a%3bb", "/a/..;/b", "/a%3fb", "/a%23b", // parameters, query and fragment
		"/a/%c0%ae%c0%ae/b", "/a%c0%afb", "/a%e0%80%afb", "/a%f0%80%80%afb", "/a%c1%9cb", "/a%ff", "/a%ed%a0%80", // overlong and other no UTF-8
		"/a/\uff0e\uff0e/b", "/a%ef%bc%8fb", "/%ef%bd%85xec", "/a%ef%bc%bcb", "/a%e2%80%a4%e2%80%a4b", "/a%e2%88%95b", "/a%e2%81%84b", "/a%ef%ac%81", "/%e2%84%aaelvin", "/%c5%bfend", // full width and the like
		"/a%e2%80%8bb", "/a%c2%adb", "/a%ef%bb%bfb", "/a%e2%80%aeb", // not seen
		"/a//b", "//a", "/a/b./c", "/a.", "/a%2f%2fb", "/a%zz", "/a%", "/a%2",
	} {
		if got, err := providers.NormalPath(path); err == nil {
			t.Errorf("NormalPath(%q) = %q, want an error", path, got)
		}
	}
}

func TestPathPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"/v1/*", "/v1/x", true}, {"/v1/*", "/v1/x/y", false}, {"/v1/**", "/v1", true}, {"/v1/**", "/v1/a/b", true}, {"/**", "/", true},
		{"/method/*.get*", "/method/wall.getById", true}, {"/method/*.get*", "/method/wall.post", false}, {"/**/exec", "/a/b/exec", true}, {"/**/exec", "/exec", true}, {"/**/exec", "/a/exec/b", false},
		{"/a/**/b/*/c", "/a/b/b/x/c", true}, {"/a/**/b/*/c", "/a/b/x/d", false}, {"/v1/%73earch", "/v1/search", true}, {"/v1/search", "/v1/%73earch", true},
		{"/p/*/issues", "/p/g%2Fn/issues", false}, {"/p/**", "/p/g%2Fn/issues", true}, {"/p/g%2Fn/issues", "/p/g%2fn/issues", true}, {"/ro/*", "/ro/x%2Fdelete", false},
		{"/v1/models/*:countTokens", "/v1/models/x:countTokens", true}, {"/v1/models/*:countTokens", "/v1/models/x:generate", false},
		{"/ro/**", "/ro/..;/rw", false}, {"/ro/**", "/ro/%252e%252e/rw", false}, {"/ro/**", "/ro/x%00", false},
	} {
		p, err := providers.ParsePath(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Matches(c.path); got != c.want {
			t.Errorf("%s matches %s = %v, want %v", c.pattern, c.path, got, c.want)
		}
	}
	for _, pattern := range []string{"x", "/a/../b", "/a;b", "/a/b**", "/a%2e%2e", "/a//b", "/a%"} {
		if _, err := providers.ParsePath(pattern); err == nil {
			t.Errorf("ParsePath(%q) succeeds", pattern)
		}
	}
	long, err := providers.ParsePath("/**/a*a*a*a*a*a*a*b/**/c")
	if err != nil || long.Matches("/"+strings.Repeat(strings.Repeat("a", 200)+"/", 300)) {
		t.Errorf("a pattern of many stars: %v", err)
	}
}

// Where paths decide, an unclear one belongs to nobody.
func TestIndexUnclear(t *testing.T) {
	x, err := providers.NewIndex([]*providers.Connector{compile(t, withHosts("all", "api.example")), compile(t, withHosts("files", "api.example/files/")), compile(t, withHosts("plain", "plain.example"))})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host, path string
		unclear    bool
	}{
		{"api.example", "/files/x", false}, {"api.example", "/files/g%2Fn", false}, {"api.example", "/files%2Fx", true}, {"api.example", "/x/..%2ffiles/y", true}, {"api.example", "/%2e%2e/files/", true},
		{"api.example", "/files/100%25", false}, {"api.example", "/files/a%2520b", false}, {"api.example", "/files/a%252Fb%25252Fc", false}, {"api.example", "/files%252Fx", true},
		{"api.example", "/files/%252e%252e/x", true}, {"api.example", "/files/%252525252525252e/x", true}, {"api.example", "/%2566iles/x", true}, {"api.example", "/files/%25u002e/x", true}, {"api.example", "/files/a%255cb", true},
		{"api.example", "/files;x/y", true}, {"api.example", "/files/%c0%ae%c0%ae/x", true}, {"api.example", "//files/x", true}, {"plain.example", "/a/../b", false}, {"none.example", "/a/../b", false},
	} {
		if err := x.Unclear("", c.host, "443", c.path); (err != nil) != c.unclear {
			t.Errorf("Unclear(%s%s) = %v, want %v", c.host, c.path, err, c.unclear)
		}
	}
	if es := x.Lookup(nil, "", "api.example", "443", "/%66iles/x"); len(es) == 0 || es[0].Connector.Key != "files" {
		t.Errorf("Lookup of an escaped prefix = %v, want files first", es)
	}
}

// Where a door names the connector, its own hosts' paths decide.
func TestConnectorUnclear(t *testing.T) {
	c := compile(t, withHosts("files", "plain.example", "api.example/files/", "api.example/upload/"))
	for _, tt := range []struct {
		host, path string
		unclear    bool
	}{
		{"plain.example", "/a/../b", false}, {"plain.example", "/a%252e%252e/b", false}, {"api.example", "/files/x", false}, {"api.example", "/files/a%2520b", false},
		{"api.example", "/files/a%2Fb", false}, {"api.example", "/files%2Fa", true}, {"api.example", "/files/../upload/x", true}, {"api.example", "/files/%252e%252e/upload/x", true},
	} {
		if err := c.Unclear(tt.host, "443", tt.path, nil); (err != nil) != tt.unclear {
			t.Errorf("Unclear(%s%s) = %v, want %v", tt.host, tt.path, err, tt.unclear)
		}
	}
}
