package resolver_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/budget"
)

func budgetPlan(t *testing.T, kind string, lines ...string) *budget.Plan {
	t.Helper()
	p, err := budget.New(budget.Owner{Kind: kind, ID: "one", Name: "one"}, lines)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func usedOf(t *testing.T, k *budget.Keeper, p *budget.Plan) (out []int64) {
	t.Helper()
	states, err := k.States(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		out = append(out, s.Used)
	}
	return out
}

// finishing sends and ends a call, as a handler does.
func (w *world) finishing(t *testing.T, s sent) error {
	t.Helper()
	call, res, err := w.asks(t, s, false)
	if err == nil {
		_ = body(t, res)
	}
	if err := w.Begin(call, 0); err != nil {
		t.Fatal(err)
	}
	w.Finish(call)
	return err
}

// TestBudgetsOfRequests: what is over a budget gets no credential and does not come to the
// service; operations count by what they do, read from a body where it says that; a request that no service got
// is given back, and refusals by rules count nowhere.
func TestBudgetsOfRequests(t *testing.T) {
	var came atomic.Int64
	grant := budgetPlan(t, "grant", "budget 2 delete per month")
	w := newWorld(t, worldConfig{yaml: deedYAML, accounts: []*resolver.Account{{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}}},
		grants: []resolver.Grant{{Connector: "svc", Write: true, Budgets: grant}}, service: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came.Add(1) })})
	w.agent.Budgets = budgetPlan(t, "agent", "budget 5 requests per month")
	del, query := `{"query":"mutation { deleteRepo }"}`, `{"query":"{ viewer { login } }"}`
	for i, c := range []struct {
		sent sent
		code string
	}{
		{sent{head: "POST /graphql" + asJSON, body: query}, ""},
		{sent{head: "POST /graphql" + asJSON, body: "[" + del + "," + del + "]"}, ""},
		{sent{head: "POST /graphql" + asJSON, body: del}, "budget_exceeded"},
		{sent{head: "DELETE /x"}, "budget_exceeded"},
		{sent{head: "GET /x"}, ""},
		{sent{head: "HEAD /x"}, ""},
		{sent{head: "GET /x"}, ""},
		{sent{head: "GET /x"}, "budget_exceeded"},
	} {
		if got := strings.TrimPrefix(codeOf(w.finishing(t, c.sent)), "<nil>"); got != c.code {
			t.Errorf("request %d, %s: %q, want %q", i+1, c.sent.head, got, c.code)
		}
	}
	if came.Load() != 5 {
		t.Errorf("%d came to the service, want 5", came.Load())
	}
	if a, g := usedOf(t, w.budgets, w.agent.Budgets), usedOf(t, w.budgets, grant); a[0] != 5 || g[0] != 2 {
		t.Errorf("used: %v and %v", a, g)
	}
}

// TestBudgetsOfAttempts: a 401 that is answered with another token, and a service that
// cannot be reached, are one request and none.
func TestBudgetsOfAttempts(t *testing.T) {
	s := &tokenService{life: 3600}
	w := oauthWorld(t, s)
	w.agent.Budgets = budgetPlan(t, "agent", "budget 100 requests per month", "budget 1000 bytes up per month", "budget 1000 bytes down per month")
	if err := w.finishing(t, sent{head: "POST /", body: "payload"}); err != nil {
		t.Fatal(err)
	}
	s.revokeAll()
	if err := w.finishing(t, sent{head: "POST /", body: "payload"}); err != nil {
		t.Fatal(err)
	}
	if used := usedOf(t, w.budgets, w.agent.Budgets); used[0] != 2 || used[1] != 14 || used[2] == 0 {
		t.Errorf("two requests, one of them in two attempts: %v", used)
	}
	gone := newWorld(t, worldConfig{yaml: deedYAML, accounts: []*resolver.Account{{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}}}})
	gone.agent.Budgets = budgetPlan(t, "agent", "budget 100 requests per month")
	if got := codeOf(gone.finishing(t, sent{head: "GET /"})); got != "upstream_unreachable" {
		t.Fatalf("a service that is not there: %q", got)
	}
	if used := usedOf(t, gone.budgets, gone.agent.Budgets); used[0] != 0 {
		t.Errorf("no service got it, and it counts: %v", used)
	}
}

func BenchmarkWithoutBudgets(b *testing.B) {
	var k *budget.Keeper
	b.ReportAllocs()
	for b.Loop() {
		if k.Of(nil, nil, nil).ByOperation() {
			b.Fatal()
		}
	}
}

const modelYAML = deedYAML + `
usage:
  input: [usage.prompt_tokens]
  output: [usage.completion_tokens]
  model: model
  limit: max_tokens
`

// TestBudgetsOfTokens: what answers say, in JSON, compressed, and in streams; what they do
// not say is estimated; what was set aside is given back; and the bytes are those of the service.
func TestBudgetsOfTokens(t *testing.T) {
	const said = `{"model":"small","choices":[],"usage":{"prompt_tokens":30,"completion_tokens":12}}`
	silent := strings.Repeat("data: {\"choices\":[{\"delta\":{\"content\":\"word\"}}]}\n\n", 20) + "data: [DONE]\n\n"
	w := newWorld(t, worldConfig{yaml: modelYAML, accounts: []*resolver.Account{{Name: "one", Fields: secret.Values{"key": secret.New("k-0123456789")}}},
		service: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/said":
				_, _ = w.Write([]byte(said))
			case "/gzip":
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write([]byte(gzipped(said)))
			case "/stream":
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = w.Write([]byte(silent))
			case "/error":
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(`{"error":"no"}`))
			}
		})})
	ask := `{"model":"small","max_tokens":50,"messages":[]}` // 47 bytes
	for _, c := range []struct {
		path, answer string
		tokens       int64
		micros       int64
	}{{"/said", said, 42, 42 * 2}, {"/gzip", gzipped(said), 42, 42 * 2}, {"/stream", silent, 12 + 21, (12 + 21) * 2}, {"/error", `{"error":"no"}`, 0, 0}} {
		w.agent.Budgets = budgetPlan(t, "agent"+c.path, "budget 1000 tokens per month", "budget 1 USD per month", "price input 2 output 2 per million tokens small", "price input 9 output 9 per million tokens")
		call, res, err := w.asks(t, sent{head: "POST " + c.path + asJSON + "\nAccept-Encoding: gzip", body: ask}, false)
		if err != nil {
			t.Fatal(err)
		}
		if used := usedOf(t, w.budgets, w.agent.Budgets); used[0] != 12+50 || used[1] != (12+50)*2 {
			t.Errorf("%s: set aside: %v", c.path, used)
		}
		if err := w.Begin(call, 0); err != nil {
			t.Fatal(err)
		}
		if got := body(t, res); got != c.answer {
			t.Errorf("%s: the agent got %q", c.path, got)
		}
		w.Finish(call)
		if used := usedOf(t, w.budgets, w.agent.Budgets); c.path != "/stream" && (used[0] != c.tokens || used[1] != c.micros) || c.path == "/stream" && (used[0] < c.tokens || used[0] > c.tokens+2) {
			t.Errorf("%s: used %v, want %d and %d", c.path, used, c.tokens, c.micros)
		}
	}
	// What the agent calls a form may be something else.
	w.agent.Budgets = budgetPlan(t, "agent-form", "budget 9000 tokens per month")
	if err := w.finishing(t, sent{head: "POST /said\nContent-Type: multipart/form-data; boundary=x", body: ask}); err != nil {
		t.Fatal(err)
	}
	if used := usedOf(t, w.budgets, w.agent.Budgets); used[0] != 42 {
		t.Errorf("a form used %v tokens, want the 42 that the answer says", used)
	}
	w.agent.Budgets = budgetPlan(t, "agent-few", "budget 10 tokens per month")
	if err := w.finishing(t, sent{head: "POST /said" + asJSON, body: ask}); err != nil {
		t.Fatal(err) // one may go beyond
	}
	if got := codeOf(w.finishing(t, sent{head: "POST /said" + asJSON, body: ask})); got != "budget_exceeded" {
		t.Errorf("after that: %q", got)
	}
}
