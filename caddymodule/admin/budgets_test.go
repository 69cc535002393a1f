package admin_test

import (
	"context"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/admin"
	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// spending is a budgets.Source over a keeper.
type spending struct {
	keeper budget.Keeper
	file   []*budget.Plan
}

func (s *spending) Plans() []*budget.Plan { return append([]*budget.Plan(nil), s.file...) }
func (s *spending) States(ctx context.Context, p *budget.Plan) ([]budget.State, error) {
	return s.keeper.States(ctx, p)
}

// TestBudgets: they are written and edited through the API, what is wrong is told with what
// was meant, and the list says what was used of which.
func TestBudgets(t *testing.T) {
	file, err := budget.New(budget.Owner{Kind: "agent", ID: "file:local", Name: "local"}, []string{"budget 3 requests per month", "price 1 per x"})
	if err != nil {
		t.Fatal(err)
	}
	s := &spending{keeper: budget.Keeper{Store: new(budget.Memory)}, file: []*budget.Plan{file}}
	w := newWorld(t, vaulttest.SQLite(t), func(c *admin.Config) { c.Budgets = s })
	agent := w.want(201, "", "POST", "/agents", `{"name":"bot","budgets":["budget 25 USD per month","price 0.01 per x"]}`).str("id")
	account := w.account("work")
	w.want(200, "", "PATCH", "/accounts/"+account, `{"budgets":["budget 5 delete per hour"]}`)
	w.want(201, "", "POST", "/agents/"+agent+"/grants", `{"account_id":"`+account+`","scopes":["read"],"budgets":["1000 requests per day"]}`)
	for _, bad := range []struct{ method, path string }{{"PATCH", "/agents/" + agent}, {"PATCH", "/accounts/" + account}} {
		if a := w.want(422, "INVALID_INPUT", bad.method, bad.path, `{"budgets":["budget 5 delte per hour"]}`); !strings.Contains(a.raw, "did you mean delete?") {
			t.Errorf("%s %s: %s", bad.method, bad.path, a.raw)
		}
	}
	_ = s.keeper.Of(nil, nil, budget.Of(budget.Owner{Kind: "agent", ID: agent, Name: "bot"}, []string{"budget 25 USD per month", "price 0.01 per x"})).Take(t.Context(), budget.Request{Does: []budget.Operation{{Name: "x"}}})
	l := w.want(200, "", "GET", "/budgets", "")
	for _, text := range []string{`"owner_id":"file:local"`, `"budget":"25 USD per month"`, `"used":10000`, `"shown":"0.01 USD"`, `"budget":"5 delete per hour"`, `"budget":"1000 requests per day"`, `"resets_at":`} {
		if !strings.Contains(l.raw, text) {
			t.Errorf("the list has no %s: %s", text, l.raw)
		}
	}
	if n := l.len("items"); n != 4 {
		t.Errorf("%d budgets, want 4: %s", n, l.raw)
	}
	if n := w.want(200, "", "GET", "/budgets?agent_id="+agent, "").len("items"); n != 2 {
		t.Errorf("%d budgets of the agent, want 2", n)
	}
	if n := w.want(200, "", "GET", "/budgets?account_id="+account, "").len("items"); n != 2 {
		t.Errorf("%d budgets of the account, want 2", n)
	}
	w.want(200, "", "PATCH", "/agents/"+agent, `{"budgets":[]}`)
	if n := w.want(200, "", "GET", "/budgets?agent_id="+agent, "").len("items"); n != 1 {
		t.Errorf("%d budgets after the agent's were taken away, want 1", n)
	}
}
