package expr_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/expr"
)

// Any text compiles or is refused, and what compiles evaluates or fails; it
// never panics, and an error tells no secret.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		"", "{", "}}", "{token}", "a{{b}}{fields.key}", `{hex(hmac_sha256(fields.key, request.query + request.body))}`,
		`{pairs(request.query).map(p, p[0] + "=" + p[1]).join("&")}`, `{jwt("HS256", fields.key, {"a": now.unix()})}`, `{ {"a": "}"}.a }`,
		`{json_glue(request.body, "x")}`, `{now.format("%Y")}`, `{has(fields.a) ? fields.a : null}`, `{"\x00" + r"\"}`, "{\n\n1 +}", `{fields[?"key"]}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		tpl, err := expr.Compile(src)
		if err != nil {
			return
		}
		_ = tpl.Refs()
		v := signing(t)
		if out, err := tpl.Eval(v); err != nil && strings.Contains(err.Error(), "6b6579") && !strings.Contains(src, "6b6579") {
			t.Errorf("Eval(%q) = %q, %v: the error tells a secret", src, out, err)
		}
	})
}

// What QueryWithout leaves are the other parameters, byte for byte and in order.
func FuzzQueryWithout(f *testing.F) {
	for _, s := range []string{"", "a=1&b=2", "api%5Fkey=1&b", "&&api_key&&", "a;api_key=1;b", "api_key", "%zz=1&api_key=%", "a+b=c", "api_key=1&api_key=2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := expr.QueryWithout(raw, "api_key")
		parts := func(s string) []string {
			ps := strings.FieldsFunc(s, func(r rune) bool { return r == '&' || r == ';' })
			return slices.DeleteFunc(ps, func(p string) bool {
				name, _, _ := strings.Cut(p, "=")
				if plain, err := url.QueryUnescape(name); err == nil {
					name = plain
				}
				return name == "api_key"
			})
		}
		if !slices.Equal(parts(raw), parts(got)) || len(parts(got)) != len(strings.FieldsFunc(got, func(r rune) bool { return r == '&' || r == ';' })) {
			t.Errorf("QueryWithout(%q) = %q", raw, got)
		}
	})
}

// The canonical form of a query is its own canonical form, and means the same.
func FuzzCanonicalQuery(f *testing.F) {
	for _, s := range []string{"", "b=2&a=1", "a=+&a=%20", "%E1%88%B4=x&a", "a==&&=", "%zz=%", "a=\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		once := expr.CanonicalQuery(raw)
		if again := expr.CanonicalQuery(once); again != once {
			t.Errorf("CanonicalQuery(%q) = %q, and of that %q", raw, once, again)
		}
		sorted := expr.ParsePairs(raw)
		got := expr.ParsePairs(once)
		expr.SortPairs(sorted)
		expr.SortPairs(got)
		if !slices.Equal(sorted, got) {
			t.Errorf("CanonicalQuery(%q) = %q changes the parameters", raw, once)
		}
	})
}
