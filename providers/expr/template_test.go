package expr_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
)

func vars() *expr.Vars {
	return &expr.Vars{
		Cred: &secret.Credential{
			Token:  secret.New("tok"),
			Fields: secret.Values{"api_key": secret.New("k1"), "empty": secret.New("")},
		},
		App:     secret.Values{"client_id": secret.New("cid")},
		Account: map[string]string{"name": "work"},
	}
}

func TestEval(t *testing.T) {
	tests := []struct{ src, want string }{
		{"", ""},
		{"plain", "plain"},
		{"{token}", "tok"},
		{"{ token }", "tok"},
		{"Bearer {token}", "Bearer tok"},
		{"{fields.api_key}:{app.client_id}@{account.name}!", "k1:cid@work!"},
		{"{{{token}}}", "{tok}"},
		{`{{"a":"{token}"}}`, `{"a":"tok"}`},
		{"ü{token}ü", "ütokü"},
		{"{token}{token}{token}{token}{token}{token}{token}", strings.Repeat("tok", 7)},
	}
	for _, tt := range tests {
		tpl, err := expr.Compile(tt.src)
		if err != nil {
			t.Errorf("Compile(%q) = %v", tt.src, err)
			continue
		}
		if got, err := tpl.Eval(vars()); got != tt.want || err != nil {
			t.Errorf("Eval(%q) = %q, %v, want %q", tt.src, got, err, tt.want)
		}
		if got, err := tpl.Append([]byte("+"), vars(), nil); string(got) != "+"+tt.want || err != nil {
			t.Errorf("Append(%q) = %q, %v, want +%q", tt.src, got, err, tt.want)
		}
		if tpl.String() != tt.src || tpl.NeedsBody() {
			t.Errorf("String, NeedsBody of %q = %q, %t", tt.src, tpl, tpl.NeedsBody())
		}
	}
}

func TestMissing(t *testing.T) {
	for _, src := range []string{"{fields.nope}", "x{fields.empty}", "{app.client_secret}", "{account.id}"} {
		tpl, err := expr.Compile(src)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Trim(src, "x{}")
		for _, v := range []*expr.Vars{vars(), {}} {
			_, err = tpl.Eval(v)
			if m, ok := errors.AsType[*expr.MissingError](err); !ok || m.Ref != want {
				t.Errorf("Eval(%s) = %v, want MissingError of %s", src, err, want)
			}
			if dst, err := tpl.Append([]byte("+"), v, nil); err == nil || string(dst) != "+" {
				t.Errorf("Append(%s) = %q, %v, want dst unchanged and an error", src, dst, err)
			}
		}
	}
}

func TestRefs(t *testing.T) {
	tpl, err := expr.Compile("{fields.a}{token}{fields.a}-{app.b}{account.c}")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tpl.Refs(), []string{"fields.a", "token", "app.b", "account.c"}; !slices.Equal(got, want) {
		t.Errorf("Refs() = %v, want %v", got, want)
	}
	if tpl.Static() {
		t.Errorf("Static() = true for a template with references")
	}
	if tpl, _ := expr.Compile("a{{b"); !tpl.Static() {
		t.Errorf("Static() = false for literal text")
	}
}

func TestAppendEscapes(t *testing.T) {
	tpl, err := expr.Compile("a b{token}")
	if err != nil {
		t.Fatal(err)
	}
	got, err := tpl.Append(nil, vars(), func(dst []byte, s string) []byte { return fmt.Appendf(dst, "<%s>", s) })
	if string(got) != "a b<tok>" || err != nil {
		t.Errorf("Append = %q, %v, want the reference escaped and nothing else", got, err)
	}
}

func TestCompileErrors(t *testing.T) {
	tests := []struct{ src, want string }{
		{"a}", "1:2: want { before }"},
		{"ab{token", "1:3: want } to close this {"},
		{"ü\nab{", "2:3: want }"},
		{"üü{}", "1:3: want an expression"},
		{"{  }", "1:1: want an expression"},
	}
	for _, tt := range tests {
		_, err := expr.Compile(tt.src)
		if _, ok := errors.AsType[*expr.Error](err); !ok || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("Compile(%q) = %v, want %s…", tt.src, err, tt.want)
		}
	}
}
