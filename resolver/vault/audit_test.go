package vault_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

func use(account string, status int) vault.Event {
	return vault.Event{Kind: vault.AuditUse, AgentID: "agt_x", Connector: "github", AccountID: account, Actor: vault.Actor{Kind: "agent", Name: "bot"},
		Method: "GET", Host: "api.github.com", Path: "/users/12345/repos", Status: status, BytesIn: 10, BytesOut: 100, Duration: 1500 * time.Microsecond}
}

func TestAuditBatches(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		a := active(t, s, "used")
		before := must[vault.Status](t)(v.Status(ctx)).Rows["audit"] // what made the account
		var wg sync.WaitGroup
		const callers, each = 8, 200
		for range callers {
			wg.Go(func() {
				for i := range each {
					status := 200
					if i%10 == 0 {
						status = 401
					}
					if err := v.Record(ctx, use(a.ID, status)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		within(t, time.Minute, "events come by themselves, without Flush", func() bool {
			return must[vault.Status](t)(v.Status(ctx)).Rows["audit"] >= before+callers*each
		})
		n, after := 0, ""
		for {
			l := must[vault.List[vault.Event]](t)(s.Audit(ctx, vault.AuditFilter{AccountID: a.ID, Kind: vault.AuditUse}, vault.Page{After: after, Limit: 500}))
			n += len(l.Items)
			if e := l.Items[0]; e.Path != "/users/12345/repos" || e.Duration != 1500*time.Microsecond || e.Actor.Name != "bot" {
				t.Fatalf("an event came back as %+v", e)
			}
			if after = l.Next; after == "" {
				break
			}
		}
		if n != callers*each {
			t.Errorf("the audit has %d events, want %d", n, callers*each)
		}
		today := time.Now()
		days := must[[]vault.Usage](t)(s.Usage(ctx, a.ID, today.Add(-24*time.Hour), today))
		if len(days) != 1 || days[0].Calls != n64(n) || days[0].Errors != n64(n/10) || days[0].AuthErrors != n64(n/10) || days[0].BytesOut != n64(n)*100 {
			t.Errorf("Usage() = %+v, want %d calls, %d errors", days, n, n/10)
		}
		paths := must[[]vault.PathUsage](t)(s.TopPaths(ctx, a.ID, today, today, 10))
		if len(paths) != 1 || paths[0].Path != "GET /users/*/repos" || paths[0].Calls != n64(n) {
			t.Errorf("TopPaths() = %+v, want all of them for GET /users/*/repos", paths)
		}
		h := must[vault.Health](t)(s.AccountHealth(ctx, a.ID, today.Add(-time.Hour)))
		if h.Calls != n64(n) || h.AuthErrors != n64(n/10) || h.LastSuccess.IsZero() || h.LastError != "401 Unauthorized" || h.State != vault.Active {
			t.Errorf("AccountHealth() = %+v", h)
		}
		if got := must[vault.Account](t)(s.Account(ctx, a.ID)); time.Since(got.LastUsed) > time.Minute {
			t.Errorf("LastUsed = %v, want a moment ago", got.LastUsed)
		}
	})
}

func n64(n int) int64 { return int64(n) }

// TestAuditSync: when Record returns, the event is on disk.
func TestAuditSync(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		c.AuditSync = true
		v := vaulttest.Open(t, c)
		for i := range 5 {
			want(t, "Record", v.Record(t.Context(), use("acc_x", 200)), nil)
			var n int
			if err := raw(t, c).QueryRow("SELECT COUNT(*) FROM audit WHERE kind = 'use'").Scan(&n); err != nil || n != i+1 {
				t.Fatalf("after Record %d the database has %d events, %v", i+1, n, err)
			}
		}
	})
}

// TestAuditNeverBlocks: Record is quick whatever the database does.
func TestAuditNeverBlocks(t *testing.T) {
	c := vaulttest.SQLite(t)
	v := vaulttest.Open(t, c)
	db := raw(t, c)
	conn, err := db.Conn(t.Context())
	want(t, "Conn", err, nil)
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil { // nobody else writes now
		t.Fatal(err)
	}
	began := time.Now()
	for range 5000 {
		want(t, "Record", v.Record(t.Context(), use("acc_x", 200)), nil)
	}
	if d := time.Since(began); d > time.Second {
		t.Errorf("5000 events took %v while the database was busy", d)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	want(t, "Flush", v.Flush(t.Context()), nil)
	st := must[vault.Status](t)(v.Status(t.Context()))
	if st.Rows["audit"] != 5000 || st.DroppedEvents != 0 {
		t.Errorf("%d events are stored and %d dropped, want 5000 and 0", st.Rows["audit"], st.DroppedEvents)
	}
}

func TestAuditFilters(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		base := time.Now().Add(-time.Hour)
		for i := range 30 {
			e := vault.Event{At: base.Add(time.Duration(i) * time.Minute), Kind: []string{vault.AuditUse, vault.AuditRefusal}[i%2], AgentID: fmt.Sprint("agt_", i%3), AccountID: fmt.Sprint("acc_", i%5), Code: "c", Operation: fmt.Sprint("issues/", i%7), Effect: "write", Resource: "acme/private"}
			want(t, "Record", v.Record(ctx, e), nil)
		}
		want(t, "Flush", v.Flush(ctx), nil)
		for _, tt := range []struct {
			f    vault.AuditFilter
			want func(i int) bool
		}{
			{vault.AuditFilter{Kind: vault.AuditUse}, func(i int) bool { return i%2 == 0 }},
			{vault.AuditFilter{AgentID: "agt_1"}, func(i int) bool { return i%3 == 1 }},
			{vault.AuditFilter{AccountID: "acc_4", Kind: vault.AuditRefusal}, func(i int) bool { return i%5 == 4 && i%2 == 1 }},
			{vault.AuditFilter{From: base.Add(10 * time.Minute), To: base.Add(20 * time.Minute)}, func(i int) bool { return i >= 10 && i < 20 }},
			{vault.AuditFilter{Operation: "issues/3", AgentID: "agt_0"}, func(i int) bool { return i%7 == 3 && i%3 == 0 }},
			{vault.AuditFilter{Operation: "issues/"}, func(int) bool { return false }},
			{vault.AuditFilter{Code: "d"}, func(int) bool { return false }},
		} {
			n := 0
			for i := range 30 {
				if tt.want(i) {
					n++
				}
			}
			l := must[vault.List[vault.Event]](t)(s.Audit(ctx, tt.f, vault.Page{}))
			if len(l.Items) != n {
				t.Errorf("Audit(%+v) = %d events, want %d", tt.f, len(l.Items), n)
			}
			for i := 1; i < len(l.Items); i++ {
				if e := l.Items[i]; e.Effect != "write" || e.Resource != "acme/private" || !strings.HasPrefix(e.Operation, "issues/") {
					t.Errorf("Audit(%+v): %+v", tt.f, e)
				}
				if l.Items[i].At.After(l.Items[i-1].At) {
					t.Errorf("Audit(%+v) is not newest first", tt.f)
				}
			}
		}
	})
}

// TestAuditText: nothing an agent sends breaks a row.
func TestAuditText(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		e := use("acc_x", 200)
		e.Path, e.Host, e.Code = "/a\x00b\xff"+strings.Repeat("x", 10_000), strings.Repeat("é", 3000), "\xf0\x28"
		want(t, "Record", v.Record(t.Context(), e), nil)
		want(t, "Flush", v.Flush(t.Context()), nil)
		l := must[vault.List[vault.Event]](t)(v.System().Audit(t.Context(), vault.AuditFilter{}, vault.Page{}))
		if len(l.Items) != 1 || len(l.Items[0].Path) > 2100 {
			t.Errorf("%d events, the path has %d bytes; want one, cut", len(l.Items), len(l.Items[0].Path))
		}
	})
}

func TestTail(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		ctx := t.Context()
		v, other := vaulttest.Open(t, c), vaulttest.Open(t, c)
		old := use("acc_old", 200)
		old.At = time.Now()
		want(t, "Record", v.Record(ctx, old), nil)
		want(t, "Flush", v.Flush(ctx), nil)
		tail := v.System().Tail(vault.AuditFilter{Kind: vault.AuditUse}, "")
		next := func() (out []string) {
			t.Helper()
			for _, e := range must[[]vault.Event](t)(tail.Next(ctx)) {
				out = append(out, e.AccountID)
			}
			return out
		}
		if got := next(); len(got) != 0 {
			t.Errorf("what was there before is news: %v", got)
		}
		late := use("acc_late", 200)
		late.At = old.At.Add(-300 * time.Millisecond) // a replica whose clock is behind
		want(t, "Record", v.Record(ctx, use("acc_1", 200)), nil)
		want(t, "Flush", v.Flush(ctx), nil)
		if got := next(); len(got) != 1 || got[0] != "acc_1" {
			t.Errorf("Next() = %v, want acc_1", got)
		}
		want(t, "Record", other.Record(ctx, late), nil)
		want(t, "Flush", other.Flush(ctx), nil)
		if got := next(); len(got) != 1 || got[0] != "acc_late" {
			t.Errorf("Next() = %v, want the late one of the other replica", got)
		}
		if got := next(); len(got) != 0 {
			t.Errorf("Next() = %v, want nothing twice", got)
		}
		l := must[vault.List[vault.Event]](t)(v.System().Audit(ctx, vault.AuditFilter{AccountID: "acc_old"}, vault.Page{}))
		tail = v.System().Tail(vault.AuditFilter{Kind: vault.AuditUse}, l.Items[0].ID)
		if got := next(); len(got) != 1 || got[0] != "acc_1" {
			t.Errorf("after acc_old come %v, want acc_1 (the late one has an older time)", got)
		}
	})
}

func TestSweep(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		now := time.Now()
		c.Now, c.AuditRetention, c.UsageRetention = func() time.Time { return now }, time.Hour, 48*time.Hour
		v := vaulttest.Open(t, c)
		ctx, s := context.WithoutCancel(t.Context()), v.System()
		a := active(t, s, "a")
		for range 2500 {
			want(t, "Record", v.Record(ctx, use(a.ID, 200)), nil)
		}
		want(t, "Flush", v.Flush(ctx), nil)
		_, token, err := s.CreateSession(ctx, vault.NewSession{AccountID: a.ID, Flow: "form", Lifetime: time.Minute})
		want(t, "CreateSession", err, nil)
		_, err = v.BeginRequest(ctx, "adm", "key", "hash")
		want(t, "BeginRequest", err, nil)
		now = now.Add(100 * time.Hour)
		want(t, "Sweep", v.Sweep(ctx), nil)
		st := must[vault.Status](t)(v.Status(ctx))
		if st.Rows["audit"] != 0 || st.Rows["connect_sessions"] != 0 || st.Rows["accounts"] != 1 {
			t.Errorf("after Sweep: %v, want no audit, no sessions, one account", st.Rows)
		}
		_, err = v.SessionByToken(ctx, token)
		want(t, "SessionByToken", err, vault.ErrNotFound)
		if days := must[[]vault.Usage](t)(s.Usage(ctx, a.ID, now.Add(-1000*time.Hour), now)); len(days) != 0 {
			t.Errorf("after Sweep there is usage of %d days", len(days))
		}
	})
}
