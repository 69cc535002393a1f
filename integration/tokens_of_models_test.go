package integration_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestTokensOfSDKs: what vendors' own packages say that their calls used, in answers and in
// streams, is what the account's budgets say; and when an agent's budget is used up, it is
// what they say.
func TestTokensOfSDKs(t *testing.T) {
	const busy, spent = "attk_busy-0123456789abcdef0123456789abcdef", "attk_spent-0123456789abcdef0123456789abcde"
	service := newPlainService(t, languageModels(busy, spent))
	packages := []struct{ name, connector, use string }{
		{"openai", "openai", "api_key"}, {"openai-ai-sdk", "openai", "api_key"}, {"anthropic", "anthropic", "api_key"}, {"google-gemini", "google-gemini", "api_key"},
		{"mistral", "mistral", "api_key"}, {"cohere", "cohere", "api_key"}, {"aws-bedrock", "aws-bedrock", "access_key"},
	}
	v := newVaulted(t, func(s *setup) {
		var grants strings.Builder
		for _, p := range packages {
			if p.name == "openai-ai-sdk" {
				continue
			}
			fields := p.use + " {env.MODEL_KEY}"
			if p.use == "access_key" {
				fields = "access_key_id AKIDEXAMPLE\n\tsecret_access_key {env.MODEL_KEY}\n\tregion us-east-1"
			}
			s.Attache += fmt.Sprintf("\n\tconnector %s {\n\tupstream %s\n\tuse %s {\n\t%s\n\tbudget 1000000 input tokens per month\n\tbudget 1000000 output tokens per month\n\t}\n\t}", p.connector, service.URL, p.use, fields)
			fmt.Fprintf(&grants, "\tgrant %s read write\n", p.connector)
		}
		s.Attache += "\n\tagent busy {\n\ttoken {env.BUSY}\n" + grants.String() + "\t}\n\tagent spent {\n\ttoken {env.SPENT}\n\tbudget 0 tokens per month\n" + grants.String() + "\t}"
		s.Env = append(s.Env, "MODEL_KEY=a-key-of-the-vendor-1234", "BUSY="+busy, "SPENT="+spent)
	})
	script := nodeScript(t, "usage.mjs")
	calls := map[string]int{} // by connector
	for _, p := range packages {
		env := []string{"BASE_URL=" + v.URL + "/" + p.connector, "API_KEY=" + busy}
		r := client{Env: env}.run(t, "node", script, p.name)
		var said struct{ Calls, Input, Output int }
		if err := json.Unmarshal([]byte(r.Stdout), &said); err != nil || said.Input != modelInput*said.Calls || said.Output != modelOutput*said.Calls || said.Calls == 0 {
			t.Errorf("%s: %v, %v", p.name, err, r)
		}
		calls[p.connector] += said.Calls
		r = client{Env: append(env[:1:1], "API_KEY="+spent, "ERROR=1")}.run(t, "node", script, p.name)
		if !strings.Contains(r.Stdout, "budget_exceeded") {
			t.Errorf("%s says nothing of the budget that is used up: %v", p.name, r)
		}
	}
	patiently(t, "what was used", func() bool { // a stream is counted when it has ended
		found := 0
		for _, b := range v.call(t, 200, "GET", "/budgets", nil)["items"].([]any) {
			b := b.(map[string]any)
			connector, _, _ := strings.Cut(strings.TrimPrefix(fmt.Sprint(b["owner"]), "account "), ":")
			want := map[bool]int{true: modelInput, false: modelOutput}[strings.Contains(fmt.Sprint(b["budget"]), "input")] * calls[connector]
			if b["owner_kind"] == "account" && int(b["used"].(float64)) == want && want > 0 {
				found++
			}
		}
		return found == 2*len(calls)
	})
	if t.Failed() {
		t.Log(v.call(t, 200, "GET", "/budgets", nil))
	}
}
