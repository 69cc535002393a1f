package providers_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
)

// TestMistakesAreNamedTogether: all of a file are told, each with its line and column.
func TestMistakesAreNamedTogether(t *testing.T) {
	for src, want := range map[string][]string{
		"key: a\nhost: x\nauth:\n  t:\n    type: credentials\n    feilds: {}\n    sign:\n      heder: {A: b}\n      qery: {}\ntest: {got: /me}\n": {
			"test.yaml:2:1: unknown key \"host\"", "test.yaml:6:5: unknown key \"feilds\"", "test.yaml:8:7: unknown key \"heder\"", "test.yaml:9:7: unknown key \"qery\"", "test.yaml:10:8: unknown key \"got\""},
		"key: a\nhosts: ['a b', 'b.example:x']\nauth:\n  t: {type: oauth3}\n  u:\n    type: credentials\n    fields: {k: {}}\n    sign:\n      header: {A: '{fields.x}', B: '{fields.k.upper()}'}\n      query: {c: '{sha256(fields.k)}'}\n": {
			"a b", "b.example:x", "oauth3", "test.yaml:9:20: connector a: auth option u: sign: sign.header.A: {fields.x}: no such field", "test.yaml:9:52: connector a: auth option u: sign: sign.header.B",
			"upper stands before what it works on, upper(…)", "test.yaml:10:20: connector a: auth option u: sign: sign.query.c", "write hex(…), base64(…)"},
		"key: a\nhosts: [a.example]\nauth:\n  t: &t {type: credentials, fields: {k: {}}, sign: bearer}\n  u: {<<: *t, type: [no]}\n": {"test.yaml:5:21: cannot unmarshal"},
	} {
		d, err := providers.Parse("test.yaml", []byte(src))
		if err == nil {
			_, err = providers.Compile(d)
		}
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("error = %v\nwant %q", err, w)
			}
		}
	}
}

// TestAliasesAndMergeKeys: what they stand for is read everywhere, and no endless file.
func TestAliasesAndMergeKeys(t *testing.T) {
	const merged = `
key: a
hosts: [&host a.example, {<<: &wide {wildcard: vendor, reason: x}, host: "*.b.a.example"}]
auth:
  t:
    type: credentials
    fields: &fields
      k: &secret {secret: true, title: K}
      l: {<<: *secret, title: L}
    sign: &sign
      let: &let {a: "upper(fields.k)"}
      header: {A: "{a}"}
  u: {type: credentials, fields: *fields, sign: {<<: [*sign, {query: {b: "{a}"}}], let: {<<: *let, c: a + a}}}
test: {get: /me, headers: {<<: {X: "1"}}}
`
	d, err := providers.Parse("test.yaml", []byte(merged))
	if err != nil {
		t.Fatal(err)
	}
	c, err := providers.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := c.Option("u")
	if l := u.Fields[1]; !l.Secret || l.Title != "L" || len(u.Sign.Let) != 2 || u.Sign.Let[0].Name != "a" || len(u.Sign.Query) != 1 || len(c.Hosts) != 2 || c.Test.Headers["X"] != "1" {
		t.Errorf("what is merged is read as %+v, %+v, %+v", u.Fields, u.Sign, c.Test)
	}
	if _, err := providers.Parse("test.yaml", []byte("a: &a [1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]\n")); err == nil {
		t.Error("aliases of aliases pass")
	}
}
