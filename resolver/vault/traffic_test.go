package vault_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// TestTraffic records calls of two organisations and reads their sums.
func TestTraffic(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		v := vaulttest.Open(t, c)
		ctx := t.Context()
		now := time.Now().UTC()
		for i, e := range []vault.Event{
			{Kind: vault.AuditUse, Organisation: "a", Connector: "hub", AgentID: "agt_1", Status: 200, Duration: 3 * time.Millisecond},
			{Kind: vault.AuditUse, Organisation: "a", Connector: "hub", AgentID: "agt_1", Status: 500, Duration: 900 * time.Millisecond},
			{Kind: vault.AuditUse, Organisation: "a", Connector: "desk", AgentID: "agt_2", Status: 200, At: now.Add(-48 * time.Hour)},
			{Kind: vault.AuditUse, Organisation: "b", Connector: "hub", AgentID: "agt_3"},
			{Kind: vault.AuditRefusal, Organisation: "a", Code: "not_permitted"},
			{Kind: vault.AuditRefresh, Organisation: "a", Code: "account.refreshed"},
			{Kind: vault.AuditRefresh, Organisation: "a", Code: "account.refresh_failed"},
			{Kind: vault.AuditAdmin, Organisation: "a", Code: "agent.created"},
		} {
			if err := v.Record(ctx, e); err != nil {
				t.Fatal(i, err)
			}
			if i == 2 { // what is written twice is added up
				if err := v.Flush(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := v.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		sums := func(s *vault.View, kind string, names []string, since time.Time) string {
			t.Helper()
			list, err := s.Traffic(ctx, kind, names, since)
			if err != nil {
				t.Fatal(err)
			}
			by := map[string][2]int64{}
			for _, x := range list {
				by[x.Name] = [2]int64{by[x.Name][0] + x.Calls, by[x.Name][1] + x.Errors}
			}
			return fmt.Sprint(by)
		}
		all, a := v.System(), v.As(vault.Actor{Kind: "admin", Name: "x"}, "a")
		old := now.Add(-72 * time.Hour)
		for _, x := range []struct{ got, want string }{
			{sums(all, vault.TrafficHour, nil, old), "map[:[4 2]]"},
			{sums(a, vault.TrafficHour, nil, old), "map[:[3 1]]"},
			{sums(a, vault.TrafficHour, nil, now.Add(-time.Hour)), "map[:[2 1]]"},
			{sums(all, vault.TrafficConnector, nil, old), "map[desk:[1 0] hub:[3 2]]"},
			{sums(a, vault.TrafficConnector, []string{"hub", "none"}, old), "map[hub:[2 1]]"},
			{sums(all, vault.TrafficAgent, nil, now), "map[agt_1:[2 1] agt_3:[1 1]]"},
			{sums(a, vault.TrafficRefusal, nil, old), "map[not_permitted:[1 1]]"},
			{sums(a, vault.TrafficRefresh, nil, old), "map[:[2 1]]"},
		} {
			if x.got != x.want {
				t.Errorf("the sums are %s, want %s", x.got, x.want)
			}
		}
		top, err := all.TrafficTop(ctx, vault.TrafficConnector, old, 1)
		if err != nil || len(top) != 1 || top[0].Name != "hub" || top[0].Calls != 3 {
			t.Errorf("TrafficTop() = %+v, %v", top, err)
		}
		took, err := a.Traffic(ctx, vault.TrafficTook, nil, now.Add(-time.Hour))
		if err != nil || len(took) != 2 {
			t.Fatalf("took = %+v, %v", took, err)
		}
		for _, x := range took {
			if d := vault.TookUntil(x.Name); d < 3*time.Millisecond || d > 1300*time.Millisecond || d > 5*time.Millisecond && d < 900*time.Millisecond {
				t.Errorf("a call of 3 or 900 ms is on the step until %v", d)
			}
		}
	})
}

// TestListOrders reads accounts and agents in every order, in parts, and finds some
// by words.
func TestListOrders(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		v := vaulttest.Open(t, c)
		ctx, s := t.Context(), v.System()
		names := []string{"delta", "alpha", "charlie", "bravo", "echo_100%", "ALPHA two"}
		for _, name := range names {
			if _, err := s.CreateAccount(ctx, vault.NewAccount{Connector: "hub", Option: "token", Name: name, Identifier: "own-" + name}); err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.CreateAgent(ctx, vault.NewAgent{Name: "a-" + name[:3], Description: name}); err != nil && name != "ALPHA two" {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Millisecond)
		}
		read := func(f vault.AccountFilter, o vault.Order) (got []string) {
			t.Helper()
			for p := (vault.Page{Limit: 2, Order: o}); ; {
				l, err := s.Accounts(ctx, f, p)
				if err != nil {
					t.Fatalf("%+v %s: %v", f, o, err)
				}
				for _, a := range l.Items {
					got = append(got, a.Name)
				}
				if p.After = l.Next; p.After == "" {
					return got
				}
			}
		}
		reversed := func(in []string) []string { out := slices.Clone(in); slices.Reverse(out); return out }
		byName := read(vault.AccountFilter{}, vault.OrderName)
		if len(byName) != len(names) || slices.Index(byName, "alpha") > slices.Index(byName, "bravo") || slices.Index(byName, "bravo") > slices.Index(byName, "charlie") {
			t.Errorf("by name: %q", byName)
		}
		for _, x := range []struct {
			f    vault.AccountFilter
			o    vault.Order
			want []string
		}{
			{vault.AccountFilter{}, "", names},
			{vault.AccountFilter{}, vault.OrderNewest, reversed(names)},
			{vault.AccountFilter{}, vault.OrderNameUp, reversed(byName)},
			{vault.AccountFilter{States: []vault.State{vault.Pending, vault.Active}}, vault.OrderNewest, reversed(names)},
			{vault.AccountFilter{States: []vault.State{vault.Pending, vault.Active}}, vault.OrderName, byName},
			{vault.AccountFilter{Words: "alpha"}, "", []string{"alpha", "ALPHA two"}},
			{vault.AccountFilter{Words: "ALPHA"}, vault.OrderNewest, []string{"ALPHA two", "alpha"}},
			{vault.AccountFilter{Words: "own-"}, "", names},
			{vault.AccountFilter{Words: "0%"}, "", []string{"echo_100%"}},
			{vault.AccountFilter{Words: "o_1"}, vault.OrderName, []string{"echo_100%"}},
			{vault.AccountFilter{Words: "hub", States: []vault.State{vault.Pending}}, vault.OrderName, byName},
			{vault.AccountFilter{Words: "nobody"}, "", nil},
		} {
			if got := read(x.f, x.o); !slices.Equal(got, x.want) {
				t.Errorf("%+v in the order %q: %q, want %q", x.f, x.o, got, x.want)
			}
		}
		if l, err := s.Agents(ctx, vault.AgentFilter{Words: "CHARL"}, vault.Page{Order: vault.OrderName}); err != nil || len(l.Items) != 1 || l.Items[0].Name != "a-cha" {
			t.Errorf("agents by words: %+v, %v", l, err)
		}
		if _, err := s.Accounts(ctx, vault.AccountFilter{}, vault.Page{After: mustNext(t, s, vault.OrderName), Order: vault.OrderNewest}); err == nil {
			t.Error("a cursor of another order is taken")
		}
	})
}

func mustNext(t *testing.T, s *vault.View, o vault.Order) string {
	t.Helper()
	l, err := s.Accounts(t.Context(), vault.AccountFilter{}, vault.Page{Limit: 1, Order: o})
	if err != nil || l.Next == "" {
		t.Fatal(l, err)
	}
	return l.Next
}

// TestAuditOutcomes finds events by how they ended and by what was called.
func TestAuditOutcomes(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		v := vaulttest.Open(t, c)
		ctx, s := t.Context(), v.System()
		for _, e := range []vault.Event{
			{Kind: vault.AuditUse, Method: "GET", Path: "/v1/orders/1", Status: 200, Connector: "hub", Detail: "ok"},
			{Kind: vault.AuditUse, Method: "POST", Path: "/v1/orders", Status: 404, Connector: "desk", Detail: "failed"},
			{Kind: vault.AuditUse, Method: "GET", Path: "/v2/%", Connector: "hub", Detail: "no answer"},
			{Kind: vault.AuditRefusal, Code: "not_permitted", Method: "GET", Path: "/v1/orders", Status: 403, Actor: vault.Actor{Name: "bot"}, Detail: "refused"},
			{Kind: vault.AuditRefresh, Code: "account.refreshed", Detail: "refreshed"},
			{Kind: vault.AuditRefresh, Code: "account.refresh_failed", Detail: "not refreshed"},
		} {
			if err := v.Record(ctx, e); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Millisecond)
		}
		if err := v.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct {
			f    vault.AuditFilter
			want []string
		}{
			{vault.AuditFilter{Outcome: vault.OutcomeOK}, []string{"refreshed", "ok"}},
			{vault.AuditFilter{Outcome: vault.OutcomeFailed}, []string{"not refreshed", "no answer", "failed"}},
			{vault.AuditFilter{Outcome: vault.OutcomeFailed, Kind: vault.AuditRefresh}, []string{"not refreshed"}},
			{vault.AuditFilter{Outcome: vault.OutcomeRefused}, []string{"refused"}},
			{vault.AuditFilter{Path: "/v1/orders"}, []string{"refused", "failed", "ok"}},
			{vault.AuditFilter{Path: "/v1/orders", Method: "POST"}, []string{"failed"}},
			{vault.AuditFilter{Path: "/v2/%"}, []string{"no answer"}},
			{vault.AuditFilter{Connector: "hub"}, []string{"no answer", "ok"}},
			{vault.AuditFilter{Code: "not_permitted", Actor: "bot"}, []string{"refused"}},
		} {
			l, err := s.Audit(ctx, x.f, vault.Page{})
			var got []string
			for _, e := range l.Items {
				got = append(got, e.Detail)
			}
			if err != nil || !slices.Equal(got, x.want) {
				t.Errorf("%+v: %q, %v, want %q", x.f, got, err, x.want)
			}
		}
	})
}
