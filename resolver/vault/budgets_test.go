package vault_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// Budgets of agents, accounts and grants are kept in their order, checked, edited, exported
// and imported, and so is what was used of them.
func TestBudgets(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		v := vaulttest.Open(t, c)
		ctx, s := t.Context(), v.System()
		lines := []string{"budget 2 delete per hour", "price 0.01 per x"}
		a, _, err := s.CreateAgent(ctx, vault.NewAgent{Name: "bot", Budgets: lines})
		want(t, "CreateAgent", err, nil)
		acct := active(t, s, "work")
		must[vault.Account](t)(s.UpdateAccount(ctx, acct.ID, 0, vault.AccountEdit{ChangeSettings: func(x vault.Settings) vault.Settings { x.Budgets = lines; return x }}))
		g := must[vault.Grant](t)(s.CreateGrant(ctx, vault.NewGrant{AgentID: a.ID, AccountID: acct.ID, Scopes: []string{"read"}, Budgets: lines}))
		check := func(what string, lines []string) {
			t.Helper()
			got := [][]string{must[vault.Agent](t)(s.Agent(ctx, a.ID)).Budgets, must[vault.Account](t)(s.Account(ctx, acct.ID)).Settings.Budgets, must[vault.Grant](t)(s.Grant(ctx, g.ID)).Budgets}
			for _, l := range got {
				if !slices.Equal(l, lines) {
					t.Errorf("%s: %q, want %q", what, got, lines)
				}
			}
		}
		check("created", lines)
		bad := []string{"budget 2 delte per hour"}
		var invalid *vault.InvalidError
		if _, err := s.UpdateGrant(ctx, g.ID, 0, vault.GrantEdit{Budgets: &bad}); !errors.As(err, &invalid) || invalid.Field != "budgets" || !strings.Contains(err.Error(), "did you mean delete?") {
			t.Errorf("a grant: %v", err)
		}
		if _, err := s.UpdateAgent(ctx, a.ID, 0, vault.AgentEdit{Budgets: &bad}); !errors.As(err, &invalid) {
			t.Errorf("an agent: %v", err)
		}
		if _, err := s.UpdateAccount(ctx, acct.ID, 0, vault.AccountEdit{ChangeSettings: func(x vault.Settings) vault.Settings { x.Budgets = bad; return x }}); !errors.As(err, &invalid) {
			t.Errorf("an account: %v", err)
		}
		charges := []budget.Charge{{Counter: "x", Slot: 7, Until: time.Now().Add(time.Hour), Add: 5}}
		want(t, "Add", v.Budgets().Add(ctx, charges), nil)
		var export bytes.Buffer
		want(t, "Export", v.Export(ctx, &export, false, nil), nil)
		if !strings.Contains(export.String(), `"counter":"x"`) {
			t.Error("what was used is not exported")
		}
		none := []string{}
		must[vault.Agent](t)(s.UpdateAgent(ctx, a.ID, 0, vault.AgentEdit{Budgets: &none}))
		must[vault.Grant](t)(s.UpdateGrant(ctx, g.ID, 0, vault.GrantEdit{Budgets: &none}))
		must[vault.Account](t)(s.UpdateAccount(ctx, acct.ID, 0, vault.AccountEdit{ChangeSettings: func(x vault.Settings) vault.Settings { x.Budgets = nil; return x }}))
		check("without any", nil)
		want(t, "DeleteAgent", s.DeleteAgent(ctx, a.ID, 0), nil)
		want(t, "DeleteAccount", s.DeleteAccount(ctx, acct.ID, 0), nil)
		_, err = v.Import(ctx, bytes.NewReader(export.Bytes()), vault.ImportOptions{})
		want(t, "Import", err, nil)
		check("imported", lines)
	})
}

// TestBudgetsAreCounted: many at once never take more than there is, all or none of several,
// and another process goes on from there: beside this one with PostgreSQL, after it with SQLite.
func TestBudgetsAreCounted(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		ctx := t.Context()
		one := must[*vault.Vault](t)(vault.Open(ctx, c))
		replicas := []*vault.Vault{one}
		if c.Driver == "postgres" {
			replicas = append(replicas, vaulttest.Open(t, c))
		}
		until := time.Now().Add(time.Hour)
		charges := func(need int64) []budget.Charge {
			return []budget.Charge{{Counter: "b", Slot: 1, Until: until, Need: need, Add: need, Most: 1000}, {Counter: "a", Slot: 1, Until: until, Need: need, Add: need, Most: 20}}
		}
		var passed atomic.Int64
		var all sync.WaitGroup
		for i := range 60 {
			all.Go(func() {
				ok, err := replicas[i%len(replicas)].Budgets().Take(ctx, charges(1))
				if err != nil {
					t.Error(err)
				}
				if ok {
					passed.Add(1)
				}
			})
		}
		all.Wait()
		if passed.Load() != 20 {
			t.Errorf("%d passed, of 20", passed.Load())
		}
		used := func(v *vault.Vault, b, a int64) {
			t.Helper()
			now := charges(0)
			want(t, "Used", v.Budgets().Used(ctx, now), nil)
			if now[0].Used != b || now[1].Used != a {
				t.Errorf("used: %d and %d, want %d and %d", now[0].Used, now[1].Used, b, a)
			}
		}
		used(one, 20, 20)
		if ok, err := one.Budgets().Take(ctx, charges(0)); !ok || err != nil {
			t.Errorf("nothing of nothing: %v, %v", ok, err)
		}
		back := []budget.Charge{{Counter: "a", Slot: 1, Until: until, Add: -5}, {Counter: "b", Slot: 1, Until: until, Add: -500}}
		want(t, "Add", one.Budgets().Add(ctx, back), nil)
		if back[0].Used != 15 || back[1].Used != 0 {
			t.Errorf("given back: %d and %d are used", back[0].Used, back[1].Used)
		}
		want(t, "Close", one.Close(), nil)
		used(vaulttest.Open(t, c), 0, 15)
	})
}
