package rule

import (
	"strings"
	"testing"
)

// Mistakes in conditions are told when they are loaded, with their column in the rule.
func TestConditionMistakes(t *testing.T) {
	for line, want := range map[string]string{
		"allow read when":   "when wants a condition",
		"allow read when  ": "when wants a condition",
		"when true":         "it is empty",
		"allow when true":   "it does not say what",
		"learn when true":   "learn stands alone",
		`allow tools/call x when argz.repo == "a"`:              "column 25: unknown name argz",
		`allow tools/call x when args.repo = "a"`:               "column 35: syntax",
		`allow tools/call x when args.repo`:                     "want true or false",
		`allow tools/call x when "a"`:                           "want true or false",
		`allow tools/call x when operation.nmae == "a"`:         "column 25: unknown name operation",
		`allow tools/call x when query.x == 1`:                  "column 33: ==: got (string, int)",
		`allow tools/call x when token == "a"`:                  "unknown name token",
		`allow tools/call x when fields.k == "a"`:               "unknown name fields",
		`allow tools/call x when request.headers.a == "a"`:      "unknown name request",
		`allow tools/call x when now > timestamp("2026-01-01")`: "unknown name now",
		`ask x when true wait 5m`:                               "syntax",
		"allow x when true\nallow *":                            "line break",
		"allow x when " + strings.Repeat("!", 900) + "true":     "",
	} {
		_, err := New([]string{line}, nil)
		if want == "" {
			continue // refused or not, it ends
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
	for _, line := range []string{
		`allow x when args.a == "b c"`, "allow x when `args.a == \"b\"`", `ask x wait 5m when args.a == 1`, `ask x nowait when args.a == 1`, `allow "when" when true`,
		`allow x on a b when args.when == "when"`, `deny * when args[?"a"].orValue("") == ""`, `allow x when args.a.matches("^[a-z]+$")`,
	} {
		s, err := New([]string{line}, nil)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		} else if !s.Conditional() || s.Everything() {
			t.Errorf("%s: conditional %v, everything %v", line, s.Conditional(), s.Everything())
		}
	}
}

func BenchmarkCondition(b *testing.B) {
	s, err := New([]string{`allow tools/call create_issue when operation.name.startsWith("tools/") && query.repo.startsWith("acme/")`}, nil)
	if err != nil {
		b.Fatal(err)
	}
	r := &Request{Methods: []string{"POST"}, Path: "/mcp", Query: "repo=acme/site", Does: []Does{{}}}
	r.Does[0].Name = "tools/call create_issue"
	b.ReportAllocs()
	for b.Loop() {
		if !s.Decide(r).Allowed {
			b.Fatal("refused")
		}
	}
}
