package providers_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
)

// TestPrefixes: clients that take /v1 for a part of the base URL, and those that do
// not, mean the same path; all others stay as they are.
func TestPrefixes(t *testing.T) {
	built, err := providers.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ key, path, want string }{
		{"anthropic", "/messages", "/v1/messages"},
		{"anthropic", "/messages/batches", "/v1/messages/batches"},
		{"anthropic", "/v1/messages", "/v1/messages"},
		{"anthropic", "/messagesx", "/messagesx"},
		{"anthropic", "/api/hello", "/api/hello"},
		{"anthropic", "/", "/"},
		{"openai", "/chat/completions", "/v1/chat/completions"},
		{"openai", "/v1/chat/completions", "/v1/chat/completions"},
		{"together", "/chat/completions", "/v1/chat/completions"},
		{"github", "/models", "/models"},
	} {
		compiled, err := providers.Compile(built[c.key])
		if err != nil {
			t.Fatal(err)
		}
		if got := compiled.FullPath(c.path); got != c.want {
			t.Errorf("%s: %s is taken for %s, want %s", c.key, c.path, got, c.want)
		}
	}
	const head = "key: a\nhosts: [a.test]\nauth: {key: {type: credentials, fields: {k: {secret: true}}, sign: {header: {X-Key: \"{fields.k}\"}}}}\nprefixes: "
	for _, bad := range []string{"{v1: [/a]}", "{/v1/: [/a]}", "{/v1: [/v1/a]}", "{/v1/a: [/v1]}", "{/v1: [/..]}", "{/v1: [\"\"]}", "{\"/v1?\": [/a]}", "{/v1: [/v1]}"} {
		d, err := providers.Parse("a.yaml", []byte(head+bad))
		if err == nil {
			_, err = providers.Compile(d)
		}
		if err == nil || !strings.Contains(err.Error(), "prefixes") {
			t.Errorf("prefixes: %s: %v, want an error", bad, err)
		}
	}
}
