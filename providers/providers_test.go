package providers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
)

// compile makes a connector of YAML or fails the test.
func compile(t *testing.T, src string) *providers.Connector {
	t.Helper()
	d, err := providers.Parse("test.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	c, err := providers.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lookup is the first entry of a host as an organisation that has no accounts
// but those of the file sees it.
func lookup(x *providers.Index, host, port, path string) (providers.Entry, bool) {
	if es := x.Lookup(nil, "default", host, port, path); len(es) > 0 {
		return es[0], true
	}
	return providers.Entry{}, false
}

// withHosts is a small connector.
func withHosts(key string, hosts ...string) string {
	entries := make([]string, len(hosts))
	for i, h := range hosts {
		if entries[i] = `"` + h + `"`; strings.Contains(h, "*") {
			entries[i] = `{host: "` + h + `", wildcard: vendor, reason: a test}`
		}
	}
	return "key: " + key + "\nhosts: [" + strings.Join(entries, ", ") + "]\n" +
		"auth: {key: {type: credentials, fields: {key: {secret: true}, subdomain: {optional: true}, host: {optional: true}}, token: \"{fields.key}\"}}\n"
}

func TestCatalogCompiles(t *testing.T) {
	defs, err := providers.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	if len(defs) < 25 {
		t.Errorf("the catalogue has %d connectors, want at least 25", len(defs))
	}
	connectors, err := providers.CompileAll(providers.BuiltIn(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := providers.NewIndex(connectors); err != nil {
		t.Error(err)
	}
}

func TestIndexLookup(t *testing.T) {
	var connectors []*providers.Connector
	for _, src := range []string{
		withHosts("exact", "api.example.com"),
		withHosts("wild", "*.example.com"),
		withHosts("deep", "*.deep.example.com"),
		withHosts("pathed", "api.example.com/v2/"),
		withHosts("ported", "api.example.com:8443"),
		withHosts("tenant", "{fields.subdomain}.tenant.example"),
		withHosts("s3", "s3.*.amazonaws.com", "*.s3.*.amazonaws.com"),
		withHosts("segment", "seg.example.org/v1"),
		withHosts("address", "192.0.2.7:9000", "[2001:db8::7]"),
		withHosts("any", "{fields.host}"),
	} {
		connectors = append(connectors, compile(t, src))
	}
	self := connectors[len(connectors)-1]
	acct := &expr.Vars{Cred: &secret.Credential{Fields: secret.Values{"host": secret.New("git.corp.example")}}}
	x, err := providers.NewIndex(connectors, self.Bindings("default", acct)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ host, port, path, want string }{
		{"api.example.com", "443", "/", "exact"},
		{"api.example.com", "80", "/", "exact"},
		{"api.example.com", "8443", "/", "ported"},
		{"api.example.com", "8444", "/", ""},
		{"api.example.com", "443", "/v2/things", "pathed"},
		{"api.example.com", "443", "/v2", "exact"},
		{"api.example.com", "443", "/V2/things", "exact"},
		{"other.example.com", "443", "/", "wild"},
		{"a.b.example.com", "443", "/", "wild"},
		{"x.deep.example.com", "443", "/", "deep"},
		{"deep.example.com", "443", "/", "wild"},
		{"example.com", "443", "/", ""},
		{"evilexample.com", "443", "/", ""},
		{"api.example.com.evil.net", "443", "/", ""},
		{"acme.tenant.example", "443", "/", "tenant"},
		{"a.b.tenant.example", "443", "/", ""},
		{"tenant.example", "443", "/", ""},
		{"s3.eu-west-1.amazonaws.com", "443", "/", "s3"},
		{"bucket.s3.eu-west-1.amazonaws.com", "443", "/", "s3"},
		{"my.bucket.s3.eu-west-1.amazonaws.com", "443", "/", "s3"},
		{"s3.a.b.amazonaws.com", "443", "/", ""},
		{"seg.example.org", "443", "/v1", "segment"},
		{"seg.example.org", "443", "/v1/x", "segment"},
		{"seg.example.org", "443", "/v1x", ""},
		{"192.0.2.7", "9000", "/", "address"},
		{"2001:db8::7", "443", "/", "address"},
		{"git.corp.example", "443", "/", "any"},
		{"nowhere.example.net", "443", "/", ""},
	} {
		e, ok := lookup(x, c.host, c.port, c.path)
		got := ""
		if ok {
			got = e.Connector.Key
		}
		if got != c.want {
			t.Errorf("Lookup(%s, %s, %s) = %q, want %q", c.host, c.port, c.path, got, c.want)
		}
		if ok && !x.Known("default", c.host, c.port) {
			t.Errorf("Known(%s, %s) = false, although Lookup finds %s", c.host, c.port, got)
		}
	}
}

// Several connectors may claim one host: who calls decides between them.
func TestIndexKeepsEqualClaims(t *testing.T) {
	for _, c := range []struct {
		a, b, host string
		equal      bool
	}{
		{withHosts("a", "api.example.com"), withHosts("b", "API.example.com."), "api.example.com", true},
		{withHosts("a", "*.example.com"), withHosts("b", "*.example.com"), "api.example.com", true},
		{withHosts("a", "api.example.com/v1/"), withHosts("b", "https://api.example.com/v1/"), "api.example.com", true},
		{withHosts("a", "{fields.subdomain}.x.example"), withHosts("b", "{fields.host}.x.example"), "acme.x.example", true},
		{withHosts("a", "api.example.com"), withHosts("b", "*.example.com"), "api.example.com", false},
		{withHosts("a", "api.example.com/v1/"), withHosts("b", "api.example.com"), "api.example.com", false},
	} {
		x, err := providers.NewIndex([]*providers.Connector{compile(t, c.b), compile(t, c.a)})
		if err != nil {
			t.Fatal(err)
		}
		es := x.Lookup(nil, "default", c.host, "443", "/v1/x")
		if len(es) != 2 || es[0].Connector.Key != "a" || es[0].AsSpecific(es[1]) != c.equal {
			t.Errorf("Lookup(%s) = %v, want a and b, as specific: %v", c.host, es, c.equal)
		}
	}
	if _, err := providers.NewIndex([]*providers.Connector{compile(t, withHosts("a", "x.example")), compile(t, withHosts("a", "y.example"))}); err == nil {
		t.Errorf("NewIndex with one key twice = nil, want an error")
	}
}

// One tenant's credential never goes to another tenant's host.
func TestAllowsOnlyTheAccountsHost(t *testing.T) {
	c := compile(t, withHosts("zen", "{fields.subdomain}.zen.example"))
	v := &expr.Vars{Cred: &secret.Credential{Fields: secret.Values{"subdomain": secret.New("acme")}}}
	for host, want := range map[string]bool{
		"acme.zen.example": true, "evil.zen.example": false, "acme.zen.example.evil.net": false, "zen.example": false,
	} {
		if got := c.Hosts[0].Allows(host, "443", v); got != want {
			t.Errorf("Allows(%s) for acme = %v, want %v", host, got, want)
		}
	}
	if c.Hosts[0].Allows("acme.zen.example", "443", &expr.Vars{Cred: &secret.Credential{}}) {
		t.Errorf("Allows without the field = true, want false")
	}
}

func TestReads(t *testing.T) {
	c := compile(t, withHosts("a", "a.example")+"access: {read: [\"POST /search\", \"POST /v1/*/query\", \"POST /ro/**\"]}\n")
	for _, r := range []struct {
		method, path string
		want         bool
	}{
		{"GET", "/anything", true}, {"HEAD", "/", true}, {"OPTIONS", "/", true},
		{"POST", "/search", true}, {"POST", "/search/", false}, {"POST", "/searches", false}, {"PUT", "/search", false},
		{"POST", "/v1/x/query", true}, {"POST", "/v1/x/y/query", false}, {"POST", "/v1//query", false},
		{"POST", "/ro/a/b", true}, {"POST", "/ro/../write", false}, {"POST", "/ro/%2e%2e/write", false}, {"POST", "/ro/a%2f..%2fwrite", false},
		{"POST", "/ro/a;x", false}, {"DELETE", "/", false}, {"get", "/", false}, {"POST", "", false},
	} {
		if got := c.Reads(providers.Does{Methods: []string{r.method}, Path: r.path}); got != r.want {
			t.Errorf("Reads(%s %s) = %v, want %v", r.method, r.path, got, r.want)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for name, c := range map[string]struct{ src, want string }{
		"unknown key":        {"key: a\nhost: x\n", `test.yaml:2:1: unknown key "host"; known here: key`},
		"nested unknown key": {"key: a\nhosts: [a.example]\nauth:\n  t:\n    type: credentials\n    feilds: {}\n", `test.yaml:6:5: unknown key "feilds"`},
		"field key":          {"key: a\nhosts: [a.example]\nauth:\n  t:\n    type: credentials\n    fields: {a: {tittle: x}}\n", `unknown key "tittle"`},
		"twice":              {"key: a\nkey: b\n", "key"},
		"empty":              {"", "the file is empty"},
		"not a map":          {"- a\n", "want a mapping"},
		"bad yaml":           {"key: [\n", "test.yaml"},
		"no hosts":           {"key: a\n", "hosts are missing"},
		"bad key":            {"key: A_B\nhosts: [a.example]\n", `key "A_B"`},
		"every host":         {"key: a\nhosts: ['*']\n", "too wide"},
		"top level":          {"key: a\nhosts: ['*.com']\n", "too wide"},
		"host with space":    {"key: a\nhosts: ['a b']\n", "want a host name"},
		"secret in host":     {"key: a\nhosts: ['{token}.example']\n", "only {fields.…}"},
		"port":               {"key: a\nhosts: ['a.example:99999']\n", "65535"},
		"type":               {"key: a\nhosts: [a.example]\nauth: {t: {type: oauth3}}\n", `type "oauth3"`},
		"no sign":            {"key: a\nhosts: [a.example]\nauth: {t: {type: credentials, fields: {a: {secret: true}, b: {secret: true}}}}\n", "sign is missing"},
		"unknown field":      {"key: a\nhosts: [a.example]\nauth: {t: {type: credentials, fields: {a: {secret: true}}, sign: {bearer: '{fields.b}'}}}\n", "b"},
		"via":                {"key: a\nhosts: [a.example]\nauth: {t: {type: delegate}}\n", "via"},
		"pattern":            {"key: a\nhosts: [a.example]\nauth: {t: {type: credentials, fields: {a: {secret: true, pattern: '('}}}}\n", "pattern"},
		"read rule":          {"key: a\nhosts: [a.example]\naccess: {read: [search]}\n", "METHOD and a path"},
		"base url":           {"key: a\nhosts: [a.example]\nbase_url: example\n", "absolute https URL"},
		"docs by http":       {"key: a\nhosts: [a.example]\ndocs: http://a.example\n", "docs: want an https URL"},
		"docs of a script":   {"key: a\nhosts: [a.example]\ndocs: \"javascript:alert(1)\"\n", "docs: want an https URL"},
		"help by http":       {"key: a\nhosts: [a.example]\nauth: {k: {type: credentials, help: \"http://a.example\", fields: {key: {secret: true}}}}\n", "help: want an https URL"},
		"keep":               {"key: a\nhosts: [a.example]\nkeep: [etag]\n", "authorization or cookie"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := providers.Parse("test.yaml", []byte(c.src))
			if err == nil {
				_, err = providers.Compile(d)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "test.yaml") {
				t.Errorf("error = %v, want one with %q and the file's name", err, c.want)
			}
		})
	}
}

func TestValidateFields(t *testing.T) {
	c := compile(t, "key: a\nhosts: [a.example]\nauth: {t: {type: credentials, fields: {key: {secret: true, pattern: '^k-'}, mail: {format: email, optional: true}, region: {enum: [eu, us], default: eu}}}}\n")
	o, _ := c.Option("t")
	const canary = "canary-99"
	got, err := o.Validate(secret.Values{"key": secret.New("k-1")})
	if err != nil || got.Get("region").Reveal() != "eu" {
		t.Errorf("Validate = %v, region %q; want none and the default eu", err, got.Get("region").Reveal())
	}
	for name, vs := range map[string]secret.Values{
		"missing":           {},
		"does not match":    {"key": secret.New(canary)},
		"is no e-mail":      {"key": secret.New("k-1"), "mail": secret.New(canary)},
		"must be one of":    {"key": secret.New("k-1"), "region": secret.New(canary)},
		"extra is not know": {"key": secret.New("k-1"), "extra": secret.New(canary)},
	} {
		_, err := o.Validate(vs)
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), canary) {
			t.Errorf("Validate = %v, want an error with %q and without the value", err, name)
		}
	}
}

func TestExtendsAndDirectory(t *testing.T) {
	dir := t.TempDir()
	write := func(name, src string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("base.yaml", withHosts("base", "base.example")+"headers: {X-A: '1'}\n")
	write("child.yaml", "key: child\nextends: base\nhosts: [child.example]\nheaders: {X-B: '2'}\n")
	write("notes.txt", "not a connector")
	defs, err := providers.LoadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var own providers.Definitions
	for _, d := range defs {
		own.Put(d)
	}
	cs, err := providers.CompileAll(&own, []string{"child"})
	if err != nil {
		t.Fatal(err)
	}
	if c := cs[0]; c.Headers["X-A"] != "1" || c.Headers["X-B"] != "2" || len(c.Options) != 1 || !c.Hosts[0].Allows("child.example", "443", &expr.Vars{}) {
		t.Errorf("child = %+v, want its own host, both headers and the base's option", c.Definition)
	}
	write("misnamed.yaml", withHosts("other", "other.example"))
	write("loop.yaml", "key: loop\nextends: loop\n")
	if _, err := providers.LoadDir(dir); err == nil || !strings.Contains(err.Error(), "must be named other.yaml") {
		t.Errorf("LoadDir with a misnamed file = %v, want an error that says so", err)
	}
	own.Remove("child")
	d, _ := providers.Parse("loop.yaml", []byte("key: loop\nextends: loop\n"))
	own.Put(d)
	if _, err := providers.CompileAll(&own, nil); err == nil || !strings.Contains(err.Error(), "circle") {
		t.Errorf("CompileAll of a loop = %v, want an error about the circle", err)
	}
}

func TestDotSegments(t *testing.T) {
	for path, want := range map[string]bool{
		"/v2/things": false, "/v2/a.b/c..d": false, "/v2/group%2Fproject": false, "/v2/50%25": false, "/v2/...": false, "/": false, "": false,
		"/v2/../admin": true, "/v2/./x": true, "/v2/..": true, "/v2/%2e%2e/admin": true, "/v2/.%2E/admin": true,
		"/v2/..%2fadmin": true, "/v2/..%5cadmin": true, `/v2/..\admin`: true, "/v2/..;/admin": true, "/v2/%252e%252e/admin": true, "/v2/%zz.": true,
	} {
		if got := providers.DotSegments(path); got != want {
			t.Errorf("DotSegments(%q) = %v, want %v", path, got, want)
		}
	}
}
