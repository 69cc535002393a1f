package vault_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

func TestSessions(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		clock := vaulttest.NewClock()
		c.Now = clock.Now
		v := vaulttest.Open(t, c)
		ctx, s := t.Context(), v.System()
		a := must[vault.Account](t)(s.CreateAccount(ctx, vault.NewAccount{Connector: "github", Option: "oauth"}))
		ses, token, err := s.CreateSession(ctx, vault.NewSession{AccountID: a.ID, Flow: "redirect", Scopes: []string{"repo"}, Data: vault.SessionData{Pinned: "oauth", Other: true},
			Secrets: secret.Values{"verifier": secret.New("pkce")}, State: secret.New("state-1"), Lifetime: 10 * time.Minute})
		want(t, "CreateSession", err, nil)
		got := must[vault.Session](t)(v.SessionByToken(ctx, token))
		if got.ID != ses.ID || got.Stage != vault.SessionOpen || got.AccountID != a.ID {
			t.Errorf("SessionByToken() = %+v", got)
		}
		_, err = v.SessionByToken(ctx, secret.New("state-1"))
		want(t, "SessionByToken(another token)", err, vault.ErrNotFound)

		got, values, err := v.TakeState(ctx, secret.New("state-1"))
		want(t, "TakeState", err, nil)
		if got.ID != ses.ID || values.Get("verifier").Reveal() != "pkce" {
			t.Errorf("TakeState() = %+v with %d secrets", got, len(values))
		}
		_, _, err = v.TakeState(ctx, secret.New("state-1"))
		want(t, "the same state again", err, vault.ErrNotFound)
		_, _, err = v.TakeState(ctx, secret.Value{})
		want(t, "an empty state", err, vault.ErrNotFound)

		got = must[vault.Session](t)(v.UpdateSession(ctx, ses.ID, 1, vault.SessionEdit{Stage: vault.SessionAuthorizing, Data: func(d *vault.SessionData) { d.Next = 2 }, State: secret.New("state-2"), Secrets: secret.Values{"verifier": secret.New("pkce-2")}}))
		if got.Data != (vault.SessionData{Pinned: "oauth", Other: true, Next: 2}) || got.Version != 2 {
			t.Errorf("UpdateSession() = %+v, want both data and version 2", got)
		}
		_, err = v.UpdateSession(ctx, ses.ID, 1, vault.SessionEdit{})
		want(t, "UpdateSession at an old version", err, vault.ErrConflict)
		if values := must[secret.Values](t)(v.SessionSecrets(ctx, ses.ID)); values.Get("verifier").Reveal() != "pkce-2" {
			t.Errorf("the secret was not replaced")
		}
		must[vault.Session](t)(v.UpdateSession(ctx, ses.ID, 0, vault.SessionEdit{Stage: vault.SessionDone}))
		_, err = v.UpdateSession(ctx, ses.ID, 0, vault.SessionEdit{Stage: vault.SessionOpen})
		want(t, "UpdateSession of one that is over", err, vault.ErrUsed)
		_, _, err = v.TakeState(ctx, secret.New("state-2"))
		want(t, "TakeState of one that is over", err, vault.ErrUsed)
		if values := must[secret.Values](t)(v.SessionSecrets(ctx, ses.ID)); len(values) != 0 {
			t.Errorf("a session that is over keeps %d secrets", len(values))
		}

		_, token, err = s.CreateSession(ctx, vault.NewSession{AccountID: a.ID, State: secret.New("state-3"), Lifetime: 10 * time.Minute})
		want(t, "CreateSession", err, nil)
		clock.Advance(10 * time.Minute)
		_, err = v.SessionByToken(ctx, token)
		want(t, "SessionByToken after its end", err, vault.ErrExpired)
		_, _, err = v.TakeState(ctx, secret.New("state-3"))
		want(t, "TakeState after its end", err, vault.ErrExpired)
	})
}

// TestStateOnce: of two callbacks with one state, one is served.
func TestStateOnce(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		a := must[vault.Account](t)(v.System().CreateAccount(t.Context(), vault.NewAccount{Connector: "github", Option: "oauth"}))
		_, _, err := v.System().CreateSession(t.Context(), vault.NewSession{AccountID: a.ID, State: secret.New("s"), Lifetime: time.Minute})
		want(t, "CreateSession", err, nil)
		var wg sync.WaitGroup
		var mu sync.Mutex
		served := 0
		for range 10 {
			wg.Go(func() {
				_, _, err := v.TakeState(t.Context(), secret.New("s"))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					served++
				} else if !errors.Is(err, vault.ErrNotFound) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if served != 1 {
			t.Errorf("%d callbacks were served, want 1", served)
		}
	})
}

func TestApps(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		acme := v.As(vault.Actor{Kind: "admin"}, "acme")
		managed := must[vault.App](t)(s.CreateApp(ctx, vault.App{Connector: "github", Mode: vault.AppManaged, ClientID: "m"}, secret.Values{"client_secret": secret.New("managed-secret")}))
		own := must[vault.App](t)(acme.CreateApp(ctx, vault.App{Connector: "github", Mode: vault.AppOwn, ClientID: "o"}, secret.Values{"client_secret": secret.New("own-secret")}))
		if managed.Organisation != vault.All || own.Organisation != "acme" {
			t.Errorf("apps belong to %q and %q, want * and acme", managed.Organisation, own.Organisation)
		}
		apps := must[[]vault.App](t)(v.AppsFor(ctx, "github", "acme"))
		if len(apps) != 2 || apps[0].ID != own.ID {
			t.Errorf("AppsFor(acme) = %+v, want its own first, then the managed one", apps)
		}
		if apps := must[[]vault.App](t)(v.AppsFor(ctx, "github", "other")); len(apps) != 1 || apps[0].ID != managed.ID {
			t.Errorf("AppsFor(other) = %+v, want the managed one", apps)
		}
		// Everybody's app is seen by all and edited by the operator.
		must[vault.App](t)(acme.App(ctx, managed.ID))
		_, err := acme.UpdateApp(ctx, managed.ID, 0, vault.AppEdit{})
		want(t, "UpdateApp of everybody's app", err, vault.ErrNotFound)
		off, id := false, "new-id"
		got := must[vault.App](t)(s.UpdateApp(ctx, managed.ID, managed.Version, vault.AppEdit{Active: &off, ClientID: &id, Secrets: secret.Values{"client_secret": {}, "private_key": secret.New("pem")}}))
		if got.Active || got.ClientID != "new-id" {
			t.Errorf("UpdateApp() = %+v", got)
		}
		if _, values, err := v.UnsealApp(ctx, managed.ID, nowhere{}); err != nil || len(values) != 2 || values.Get("private_key").Reveal() != "pem" {
			t.Errorf("UnsealApp() has %d secrets, %v; want the private key and the hosts", len(values), err)
		}
		if apps := must[[]vault.App](t)(v.AppsFor(ctx, "github", "other")); len(apps) != 0 {
			t.Errorf("an app that is off is offered")
		}
		must[vault.Account](t)(s.CreateAccount(ctx, vault.NewAccount{Organisation: "acme", Connector: "github", Option: "oauth", AppID: own.ID}))
		want(t, "DeleteApp in use", acme.DeleteApp(ctx, own.ID, 0), vault.ErrInUse)
		want(t, "DeleteApp", s.DeleteApp(ctx, managed.ID, 0), nil)
		_, err = s.CreateApp(ctx, vault.App{Connector: "github", Mode: "stolen"}, nil)
		want(t, "CreateApp of an unknown mode", err, vault.ErrInvalid)
	})
}

func TestConnectors(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		acme, other := v.As(vault.Actor{Kind: "admin"}, "acme"), v.As(vault.Actor{Kind: "admin"}, "other")
		own := must[vault.Connector](t)(acme.CreateConnector(ctx, vault.Connector{Key: "billing", Title: "Billing", Type: "OAUTH2", State: "active", Definition: "key: billing", Form: map[string]any{"scope": "a b"}}, false))
		must[vault.Connector](t)(s.CreateConnector(ctx, vault.Connector{Key: "shared", Title: "Shared", State: "active", Organisation: vault.All}, false))
		_, err := other.CreateConnector(ctx, vault.Connector{Key: "billing", Title: "x", State: "active"}, false)
		want(t, "a key that is taken", err, vault.ErrExists)
		if cs := must[[]vault.Connector](t)(other.Connectors(ctx)); len(cs) != 1 || cs[0].Key != "shared" {
			t.Errorf("Connectors(other) = %+v, want the shared one", cs)
		}
		if cs := must[[]vault.Connector](t)(s.Connectors(ctx)); len(cs) != 2 {
			t.Errorf("Connectors() = %d, want 2", len(cs))
		}
		got := must[vault.Connector](t)(acme.UpdateConnector(ctx, "billing", own.Version, nil, func(c *vault.Connector) error {
			c.Title, c.Key, c.Organisation = "Payments", "stolen", vault.All
			return nil
		}))
		if got.Title != "Payments" || got.Key != "billing" || got.Organisation != "acme" || got.Form["scope"] != "a b" {
			t.Errorf("UpdateConnector() = %+v, want a new title and nothing else", got)
		}
		_, err = acme.UpdateConnector(ctx, "billing", own.Version, nil, func(*vault.Connector) error { return nil })
		want(t, "UpdateConnector at an old version", err, vault.ErrConflict)
		_, err = acme.UpdateConnector(ctx, "shared", 0, nil, func(*vault.Connector) error { return nil })
		want(t, "UpdateConnector of everybody's", err, vault.ErrNotFound)
		for _, c := range []vault.Connector{{Key: "A", Title: "x", State: "active"}, {Key: "a b", Title: "x", State: "active"}, {Key: "ok", State: "active"}, {Key: "ok", Title: "x", State: "new"}} {
			_, err := s.CreateConnector(ctx, c, false)
			want(t, fmt.Sprintf("CreateConnector(%+v)", c), err, vault.ErrInvalid)
		}
		a := must[vault.Account](t)(acme.CreateAccount(ctx, vault.NewAccount{Connector: "billing", Option: "oauth"}))
		want(t, "DeleteConnector in use", acme.DeleteConnector(ctx, "billing", 0), vault.ErrInvalid)
		want(t, "DeleteAccount", acme.DeleteAccount(ctx, a.ID, 0), nil)
		want(t, "DeleteConnector", acme.DeleteConnector(ctx, "billing", 0), nil)
	})
}

func TestWebhooks(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		clock := vaulttest.NewClock()
		c.Now = clock.Now
		v := vaulttest.Open(t, c)
		ctx, s := t.Context(), v.System()
		hook, key, err := s.CreateWebhook(ctx, vault.NewWebhook{URL: "https://hooks.example/a", Events: []string{"account.*"}})
		want(t, "CreateWebhook", err, nil)
		if !strings.HasPrefix(key.Reveal(), "whsec_") {
			t.Errorf("the key is not in the form of Standard Webhooks")
		}
		a := active(t, s, "a") // created, credentials_set, active
		due := must[[]vault.Due](t)(v.ClaimDeliveries(ctx, 2, time.Minute))
		if len(due) != 2 || due[0].URL != hook.URL || !due[0].Key.Equal(key) || due[0].Attempts != 1 {
			t.Fatalf("ClaimDeliveries(2) = %+v", due)
		}
		if !strings.Contains(due[0].Payload, a.ID) || strings.Contains(due[0].Payload, "access-0") {
			t.Errorf("the payload is %s, want the account and no secret", due[0].Payload)
		}
		if rest := must[[]vault.Due](t)(v.ClaimDeliveries(ctx, 10, time.Minute)); len(rest) != 1 {
			t.Errorf("%d are left to claim, want 1", len(rest))
		}
		want(t, "FinishDelivery", v.FinishDelivery(ctx, due[0].ID, 200, "", time.Time{}), nil)
		want(t, "FinishDelivery", v.FinishDelivery(ctx, due[1].ID, 500, "answered 500", clock.Now().Add(5*time.Second)), nil)
		clock.Advance(10 * time.Second)
		again := must[[]vault.Due](t)(v.ClaimDeliveries(ctx, 10, time.Minute))
		if len(again) != 1 || again[0].ID != due[1].ID || again[0].Attempts != 2 {
			t.Errorf("after its pause %+v is due, want the failed one for the second time", again)
		}
		want(t, "FinishDelivery", v.FinishDelivery(ctx, due[1].ID, 0, "no answer", time.Time{}), nil)
		clock.Advance(2 * time.Minute) // the third was claimed by somebody who died
		if left := must[[]vault.Due](t)(v.ClaimDeliveries(ctx, 10, time.Minute)); len(left) != 1 {
			t.Errorf("%d are due after a claim was abandoned, want 1", len(left))
		}
		states := map[string]int{}
		l := must[vault.List[vault.Delivery]](t)(s.Deliveries(ctx, hook.ID, vault.Page{}))
		for _, d := range l.Items {
			states[d.State]++
		}
		if states[vault.DeliveryDone] != 1 || states[vault.DeliveryFailed] != 1 || states[vault.DeliveryWaiting] != 1 {
			t.Errorf("deliveries are %v, want one of each", states)
		}
		want(t, "Redeliver", s.Redeliver(ctx, hook.ID, due[1].ID), nil)
		want(t, "Redeliver of nothing", s.Redeliver(ctx, hook.ID, "dlv_x"), vault.ErrNotFound)
		want(t, "TestWebhook", s.TestWebhook(ctx, hook.ID), nil)
		if due := must[[]vault.Due](t)(v.ClaimDeliveries(ctx, 10, time.Minute)); len(due) != 2 {
			t.Errorf("%d are due, want the one again and a ping", len(due))
		}
		off := false
		must[vault.Webhook](t)(s.UpdateWebhook(ctx, hook.ID, 1, vault.WebhookEdit{Active: &off}))
		active(t, s, "b")
		if due := must[[]vault.Due](t)(v.ClaimDeliveries(ctx, 10, time.Minute)); len(due) != 0 {
			t.Errorf("a webhook that is off is told of %d events", len(due))
		}
		want(t, "DeleteWebhook", s.DeleteWebhook(ctx, hook.ID, 0), nil)
		for _, n := range []vault.NewWebhook{{URL: "ftp://x", Events: []string{"*"}}, {URL: "https://u:p@x", Events: []string{"*"}}, {URL: "https://x"}, {URL: "x", Events: []string{"*"}}} {
			_, _, err := s.CreateWebhook(ctx, n)
			want(t, "CreateWebhook("+n.URL+")", err, vault.ErrInvalid)
		}
	})
}

// TestClaimOnce: two replicas never send the same delivery at the same time, and
// who asks while others claim gets what they left.
func TestClaimOnce(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		v, other := vaulttest.Open(t, c), vaulttest.Open(t, c)
		_, _, err := v.System().CreateWebhook(t.Context(), vault.NewWebhook{URL: "https://x.example", Events: []string{"account.created"}})
		want(t, "CreateWebhook", err, nil)
		for i := range 40 {
			active(t, v.System(), fmt.Sprint(i))
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		seen := map[string]int{}
		for i := range 8 {
			wg.Go(func() {
				for range 10 {
					due, err := []*vault.Vault{v, other}[i%2].ClaimDeliveries(t.Context(), 3, time.Minute)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					for _, d := range due {
						seen[d.ID]++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(seen) != 40 {
			t.Errorf("%d deliveries were claimed, want 40", len(seen))
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s was claimed %d times", id, n)
			}
		}
	})
}

func TestIdempotency(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		clock := vaulttest.NewClock()
		c.Now = clock.Now
		v := vaulttest.Open(t, c)
		ctx := t.Context()
		begin := func(owner, request string) (*vault.Answer, error) { return v.BeginRequest(ctx, owner, "key", request) }
		a, err := begin("adm_1", "r")
		if a != nil || err != nil {
			t.Fatalf("the first request = %+v, %v; want to run", a, err)
		}
		if a, err := begin("adm_1", "r"); err != nil || a == nil || a.Status != 0 {
			t.Errorf("while it runs = %+v, %v; want status 0", a, err)
		}
		want(t, "EndRequest", v.EndRequest(ctx, "adm_1", "key", vault.Answer{Status: 201, Headers: map[string]string{"ETag": `"1"`}, Body: `{"id":1}`}), nil)
		if a, err := begin("adm_1", "r"); err != nil || a == nil || a.Status != 201 || a.Body != `{"id":1}` || a.Headers["ETag"] != `"1"` {
			t.Errorf("a repetition = %+v, %v; want the first answer", a, err)
		}
		_, err = begin("adm_1", "other")
		want(t, "the key with another request", err, vault.ErrKeyReused)
		if a, err := begin("adm_2", "r"); a != nil || err != nil {
			t.Errorf("another caller's key = %+v, %v; want to run", a, err)
		}
		want(t, "ForgetRequest", v.ForgetRequest(ctx, "adm_2", "key"), nil)
		if a, err := begin("adm_2", "r2"); a != nil || err != nil {
			t.Errorf("a key given back = %+v, %v; want to run", a, err)
		}
		clock.Advance(3 * time.Minute)
		if a, err := begin("adm_2", "r2"); a != nil || err != nil {
			t.Errorf("after its process died = %+v, %v; want to run", a, err)
		}
		clock.Advance(25 * time.Hour)
		if a, err := begin("adm_1", "other"); a != nil || err != nil {
			t.Errorf("after a day = %+v, %v; want to run", a, err)
		}
	})
}

func TestAdminTokens(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		clock := vaulttest.NewClock()
		c.Now = clock.Now
		v := vaulttest.Open(t, c)
		ctx, s := t.Context(), v.System()
		x, token, err := s.CreateAdminToken(ctx, "ops", vault.RoleOperator, "acme", clock.Now().Add(time.Hour))
		want(t, "CreateAdminToken", err, nil)
		got := must[vault.AdminToken](t)(v.AdminByToken(ctx, token))
		if got.ID != x.ID || got.Role != vault.RoleOperator || got.Organisation != "acme" || got.CreatedBy != "system:" {
			t.Errorf("AdminByToken() = %+v", got)
		}
		_, agent, err := s.CreateAgent(ctx, vault.NewAgent{Name: "bot"})
		want(t, "CreateAgent", err, nil)
		_, err = v.AdminByToken(ctx, agent)
		want(t, "AdminByToken of an agent's token", err, vault.ErrNotFound)
		_, _, err = v.AgentByToken(ctx, token)
		want(t, "AgentByToken of an admin token", err, vault.ErrNotFound)
		_, _, err = s.CreateAdminToken(ctx, "ops", vault.RoleViewer, "", time.Time{})
		want(t, "a name that is taken", err, vault.ErrExists)
		_, _, err = s.CreateAdminToken(ctx, "x", "root", "", time.Time{})
		want(t, "an unknown role", err, vault.ErrInvalid)
		clock.Advance(2 * time.Hour)
		_, err = v.AdminByToken(ctx, token)
		want(t, "an expired token", err, vault.ErrNotFound)
		want(t, "DeleteAdminToken", s.DeleteAdminToken(ctx, x.ID), nil)
		want(t, "DeleteAdminToken again", s.DeleteAdminToken(ctx, x.ID), vault.ErrNotFound)
	})
	if vault.RoleViewer.Includes(vault.RoleOperator) || !vault.RoleAdmin.Includes(vault.RoleViewer) || vault.Role("").Includes("") {
		t.Errorf("roles include each other in the wrong order")
	}
}

func TestSettings(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		x := must[vault.Setting](t)(s.PutSetting(ctx, "connector.github.app_mode", "own", 0))
		_, err := s.PutSetting(ctx, "connector.github.app_mode", "managed", x.Version+1)
		want(t, "PutSetting at another version", err, vault.ErrConflict)
		must[vault.Setting](t)(s.PutSetting(ctx, "connector.github.app_mode", "managed", x.Version))
		got := must[vault.Setting](t)(v.Setting(ctx, "connector.github.app_mode"))
		if got.Value != "managed" || got.Version != 2 {
			t.Errorf("Setting() = %+v", got)
		}
		_, err = s.PutSetting(ctx, "vault.id", "x", 0)
		want(t, "PutSetting of the vault's own", err, vault.ErrInvalid)
		_, err = v.As(vault.Actor{}, "acme").PutSetting(ctx, "x", "y", 0)
		want(t, "PutSetting of an organisation", err, vault.ErrOrganisation)
		if all := must[[]vault.Setting](t)(v.Settings(ctx, "connector.")); len(all) != 1 {
			t.Errorf("Settings(connector.) = %d, want 1", len(all))
		}
	})
}

// A proof finds a token by the beginning of its digest, and only one that works.
func TestAgentTokenDigests(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		clock := vaulttest.NewClock()
		c.Now = clock.Now
		v := vaulttest.Open(t, c)
		ctx, s := t.Context(), v.System()
		bot, token, err := s.CreateAgent(ctx, vault.NewAgent{Name: "bot"})
		want(t, "CreateAgent", err, nil)
		_, _, err = s.CreateAgent(ctx, vault.NewAgent{Name: "other"})
		want(t, "CreateAgent", err, nil)
		sum := sha256.Sum256([]byte(token.Reveal()))
		prefix := hex.EncodeToString(sum[:])[:8]
		got := must[[][]byte](t)(v.AgentTokenDigests(ctx, prefix))
		if len(got) != 1 || !bytes.Equal(got[0], sum[:]) {
			t.Errorf("AgentTokenDigests(%s) = %x, want %x", prefix, got, sum)
		}
		beside := []byte(prefix)
		beside[7] = "0123456789abcdef0"[strings.IndexByte("0123456789abcdef", beside[7])+1]
		if got := must[[][]byte](t)(v.AgentTokenDigests(ctx, string(beside))); len(got) != 0 {
			t.Errorf("AgentTokenDigests(%s) = %x, want none", beside, got)
		}
		want(t, "DeleteAgent", s.DeleteAgent(ctx, bot.ID, bot.Version), nil)
		if got := must[[][]byte](t)(v.AgentTokenDigests(ctx, prefix)); len(got) != 0 {
			t.Errorf("AgentTokenDigests of an agent that is gone = %x, want none", got)
		}
	})
}
