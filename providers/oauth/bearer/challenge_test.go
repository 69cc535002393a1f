package bearer_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/oauth/bearer"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  bearer.Challenge
		ok    bool
	}{
		{"alone", []string{"Bearer"}, bearer.Challenge{}, true},
		{"with parameters", []string{`Bearer error="insufficient_scope", scope="a b", resource_metadata="https://h/x?a=1,2"`},
			bearer.Challenge{Error: "insufficient_scope", Scopes: []string{"a", "b"}, ResourceMetadata: "https://h/x?a=1,2"}, true},
		{"any case, spaces, tokens", []string{`bEARER Error = invalid_token ,scope=one`}, bearer.Challenge{Error: "invalid_token", Scopes: []string{"one"}}, true},
		{"escapes", []string{`Bearer error="a\"b\\c"`}, bearer.Challenge{Error: `a"b\c`}, true},
		{"behind others", []string{`Negotiate YIIabc/+d==, Basic realm="a, Bearer b", Bearer error="x"`}, bearer.Challenge{Error: "x"}, true},
		{"another line", []string{`Basic realm="x"`, `Bearer scope="s"`}, bearer.Challenge{Scopes: []string{"s"}}, true},
		{"before others", []string{`Bearer error="x", Basic realm="y"`}, bearer.Challenge{Error: "x"}, true},
		{"named twice", []string{`Bearer error="x", error="y"`}, bearer.Challenge{Error: "x"}, true},
		{"a scope twice", []string{`Bearer scope="s s t"`}, bearer.Challenge{Scopes: []string{"s", "t"}}, true},
		{"a scope's length", []string{`Bearer scope="` + strings.Repeat("s", 257) + " " + strings.Repeat("t", 256) + `"`}, bearer.Challenge{Scopes: []string{strings.Repeat("t", 256)}}, true},
		{"no scopes", []string{"Bearer scope=\"\x01 é ok\""}, bearer.Challenge{Scopes: []string{"ok"}}, true},
		{"another scheme", []string{`Basic realm="Bearer"`}, bearer.Challenge{}, false},
		{"none", nil, bearer.Challenge{}, false},
		{"a quote without end", []string{`Bearer error="x`}, bearer.Challenge{}, true},
		{"too long", []string{`Bearer error="` + strings.Repeat("x", 9000) + `"`}, bearer.Challenge{}, false},
	} {
		got, ok := bearer.Parse(http.Header{"Www-Authenticate": c.lines})
		if ok != c.ok || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: Parse(%q) = %+v, %v; want %+v, %v", c.name, c.lines, got, ok, c.want, c.ok)
		}
	}
	many, _ := bearer.Parse(http.Header{"Www-Authenticate": {`Bearer scope="` + strings.Repeat("a b c d e f g h i j k l m n o p ", 1) + numbered(200) + `"`}})
	if len(many.Scopes) != 50 {
		t.Errorf("scopes of a challenge with 216 = %d, want at most 50", len(many.Scopes))
	}
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("s" + strings.Repeat("x", i) + " ")
		if b.Len() > 7000 {
			break
		}
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	f.Add(`Bearer error="x", scope="a b"`)
	f.Add(`Negotiate YII==, Bearer`)
	f.Add(`a=b=c, "`)
	f.Fuzz(func(t *testing.T, line string) {
		c, _ := bearer.Parse(http.Header{"Www-Authenticate": {line}})
		for _, s := range c.Scopes {
			if strings.ContainsAny(s, " \"\\\r\n") {
				t.Errorf("scope %q of %q", s, line)
			}
		}
	})
}
