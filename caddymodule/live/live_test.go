package live_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/attache-proxy/attache/caddymodule/live"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/providers/providerstest"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/cache"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/vault"
)

// replica is a proxy without HTTP: a directory and credentials over a vault.
type replica struct {
	*live.Directory
	v     *vault.Vault
	creds *resolver.Credentials
}

func openVault(t *testing.T, path string, keys *vault.Keyring) *vault.Vault {
	t.Helper()
	v, err := vault.Open(t.Context(), vault.Config{Driver: "sqlite", Source: path, Keys: keys, Poll: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

func newReplica(t *testing.T, v *vault.Vault, c *providers.Connector, client oauth.Doer) *replica {
	t.Helper()
	mem := cache.NewMemory(0)
	static := resolver.NewStatic(nil)
	if err := static.AddAgent("filed", nil, nil); err != nil {
		t.Fatal(err)
	}
	creds := &resolver.Credentials{Cache: mem, HTTP: func(*providers.Connector) oauth.Doer { return client }}
	d := live.New(live.Config{
		Vault: v, Static: static,
		Connector:  func(key string) (*providers.Connector, bool) { return c, key == c.Key },
		ConnectURL: func(*vault.Account) string { return "" },
		Changed:    func(string, string, string) {},
		LeaseFor:   resolver.LeaseFor(resolver.DefaultTokenTimeout),
		Refreshed:  mem.Drop,
		Edited:     mem.Drop,
		Corrected:  creds.Corrected,
		Heard:      func() {},
		Limit:      func(string) *limit.Agent { return nil },
	})
	t.Cleanup(d.Close)
	return &replica{d, v, creds}
}

func keys(t *testing.T) *vault.Keyring {
	t.Helper()
	k, err := vault.ParseKeys(vault.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const pasted = "key: svc\nhosts: [svc.example]\nauth: {key: {type: credentials, fields: {key: {secret: true}}}}\n"

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newAccount(t *testing.T, v *vault.Vault, option, name string, c vault.Credentials) vault.Account {
	t.Helper()
	return must[vault.Account](t)(v.System().CreateAccount(t.Context(), vault.NewAccount{
		Connector: "svc", Option: option, Name: name, Identifier: "u", IdentifierType: "user", Credentials: &c, Connected: &vault.Connection{},
	}))
}

func TestChangesHoldOnTheNextRequest(t *testing.T) {
	path, ring := filepath.Join(t.TempDir(), "v.db"), keys(t)
	v := openVault(t, path, ring)
	other := newReplica(t, openVault(t, path, ring), providerstest.Connector(t, pasted), nil)
	r := newReplica(t, v, providerstest.Connector(t, pasted), nil)
	ctx, sys := t.Context(), v.System()

	acct := newAccount(t, v, "key", "one", vault.Credentials{Secrets: secret.Values{"key": secret.New("key-one-123")}})
	row, token, err := sys.CreateAgent(ctx, vault.NewAgent{Name: "bot"})
	if err != nil {
		t.Fatal(err)
	}
	granted := func(r *replica) string {
		t.Helper()
		agent, err := r.AgentByToken(ctx, "bot", token.Reveal()) // as each request does
		if err != nil {
			return err.Error()
		}
		got, err := r.Granted(ctx, agent, "svc")
		if err != nil {
			return err.Error()
		}
		s := ""
		for _, g := range got {
			cred, err := r.creds.For(ctx, g.Account, nil)
			if err != nil {
				t.Fatal(err)
			}
			s += fmt.Sprintf("%s %s %v %s;", g.Account.Name, g.Account.State, g.Write, cred.Token.Reveal())
		}
		return s
	}
	// eventually: the other replica hears of it within a second.
	eventually := func(want string) {
		t.Helper()
		if got := granted(r); got != want {
			t.Errorf("granted at once = %q, want %q", got, want)
		}
		deadline := time.Now().Add(time.Second)
		for granted(other) != want && time.Now().Before(deadline) {
			time.Sleep(5 * time.Millisecond)
		}
		if got := granted(other); got != want {
			t.Errorf("granted on the other replica after a second = %q, want %q", got, want)
		}
	}
	eventually("")
	g := must[vault.Grant](t)(sys.CreateGrant(ctx, vault.NewGrant{AgentID: row.ID, AccountID: acct.ID, Scopes: []string{"read"}}))
	eventually("one active false key-one-123;")
	must[vault.Account](t)(sys.SetCredentials(ctx, acct.ID, 0, vault.Credentials{Secrets: secret.Values{"key": secret.New("key-two-456")}}))
	must[vault.Account](t)(sys.SetState(ctx, acct.ID, 0, vault.Suspended, vault.Reason{Code: "test"}))
	eventually("one suspended false key-two-456;")
	must[vault.Account](t)(sys.Resume(ctx, acct.ID, 0, vault.Reason{Code: "test"}))
	eventually("one active false key-two-456;")
	none, any := []string{"another"}, []string(nil)
	must[vault.Agent](t)(sys.UpdateAgent(ctx, row.ID, 0, vault.AgentEdit{Connectors: &none}))
	eventually("")
	must[vault.Agent](t)(sys.UpdateAgent(ctx, row.ID, 0, vault.AgentEdit{Connectors: &any}))
	eventually("one active false key-two-456;")
	if err := sys.DeleteGrant(ctx, g.ID, 0); err != nil {
		t.Fatal(err)
	}
	eventually("")
	infos := must[[]vault.TokenInfo](t)(sys.AgentTokens(ctx, row.ID))
	if err := sys.DeleteAgentToken(ctx, row.ID, infos[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AgentByToken(ctx, "bot", token.Reveal()); !errors.Is(err, resolver.ErrUnknownAgent) {
		t.Errorf("AgentByToken after the token was deleted = %v, want ErrUnknownAgent", err)
	}
}

func TestGrantsEndAndAreNarrowed(t *testing.T) {
	v := openVault(t, filepath.Join(t.TempDir(), "v.db"), keys(t))
	r := newReplica(t, v, providerstest.Connector(t, pasted), nil)
	ctx := t.Context()
	acct := newAccount(t, v, "key", "one", vault.Credentials{Secrets: secret.Values{"key": secret.New("key-one-123")}})
	row, token, err := v.System().CreateAgent(ctx, vault.NewAgent{Name: "bot"})
	if err != nil {
		t.Fatal(err)
	}
	agent := must[*resolver.Agent](t)(r.AgentByToken(ctx, "", token.Reveal()))
	must[vault.Grant](t)(v.System().CreateGrant(ctx, vault.NewGrant{AgentID: row.ID, AccountID: acct.ID, Scopes: []string{"read", "write"},
		Rules: []vault.Rule{{Methods: []string{"GET"}, Path: "/v1/**"}}, ExpiresAt: time.Now().Add(300 * time.Millisecond)}))
	got := must[[]resolver.Granted](t)(r.Granted(ctx, agent, "svc"))
	if len(got) != 1 || len(got[0].Rules) != 1 || !got[0].Rules[0].Path.Matches("/v1/x") || got[0].Rules[0].Path.Matches("/v2/x") {
		t.Fatalf("Granted = %+v, want one grant with its rule", got)
	}
	time.Sleep(400 * time.Millisecond)
	if got := must[[]resolver.Granted](t)(r.Granted(ctx, agent, "svc")); len(got) != 0 {
		t.Errorf("Granted after its end = %+v, want nothing", got)
	}
	if _, err := r.AgentByToken(ctx, "other", token.Reveal()); !errors.Is(err, resolver.ErrUnknownAgent) {
		t.Errorf("AgentByToken with another's name = %v, want ErrUnknownAgent", err)
	}
}

// rotating is a token endpoint whose refresh tokens work once, with a connector of it and
// the tokens of an account one, which have ended; using an old one kills the family.
func rotating(t *testing.T) (idp *oauthtest.Endpoint, c *providers.Connector, client *http.Client, ended vault.Credentials) {
	idp = oauthtest.New(oauthtest.Options{Rotate: true, Lifetime: time.Hour, Fault: func(*oauthtest.Call) oauthtest.Fault {
		return oauthtest.Fault{Delay: 50 * time.Millisecond}
	}})
	srv := httptest.NewServer(idp)
	t.Cleanup(srv.Close)
	c = providerstest.Connector(t, "key: svc\nhosts: [svc.example]\nauth: {oauth: {type: oauth2, authorize_url: '"+srv.URL+"/authorize', token_url: '"+srv.URL+"/token'}}\n")
	refresh, access := idp.Issue("one")
	return idp, c, srv.Client(), vault.Credentials{Token: secret.New(access), RefreshToken: secret.New(refresh), ExpiresAt: time.Now().Add(-time.Minute)}
}

// TestOneRefreshForAllReplicas has four replicas with an expired token and many
// requests: one token request, and everybody gets its result.
func TestOneRefreshForAllReplicas(t *testing.T) {
	idp, c, client, ended := rotating(t)
	path, ring := filepath.Join(t.TempDir(), "v.db"), keys(t)
	var rs []*replica
	for range 4 {
		rs = append(rs, newReplica(t, openVault(t, path, ring), c, client))
	}
	acct := newAccount(t, rs[0].v, "oauth", "one", ended)
	var got sync.Map // tokens
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			r := rs[i%len(rs)]
			a, err := r.Account(t.Context(), acct.ID)
			if err != nil {
				t.Error(err)
				return
			}
			cred, err := r.creds.For(t.Context(), a, nil)
			if err != nil {
				t.Errorf("For = %v", err)
				return
			}
			got.Store(cred.Token.Reveal(), true)
		})
	}
	wg.Wait()
	tokens := slices.Collect(maps.Keys(maps.Collect(got.Range)))
	if len(tokens) != 1 || tokens[0] == ended.Token.Reveal() {
		t.Errorf("%d tokens, want everybody to have one new one", len(tokens))
	}
	if n := idp.Stats().TokenRequests; n != 1 {
		t.Errorf("token requests = %d, want 1", n)
	}
	// A forced refresh on one replica, then on another: each token once.
	for i := range 2 {
		a := must[*resolver.Account](t)(rs[i].Account(t.Context(), acct.ID))
		old := must[*secret.Credential](t)(rs[i].creds.For(t.Context(), a, nil))
		cred, ok, err := rs[i].creds.Force(t.Context(), a, old, func() bool { return true })
		if err != nil || !ok || slices.Contains(tokens, any(cred.Token.Reveal())) {
			t.Fatalf("Force on replica %d = %v, %v, %v; want a new token", i, cred, ok, err)
		}
		if who, ok := idp.Check(cred.Token.Reveal()); !ok || who != "one" {
			t.Errorf("the token of replica %d is not the service's last", i)
		}
		tokens = append(tokens, cred.Token.Reveal())
		time.Sleep(200 * time.Millisecond) // the others hear of it
	}
	if n := idp.Stats(); n.Reuses != 0 || n.TokenRequests != 3 {
		t.Errorf("%d token requests, %d with an old refresh token; want 3, 0", n.TokenRequests, n.Reuses)
	}
}

// TestTestTokenIsUsedAsItIs: no token endpoint is asked for an account in test mode.
func TestTestTokenIsUsedAsItIs(t *testing.T) {
	idp, c, client, _ := rotating(t)
	v := openVault(t, filepath.Join(t.TempDir(), "v.db"), keys(t))
	r := newReplica(t, v, c, client)
	row := must[vault.Account](t)(v.System().CreateAccount(t.Context(), vault.NewAccount{Connector: "svc", Option: "oauth", Name: "trial", TestMode: true,
		Credentials: &vault.Credentials{Token: secret.New("test_token-1")}, Connected: &vault.Connection{}}))
	a := must[*resolver.Account](t)(r.Account(t.Context(), row.ID))
	cred, err := r.creds.For(t.Context(), a, nil)
	if err != nil || cred.Token.Reveal() != "test_token-1" || r.creds.CanRefresh(a) || idp.Stats().TokenRequests != 0 {
		t.Errorf("For = %v, %v, can refresh: %v, token requests: %d; want the test token and nothing else", cred, err, r.creds.CanRefresh(a), idp.Stats().TokenRequests)
	}
}

func TestInvalidGrantExpiresTheAccount(t *testing.T) {
	idp, c, client, ended := rotating(t)
	idp.Kill("one")
	v := openVault(t, filepath.Join(t.TempDir(), "v.db"), keys(t))
	r := newReplica(t, v, c, client)
	acct := newAccount(t, v, "oauth", "one", ended)
	a := must[*resolver.Account](t)(r.Account(t.Context(), acct.ID))
	_, err := r.creds.For(t.Context(), a, nil)
	if ref, ok := resolver.AsRefusal(err); !ok || ref.Code != "account_expired" {
		t.Errorf("For = %v, want account_expired", err)
	}
	if got := must[*resolver.Account](t)(r.Account(t.Context(), acct.ID)); got.State != resolver.StateExpired {
		t.Errorf("state = %s, want expired", got.State)
	}
}

// TestReadsOfARequest: two statements for an agent that is not in memory, however
// many accounts there are, and none for one that is.
func TestReadsOfARequest(t *testing.T) {
	v := openVault(t, filepath.Join(t.TempDir(), "v.db"), keys(t))
	r := newReplica(t, v, providerstest.Connector(t, pasted), nil)
	ctx, sys := t.Context(), v.System()
	row, token, err := sys.CreateAgent(ctx, vault.NewAgent{Name: "bot"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		acct := newAccount(t, v, "key", fmt.Sprint("a", i), vault.Credentials{Secrets: secret.Values{"key": secret.New(fmt.Sprint("key-of-", i))}})
		must[vault.Grant](t)(sys.CreateGrant(ctx, vault.NewGrant{AgentID: row.ID, AccountID: acct.ID, Scopes: []string{"read"}}))
	}
	request := func() uint64 {
		t.Helper()
		before := v.Reads()
		agent := must[*resolver.Agent](t)(r.AgentByToken(ctx, "bot", token.Reveal()))
		got := must[[]resolver.Granted](t)(r.Granted(ctx, agent, "svc"))
		if len(got) != 3 {
			t.Fatalf("Granted = %d accounts, want 3", len(got))
		}
		for i, g := range got {
			if cred, err := r.creds.For(ctx, g.Account, nil); err != nil || cred.Fields.Get("key").Reveal() != fmt.Sprint("key-of-", i) {
				t.Errorf("the credential of %s = %v, %v", g.Account.Name, cred, err)
			}
		}
		return v.Reads() - before
	}
	if n := request(); n != 2 {
		t.Errorf("a request from cold reads %d times, want 2", n)
	}
	for range 1000 {
		if n := request(); n != 0 {
			t.Fatalf("a request in the steady state reads %d times, want none", n)
		}
	}
	// Somebody else's edits change nothing of that.
	other, _, err := sys.CreateAgent(ctx, vault.NewAgent{Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	must[vault.Agent](t)(sys.UpdateAgent(ctx, other.ID, 0, vault.AgentEdit{Name: ptr("renamed")}))
	newAccount(t, v, "key", "another", vault.Credentials{Secrets: secret.Values{"key": secret.New("key-of-another")}})
	if n := request(); n != 0 {
		t.Errorf("after edits of others a request reads %d times, want none", n)
	}
}

func ptr[T any](v T) *T { return &v }

// TestAgentsOfOneName: an agent of the vault that is called like one of the
// configuration file gets nothing of what stands there.
func TestAgentsOfOneName(t *testing.T) {
	v := openVault(t, filepath.Join(t.TempDir(), "v.db"), keys(t))
	c := providerstest.Connector(t, pasted)
	static := resolver.NewStatic([]*resolver.Account{{ID: "svc:default", Name: "default", Connector: c, Option: c.Options[0], State: resolver.StateActive}})
	if err := static.AddAgent("filed", nil, []resolver.Grant{{Connector: "svc"}}); err != nil {
		t.Fatal(err)
	}
	d := live.New(live.Config{
		Vault: v, Static: static, Connector: func(key string) (*providers.Connector, bool) { return c, key == c.Key },
		ConnectURL: func(*vault.Account) string { return "" }, Changed: func(string, string, string) {}, Refreshed: func(string) {}, Heard: func() {}, Limit: func(string) *limit.Agent { return nil },
	})
	t.Cleanup(d.Close)
	filed := must[*resolver.Agent](t)(d.AgentByName(t.Context(), "filed"))
	if got := must[[]resolver.Granted](t)(d.Granted(t.Context(), filed, "svc")); len(got) != 1 {
		t.Fatalf("the file's own agent has %d accounts, want 1: the test shows nothing", len(got))
	}
	_, token, err := v.As(vault.Actor{Kind: "test"}, "acme").CreateAgent(t.Context(), vault.NewAgent{Name: "filed"})
	if err != nil {
		t.Fatal(err)
	}
	impostor := must[*resolver.Agent](t)(d.AgentByToken(t.Context(), "filed", token.Reveal()))
	if got := must[[]resolver.Granted](t)(d.Granted(t.Context(), impostor, "svc")); len(got) != 0 {
		t.Errorf("an agent of another organisation that is called like it has %d accounts, want none", len(got))
	}
}
