package vault_test

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// ear collects changes.
type ear struct {
	mu  sync.Mutex
	got []vault.Change
}

func listen(v *vault.Vault) *ear {
	e := &ear{}
	v.Subscribe(func(c vault.Change) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.got = append(e.got, c)
	})
	return e
}

func (e *ear) heard(c vault.Change) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.got, func(x vault.Change) bool {
		x.Sealed, x.Generation = 0, 0 // numbers that count up
		return x == c
	})
}

func (e *ear) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.got)
}

// within waits for something to become true.
func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, d)
		}
	}
}

// TestPropagation: a change is known here when the call returns, and in another
// process within a second.
func TestPropagation(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		ctx := t.Context()
		v, other := vaulttest.Open(t, c), vaulttest.Open(t, c)
		here, there := listen(v), listen(other)
		s := v.System()
		changes := func(what string, change vault.Change) {
			t.Helper()
			if !here.heard(change) {
				t.Errorf("%s: this process was not told of %+v", what, change)
			}
			within(t, time.Second, what, func() bool { return there.heard(change) })
		}
		epoch := v.Epoch()
		a := active(t, s, "a")
		changes("account", vault.Change{Kind: vault.KindAccount, ID: a.ID, Connector: "github", Organisation: vault.DefaultOrganisation})
		if v.Epoch() == epoch {
			t.Errorf("the epoch did not move")
		}
		agent, _, err := s.CreateAgent(ctx, vault.NewAgent{Name: "bot"})
		want(t, "CreateAgent", err, nil)
		changes("agent", vault.Change{Kind: vault.KindAgent, ID: agent.ID, Agent: agent.ID})
		g := must[vault.Grant](t)(s.CreateGrant(ctx, vault.NewGrant{AgentID: agent.ID, AccountID: a.ID, Scopes: []string{"read"}}))
		changes("grant", vault.Change{Kind: vault.KindGrant, ID: g.ID, Agent: agent.ID, Account: a.ID, Connector: "github"})
		must[vault.Connector](t)(s.CreateConnector(ctx, vault.Connector{Key: "mine", Title: "Mine", State: "active"}, false))
		changes("connector", vault.Change{Kind: vault.KindConnector, ID: "mine", Connector: "mine"})
		must[vault.Setting](t)(s.PutSetting(ctx, "x", "y", 0))
		changes("setting", vault.Change{Kind: vault.KindSetting, ID: "x"})
		must[vault.Account](t)(lease(t, v, a.ID, "", time.Minute).Save(ctx, minted("1", "2")))
		changes("refresh", vault.Change{Kind: vault.KindAccount, ID: a.ID, Connector: "github", Refreshed: true})
		if n := here.count(); n != 8 {
			t.Errorf("this process was told %d times, want 8: %+v", n, here.got)
		}
		// What fails is not told.
		before := here.count()
		_, err = s.SetState(ctx, a.ID, 0, vault.Pending, vault.Reason{Code: "x"})
		want(t, "SetState", err, vault.ErrNotAllowed)
		if here.count() != before {
			t.Errorf("a change that was refused was told")
		}
		// Too much for one notification still arrives, as "everything".
		var lines string
		for i := range 300 {
			lines += fmt.Sprintf(`{"account":{"connector":"x","option":"y","name":"n%d"}}`+"\n", i)
		}
		importText(t, v, lines)
		within(t, time.Second, "import", func() bool { return there.heard(vault.Change{Kind: vault.KindEverything}) })
	})
}

func TestUnsubscribe(t *testing.T) {
	v := vaulttest.Open(t, vaulttest.SQLite(t))
	n := 0
	cancel := v.Subscribe(func(vault.Change) { n++ })
	must[vault.Setting](t)(v.System().PutSetting(t.Context(), "x", "1", 0))
	cancel()
	must[vault.Setting](t)(v.System().PutSetting(t.Context(), "x", "2", 0))
	if n != 1 {
		t.Errorf("told %d times, want 1", n)
	}
}

// TestPostgresGoesAway: the vault says so clearly, loses nothing, and works again
// by itself when the server is back; what it may have missed is told.
func TestPostgresGoesAway(t *testing.T) {
	if !vaulttest.Thorough() {
		t.Skip("takes seconds: with " + vaulttest.ThoroughEnv)
	}
	if os.Getenv(vaulttest.AddressEnv) != "" {
		t.Skip("needs a server that it may stop")
	}
	vaulttest.Postgres(t) // skips where there is none
	srv, err := vaulttest.StartPostgres()
	want(t, "StartPostgres", err, nil)
	defer srv.Stop()
	v := vaulttest.Open(t, vault.Config{Driver: "postgres", Source: srv.URL("postgres"), Keys: vaulttest.Keys(t)})
	ctx, s := t.Context(), v.System()
	a := active(t, s, "a")
	e := listen(v)

	srv.Kill()
	_, err = v.Unseal(ctx, a.ID)
	want(t, "Unseal without a server", err, vault.ErrUnavailable)
	_, err = s.UpdateAccount(ctx, a.ID, 0, vault.AccountEdit{})
	want(t, "UpdateAccount without a server", err, vault.ErrUnavailable)
	_, err = v.Lease(ctx, a.ID, "", time.Minute)
	want(t, "Lease without a server", err, vault.ErrUnavailable)
	for range 100 {
		want(t, "Record", v.Record(ctx, use(a.ID, 200)), nil)
	}
	time.Sleep(200 * time.Millisecond)
	for range 100 {
		want(t, "Record", v.Record(ctx, use(a.ID, 200)), nil)
	}

	want(t, "Start", srv.Start(), nil)
	within(t, 10*time.Second, "works again", func() bool { return v.Ping(ctx) == nil })
	if u := must[vault.Unsealed](t)(v.Unseal(ctx, a.ID)); u.RefreshToken.Reveal() != "refresh-0-a" {
		t.Errorf("the account came back without its token")
	}
	within(t, 10*time.Second, "told that everything may have changed", func() bool { return e.heard(vault.Change{Kind: vault.KindEverything}) })
	within(t, 10*time.Second, "the audit is whole", func() bool {
		st, err := v.Status(ctx)
		l, err2 := s.Audit(ctx, vault.AuditFilter{Kind: vault.AuditUse}, vault.Page{Limit: 500})
		return err == nil && err2 == nil && len(l.Items) == 200 && st.DroppedEvents == 0
	})
	if days := must[[]vault.Usage](t)(s.Usage(ctx, a.ID, time.Now(), time.Now())); days[0].Calls != 200 {
		t.Errorf("usage counts %d calls, want 200", days[0].Calls)
	}
}
