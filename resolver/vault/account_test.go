package vault_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

func TestAccountLife(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		a := must[vault.Account](t)(s.CreateAccount(ctx, vault.NewAccount{
			Connector: "zendesk", Option: "token", Name: "Top Zip", Identifier: "u-1", Metadata: map[string]any{"plan": "pro"},
			Credentials: pasted("s3cret-key-of-zendesk"),
		}))
		if a.State != vault.Pending || a.Organisation != vault.DefaultOrganisation || a.IdentifierType != "user" || a.Version != 1 {
			t.Errorf("CreateAccount() = %+v, want a pending account of the default organisation at version 1", a)
		}
		_, err := s.CreateAccount(ctx, vault.NewAccount{Connector: "zendesk", Option: "token", Name: "Top Zip", Identifier: "u-1"})
		want(t, "a second account of that name", err, vault.ErrExists)
		must[vault.Account](t)(s.CreateAccount(ctx, vault.NewAccount{Connector: "zendesk", Option: "token", Name: "Top Zip", Identifier: "u-2"}))

		who := vault.ProviderAccount{ID: "42", Label: "Zip", Email: "zip@example.com"}
		a = must[vault.Account](t)(s.Connect(ctx, a.ID, a.Version, vault.Connection{Generation: a.Generation, Provider: &who, Captured: map[string]string{"tenant": "eu"}}))
		if a.State != vault.Active || a.Provider != who || a.Reason.Code != vault.ReasonConnected || a.ConnectedAt.IsZero() {
			t.Errorf("Connect() = %+v, want an active account of Zip", a)
		}

		u := must[vault.Unsealed](t)(v.Unseal(ctx, a.ID))
		if got := u.Credential.Fields.Get("api_key").Reveal(); got != "s3cret-key-of-zendesk" {
			t.Errorf("Unseal api_key = %q, want what was stored", got)
		}
		if got := u.Credential.Fields.Get("subdomain").Reveal(); got != "acme" {
			t.Errorf("Unseal subdomain = %q, want acme", got)
		}
		if u.Account.Captured["tenant"] != "eu" || u.Account.Metadata["plan"] != "pro" {
			t.Errorf("Unseal account = %+v, want what was captured and the metadata", u.Account)
		}

		infos := must[[]vault.SecretInfo](t)(s.AccountSecrets(ctx, a.ID))
		if len(infos) != 1 || infos[0].Field != "api_key" || infos[0].Tail != "desk" || len(infos[0].Fingerprint) != 16 {
			t.Errorf("AccountSecrets() = %+v, want api_key with its last four characters", infos)
		}

		want(t, "DeleteAccount at an old version", s.DeleteAccount(ctx, a.ID, a.Version-1), vault.ErrConflict)
		want(t, "DeleteAccount", s.DeleteAccount(ctx, a.ID, a.Version), nil)
		_, err = v.Unseal(ctx, a.ID)
		want(t, "Unseal of a deleted account", err, vault.ErrNotFound)
	})
}

func TestUpdateAccountConflict(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		a := active(t, s, "one")
		active(t, s, "two")
		name, off := "uno", false
		b := must[vault.Account](t)(s.UpdateAccount(ctx, a.ID, a.Version, vault.AccountEdit{Name: &name,
			ChangeSettings: func(vault.Settings) vault.Settings { return vault.Settings{AutoRefresh: &off, RateLimit: 60} }}))
		if b.Name != "uno" || b.Settings.Refreshes() || b.Settings.RateLimit != 60 || b.Version != a.Version+1 {
			t.Errorf("UpdateAccount() = %+v, want the edit and the next version", b)
		}
		_, err := s.UpdateAccount(ctx, a.ID, a.Version, vault.AccountEdit{Name: &name})
		want(t, "UpdateAccount at an old version", err, vault.ErrConflict)
		taken := "two"
		_, err = s.UpdateAccount(ctx, a.ID, 0, vault.AccountEdit{Name: &taken})
		want(t, "UpdateAccount to a taken name", err, vault.ErrExists)
		_, err = s.UpdateAccount(ctx, "acc_00000000000000000000000000", 0, vault.AccountEdit{})
		want(t, "UpdateAccount of nothing", err, vault.ErrNotFound)
		got := must[vault.Account](t)(s.Account(ctx, a.ID))
		if got.Name != "uno" || got.Version != b.Version {
			t.Errorf("after refused edits the account is %q at version %d, want uno at %d", got.Name, got.Version, b.Version)
		}
	})
}

func TestBadAccounts(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		good := func() vault.NewAccount { return vault.NewAccount{Connector: "github", Option: "token", Name: "n"} }
		for _, tt := range []struct {
			field string
			spoil func(*vault.NewAccount)
		}{
			{"connector", func(n *vault.NewAccount) { n.Connector = "" }},
			{"option", func(n *vault.NewAccount) { n.Option = "" }},
			{"name", func(n *vault.NewAccount) { n.Name = strings.Repeat("x", 129) }},
			{"name", func(n *vault.NewAccount) { n.Name = "a\x00b" }},
			{"name", func(n *vault.NewAccount) { n.Name = "a\nb" }},
			{"name", func(n *vault.NewAccount) { n.Name = " a" }},
			{"name", func(n *vault.NewAccount) { n.Name = "\xff" }},
			{"organisation", func(n *vault.NewAccount) { n.Organisation = "*" }},
			{"identifier_type", func(n *vault.NewAccount) { n.Identifier, n.IdentifierType = "x", "team" }},
			{"settings.rate_limit", func(n *vault.NewAccount) { n.Settings.RateLimit = -1 }},
			{"settings.timeout", func(n *vault.NewAccount) { n.Settings.TimeoutMillis = 1 << 40 }},
			{"settings.retry_attempts", func(n *vault.NewAccount) { n.Settings.RetryAttempts = 99 }},
			{"metadata", func(n *vault.NewAccount) { n.Metadata = map[string]any{"x": strings.Repeat("y", 20_000)} }},
			{"credentials.@token", func(n *vault.NewAccount) {
				n.Credentials = &vault.Credentials{Secrets: secret.Values{"@token": secret.New("x")}}
			}},
			{"credentials.a b", func(n *vault.NewAccount) { n.Credentials = &vault.Credentials{Fields: map[string]string{"a b": "x"}} }},
		} {
			n := good()
			tt.spoil(&n)
			_, err := v.System().CreateAccount(t.Context(), n)
			var bad *vault.InvalidError
			if !errors.As(err, &bad) || bad.Field != tt.field || !errors.Is(err, vault.ErrInvalid) {
				t.Errorf("CreateAccount with a bad %s = %v, want an InvalidError about it", tt.field, err)
			}
		}
		if l := must[vault.List[vault.Account]](t)(v.System().Accounts(t.Context(), vault.AccountFilter{}, vault.Page{})); len(l.Items) != 0 {
			t.Errorf("%d accounts were made of bad input", len(l.Items))
		}
	})
}

func TestListAccounts(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		var ids []string
		for i := range 25 {
			n := vault.NewAccount{Connector: []string{"github", "slack"}[i%2], Option: "token", Name: fmt.Sprint("n", i), Identifier: fmt.Sprint("u", i%5)}
			if i%3 == 0 {
				n.Organisation = "acme"
			}
			a := must[vault.Account](t)(s.CreateAccount(ctx, n))
			if i%4 == 0 {
				c := minted("t", "r")
				a = must[vault.Account](t)(s.Connect(ctx, a.ID, 0, vault.Connection{Credentials: &c}))
			}
			ids = append(ids, a.ID)
		}
		for _, tt := range []struct {
			name string
			f    vault.AccountFilter
			want func(i int) bool
		}{
			{"all", vault.AccountFilter{}, func(int) bool { return true }},
			{"connector", vault.AccountFilter{Connector: "slack"}, func(i int) bool { return i%2 == 1 }},
			{"state", vault.AccountFilter{States: []vault.State{vault.Active}}, func(i int) bool { return i%4 == 0 }},
			{"states", vault.AccountFilter{States: []vault.State{vault.Active, vault.Pending}}, func(int) bool { return true }},
			{"identifier", vault.AccountFilter{Identifier: "u3"}, func(i int) bool { return i%5 == 3 }},
			{"organisation and connector", vault.AccountFilter{Organisation: "acme", Connector: "github"}, func(i int) bool { return i%3 == 0 && i%2 == 0 }},
			{"expires", vault.AccountFilter{ExpiresBefore: time.Now().Add(2 * time.Hour)}, func(i int) bool { return i%4 == 0 }},
			{"name", vault.AccountFilter{Name: "n7"}, func(i int) bool { return i == 7 }},
		} {
			var wanted []string
			for i, id := range ids {
				if tt.want(i) {
					wanted = append(wanted, id)
				}
			}
			slices.Sort(wanted)
			var got []string
			for p := (vault.Page{Limit: 4}); ; {
				l := must[vault.List[vault.Account]](t)(s.Accounts(ctx, tt.f, p))
				if len(l.Items) > 4 {
					t.Fatalf("a page of 4 has %d items", len(l.Items))
				}
				for _, a := range l.Items {
					got = append(got, a.ID)
				}
				if p.After = l.Next; l.Next == "" {
					break
				}
			}
			if !slices.Equal(got, wanted) {
				t.Errorf("Accounts(%s) = %d accounts, want %d:\n%v\n%v", tt.name, len(got), len(wanted), got, wanted)
			}
		}
		for _, cursor := range []string{"nonsense", "%%%", ids[0]} {
			_, err := s.Accounts(ctx, vault.AccountFilter{}, vault.Page{After: cursor})
			want(t, "Accounts after "+cursor, err, vault.ErrInvalid)
		}
	})
}

// TestOrganisations: what one organisation has is not there for another.
func TestOrganisations(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx := t.Context()
		acme, other := v.As(vault.Actor{Kind: "admin", Name: "a"}, "acme"), v.As(vault.Actor{Kind: "admin", Name: "b"}, "other")
		a := active(t, acme, "mine")
		if a.Organisation != "acme" {
			t.Fatalf("the account belongs to %s, want acme", a.Organisation)
		}
		g, _, err := acme.CreateAgent(ctx, vault.NewAgent{Name: "bot"})
		want(t, "CreateAgent", err, nil)
		grant := must[vault.Grant](t)(acme.CreateGrant(ctx, vault.NewGrant{AgentID: g.ID, AccountID: a.ID, Scopes: []string{"read"}}))
		ses, _, err := acme.CreateSession(ctx, vault.NewSession{AccountID: a.ID, Flow: "form", Lifetime: time.Minute})
		want(t, "CreateSession", err, nil)
		hook, _, err := acme.CreateWebhook(ctx, vault.NewWebhook{URL: "https://hooks.example/x", Events: []string{"*"}})
		want(t, "CreateWebhook", err, nil)
		con := must[vault.Connector](t)(acme.CreateConnector(ctx, vault.Connector{Key: "own", Title: "Own", State: "active"}, false))
		app := must[vault.App](t)(acme.CreateApp(ctx, vault.App{Connector: "github", Mode: vault.AppOwn, ClientID: "x"}, nil))
		tok, _, err := acme.CreateAdminToken(ctx, "acme-admin", vault.RoleAdmin, "", time.Time{})
		want(t, "CreateAdminToken", err, nil)
		if tok.Organisation != "acme" {
			t.Errorf("the token sees %q, want acme", tok.Organisation)
		}

		for name, f := range map[string]func(*vault.View) error{
			"Account":        func(s *vault.View) error { _, err := s.Account(ctx, a.ID); return err },
			"UpdateAccount":  func(s *vault.View) error { _, err := s.UpdateAccount(ctx, a.ID, 0, vault.AccountEdit{}); return err },
			"SetCredentials": func(s *vault.View) error { _, err := s.SetCredentials(ctx, a.ID, 0, *pasted("x")); return err },
			"SetState": func(s *vault.View) error {
				_, err := s.SetState(ctx, a.ID, 0, vault.Revoked, vault.Reason{Code: "x"})
				return err
			},
			"DeleteAccount":  func(s *vault.View) error { return s.DeleteAccount(ctx, a.ID, 0) },
			"AccountSecrets": func(s *vault.View) error { _, err := s.AccountSecrets(ctx, a.ID); return err },
			"AccountHealth":  func(s *vault.View) error { _, err := s.AccountHealth(ctx, a.ID, time.Time{}); return err },
			"Usage":          func(s *vault.View) error { _, err := s.Usage(ctx, a.ID, time.Now(), time.Now()); return err },
			"Agent":          func(s *vault.View) error { _, err := s.Agent(ctx, g.ID); return err },
			"UpdateAgent":    func(s *vault.View) error { _, err := s.UpdateAgent(ctx, g.ID, 0, vault.AgentEdit{}); return err },
			"DeleteAgent":    func(s *vault.View) error { return s.DeleteAgent(ctx, g.ID, 0) },
			"AddAgentToken":  func(s *vault.View) error { _, _, err := s.AddAgentToken(ctx, g.ID, "x", time.Time{}); return err },
			"AgentTokens":    func(s *vault.View) error { _, err := s.AgentTokens(ctx, g.ID); return err },
			"Grant":          func(s *vault.View) error { _, err := s.Grant(ctx, grant.ID); return err },
			"UpdateGrant":    func(s *vault.View) error { _, err := s.UpdateGrant(ctx, grant.ID, 0, vault.GrantEdit{}); return err },
			"DeleteGrant":    func(s *vault.View) error { return s.DeleteGrant(ctx, grant.ID, 0) },
			"Session":        func(s *vault.View) error { _, err := s.Session(ctx, ses.ID); return err },
			"CreateSession": func(s *vault.View) error {
				_, _, err := s.CreateSession(ctx, vault.NewSession{AccountID: a.ID})
				return err
			},
			"Webhook":          func(s *vault.View) error { _, err := s.Webhook(ctx, hook.ID); return err },
			"DeleteWebhook":    func(s *vault.View) error { return s.DeleteWebhook(ctx, hook.ID, 0) },
			"Deliveries":       func(s *vault.View) error { _, err := s.Deliveries(ctx, hook.ID, vault.Page{}); return err },
			"Connector":        func(s *vault.View) error { _, err := s.Connector(ctx, con.Key); return err },
			"DeleteConnector":  func(s *vault.View) error { return s.DeleteConnector(ctx, con.Key, 0) },
			"App":              func(s *vault.View) error { _, err := s.App(ctx, app.ID); return err },
			"DeleteApp":        func(s *vault.View) error { return s.DeleteApp(ctx, app.ID, 0) },
			"DeleteAdminToken": func(s *vault.View) error { return s.DeleteAdminToken(ctx, tok.ID) },
			"CreateGrant": func(s *vault.View) error {
				_, err := s.CreateGrant(ctx, vault.NewGrant{AgentID: g.ID, AccountID: a.ID, Scopes: []string{"read"}})
				return err
			},
		} {
			want(t, name+" of another organisation", f(other), vault.ErrNotFound)
		}
		for name, n := range map[string]func() (int, error){
			"Accounts": func() (int, error) {
				l, err := other.Accounts(ctx, vault.AccountFilter{Organisation: "acme"}, vault.Page{})
				return len(l.Items), err
			},
			"Agents": func() (int, error) {
				l, err := other.Agents(ctx, vault.AgentFilter{}, vault.Page{})
				return len(l.Items), err
			},
			"Grants": func() (int, error) {
				l, err := other.Grants(ctx, vault.GrantFilter{}, vault.Page{})
				return len(l.Items), err
			},
			"Audit": func() (int, error) {
				l, err := other.Audit(ctx, vault.AuditFilter{Organisation: "acme"}, vault.Page{})
				return len(l.Items), err
			},
			"Webhooks": func() (int, error) { l, err := other.Webhooks(ctx, vault.Page{}); return len(l.Items), err },
			"Apps": func() (int, error) {
				l, err := other.Apps(ctx, vault.AppFilter{}, vault.Page{})
				return len(l.Items), err
			},
			"Tokens": func() (int, error) { l, err := other.AdminTokens(ctx, vault.Page{}); return len(l.Items), err },
		} {
			if got, err := n(); got != 0 || err != nil {
				t.Errorf("%s of another organisation = %d items, %v; want none", name, got, err)
			}
		}
		_, err = other.CreateAccount(ctx, vault.NewAccount{Connector: "github", Option: "token", Organisation: "acme"})
		want(t, "CreateAccount in another organisation", err, vault.ErrOrganisation)
		_, err = other.CreateConnector(ctx, vault.Connector{Key: "own2", Title: "x", State: "active", Organisation: vault.All}, false)
		want(t, "CreateConnector for everybody", err, vault.ErrOrganisation)
		_, _, err = other.CreateAdminToken(ctx, "sneaky", vault.RoleAdmin, vault.All, time.Time{})
		want(t, "CreateAdminToken for everything", err, vault.ErrOrganisation)

		// The operator sees both and joins neither to the other.
		og, _, err := other.CreateAgent(ctx, vault.NewAgent{Name: "bot"})
		want(t, "CreateAgent of the same name elsewhere", err, nil)
		_, err = v.System().CreateGrant(ctx, vault.NewGrant{AgentID: og.ID, AccountID: a.ID, Scopes: []string{"read"}})
		want(t, "CreateGrant across organisations", err, vault.ErrOrganisation)
		_, err = v.System().CreateGrant(ctx, vault.NewGrant{AgentID: "file:local", AccountID: a.ID, Scopes: []string{"read"}})
		want(t, "CreateGrant to an agent of the file across organisations", err, vault.ErrOrganisation)
	})
}
