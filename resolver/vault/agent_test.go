package vault_test

import (
	"slices"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

func TestAgentTokens(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		clock := vaulttest.NewClock()
		c.Now = clock.Now
		v := vaulttest.Open(t, c)
		ctx, s := t.Context(), v.System()
		a, first, err := s.CreateAgent(ctx, vault.NewAgent{Name: "bot"})
		want(t, "CreateAgent", err, nil)
		_, _, err = s.CreateAgent(ctx, vault.NewAgent{Name: "bot"})
		want(t, "a second agent of that name", err, vault.ErrExists)
		second, token2, err := s.AddAgentToken(ctx, a.ID, "rotation", clock.Now().Add(time.Hour))
		want(t, "AddAgentToken", err, nil)
		if second.Hint != token2.Reveal()[len(token2.Reveal())-4:] || len(token2.Reveal()) < 40 {
			t.Errorf("the token has hint %q and %d characters", second.Hint, len(token2.Reveal()))
		}

		check := func(what string, token secret.Value, target error) {
			t.Helper()
			got, _, err := v.AgentByToken(ctx, token)
			want(t, what, err, target)
			if err == nil && got.ID != a.ID {
				t.Errorf("%s = agent %s, want %s", what, got.ID, a.ID)
			}
		}
		check("the first token", first, nil)
		check("the second token", token2, nil)
		check("a wrong token", secret.New("att_wrong"), vault.ErrNotFound)
		check("no token", secret.Value{}, vault.ErrNotFound)
		if _, until, _ := v.AgentByToken(ctx, token2); !until.Equal(second.ExpiresAt) {
			t.Errorf("the second token is good until %v, want %v", until, second.ExpiresAt)
		}

		clock.Advance(2 * time.Hour)
		check("an expired token", token2, vault.ErrNotFound)
		infos := must[[]vault.TokenInfo](t)(s.AgentTokens(ctx, a.ID))
		if len(infos) != 2 {
			t.Fatalf("%d tokens are listed, want 2", len(infos))
		}
		off, on, end := true, false, clock.Now().Add(-time.Second)
		must[vault.Agent](t)(s.UpdateAgent(ctx, a.ID, 0, vault.AgentEdit{Disabled: &off}))
		check("a token of a disabled agent", first, vault.ErrNotFound)
		must[vault.Agent](t)(s.UpdateAgent(ctx, a.ID, 0, vault.AgentEdit{Disabled: &on, ExpiresAt: &end}))
		check("a token of an expired agent", first, vault.ErrNotFound)
		end = time.Time{}
		must[vault.Agent](t)(s.UpdateAgent(ctx, a.ID, 0, vault.AgentEdit{ExpiresAt: &end}))
		check("the first token again", first, nil)
		want(t, "DeleteAgentToken", s.DeleteAgentToken(ctx, a.ID, infos[0].ID), nil)
		want(t, "DeleteAgentToken again", s.DeleteAgentToken(ctx, a.ID, infos[0].ID), vault.ErrNotFound)
		check("a deleted token", first, vault.ErrNotFound)
	})
}

func TestTokensAreHashed(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		v := vaulttest.Open(t, c)
		_, agent, err := v.System().CreateAgent(t.Context(), vault.NewAgent{Name: "bot"})
		want(t, "CreateAgent", err, nil)
		_, admin, err := v.System().CreateAdminToken(t.Context(), "root", vault.RoleAdmin, "", time.Time{})
		want(t, "CreateAdminToken", err, nil)
		for table, token := range map[string]secret.Value{"agent_tokens": agent, "admin_tokens": admin} {
			var hash string
			if err := raw(t, c).QueryRow("SELECT hash FROM " + table).Scan(&hash); err != nil {
				t.Fatal(err)
			}
			if len(hash) != 64 || hash == token.Reveal() {
				t.Errorf("%s stores %q, want a SHA-256 in hexadecimal", table, hash)
			}
		}
	})
}

func TestBadAgents(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		for _, n := range []vault.NewAgent{{}, {Name: "a:b"}, {Name: "a+b"}, {Name: "a b"}, {Name: "a/b"}, {Name: "a\tb"}, {Name: "ok", Connectors: []string{""}}} {
			_, _, err := v.System().CreateAgent(t.Context(), n)
			want(t, "CreateAgent("+n.Name+")", err, vault.ErrInvalid)
		}
		a, _, err := v.System().CreateAgent(t.Context(), vault.NewAgent{Name: "many"})
		want(t, "CreateAgent", err, nil)
		for range 19 {
			_, _, err := v.System().AddAgentToken(t.Context(), a.ID, "t", time.Time{})
			want(t, "AddAgentToken", err, nil)
		}
		_, _, err = v.System().AddAgentToken(t.Context(), a.ID, "t", time.Time{})
		want(t, "the 21st token", err, vault.ErrInvalid)
	})
}

func TestGrants(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		clock := vaulttest.NewClock()
		c.Now = clock.Now
		v := vaulttest.Open(t, c)
		ctx, s := t.Context(), v.System()
		work, home := active(t, s, "work"), active(t, s, "home")
		a, _, err := s.CreateAgent(ctx, vault.NewAgent{Name: "bot"})
		want(t, "CreateAgent", err, nil)
		rules := []vault.Rule{{Methods: []string{"GET"}, Path: "/repos/*/issues/**"}}
		g := must[vault.Grant](t)(s.CreateGrant(ctx, vault.NewGrant{AgentID: a.ID, AccountID: work.ID, Scopes: []string{"write", "read", "read"}, Rules: rules}))
		if !slices.Equal(g.Scopes, []string{"read", "write"}) || g.Connector != "github" || !g.Allows("write") {
			t.Errorf("CreateGrant() = %+v, want both scopes once, of github", g)
		}
		_, err = s.CreateGrant(ctx, vault.NewGrant{AgentID: a.ID, AccountID: work.ID, Scopes: []string{"read"}})
		want(t, "a second grant of the pair", err, vault.ErrExists)
		must[vault.Grant](t)(s.CreateGrant(ctx, vault.NewGrant{AgentID: a.ID, AccountID: home.ID, Scopes: []string{"read"}, ExpiresAt: clock.Now().Add(time.Hour)}))
		must[vault.Grant](t)(s.CreateGrant(ctx, vault.NewGrant{AgentID: "file:local", AccountID: home.ID, Scopes: []string{"read"}}))

		names := func(agent string) (out []string) {
			t.Helper()
			for _, p := range must[[]vault.Permit](t)(v.Permits(ctx, agent, "github")) {
				out = append(out, p.Account.Name)
			}
			return out
		}
		if got := names(a.ID); !slices.Equal(got, []string{"home", "work"}) {
			t.Errorf("Permits() = %v, want home and work", got)
		}
		if got := names("file:local"); !slices.Equal(got, []string{"home"}) {
			t.Errorf("Permits(file:local) = %v, want home", got)
		}
		ps := must[[]vault.Permit](t)(v.Permits(ctx, a.ID, "github"))
		if p := ps[1]; p.Grant.Rules[0].Path != rules[0].Path || p.Account.State != vault.Active {
			t.Errorf("Permits()[1] = %+v, want the rules and an active account", p)
		}
		if got := must[[]vault.Permit](t)(v.Permits(ctx, a.ID, "slack")); len(got) != 0 {
			t.Errorf("Permits(slack) = %d, want none", len(got))
		}
		clock.Advance(2 * time.Hour)
		if got := names(a.ID); !slices.Equal(got, []string{"work"}) {
			t.Errorf("after an hour Permits() = %v, want work only", got)
		}
		g = must[vault.Grant](t)(s.UpdateGrant(ctx, g.ID, g.Version, vault.GrantEdit{Scopes: []string{"read"}, Rules: &[]vault.Rule{}}))
		if g.Allows("write") || len(g.Rules) != 0 {
			t.Errorf("UpdateGrant() = %+v, want reading without rules", g)
		}
		_, err = s.UpdateGrant(ctx, g.ID, g.Version-1, vault.GrantEdit{})
		want(t, "UpdateGrant at an old version", err, vault.ErrConflict)
		want(t, "DeleteGrant", s.DeleteGrant(ctx, g.ID, 0), nil)
		if got := names(a.ID); len(got) != 0 {
			t.Errorf("after DeleteGrant Permits() = %v, want none", got)
		}
		want(t, "DeleteAccount", s.DeleteAccount(ctx, home.ID, 0), nil)
		if l := must[vault.List[vault.Grant]](t)(s.Grants(ctx, vault.GrantFilter{AccountID: home.ID}, vault.Page{})); len(l.Items) != 0 {
			t.Errorf("%d grants outlive their account", len(l.Items))
		}
		must[vault.Grant](t)(s.CreateGrant(ctx, vault.NewGrant{AgentID: a.ID, AccountID: work.ID, Scopes: []string{"read"}}))
		want(t, "DeleteAgent", s.DeleteAgent(ctx, a.ID, 0), nil)
		if l := must[vault.List[vault.Grant]](t)(s.Grants(ctx, vault.GrantFilter{AgentID: a.ID}, vault.Page{})); len(l.Items) != 0 {
			t.Errorf("%d grants outlive their agent", len(l.Items))
		}
	})
}

func TestBadGrants(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		acc := active(t, s, "a")
		agent, _, err := s.CreateAgent(ctx, vault.NewAgent{Name: "bot"})
		want(t, "CreateAgent", err, nil)
		read := []string{"read"}
		for name, n := range map[string]vault.NewGrant{
			"no scope":        {AgentID: agent.ID, AccountID: acc.ID},
			"unknown scope":   {AgentID: agent.ID, AccountID: acc.ID, Scopes: []string{"admin"}},
			"empty rule":      {AgentID: agent.ID, AccountID: acc.ID, Scopes: read, Rules: []vault.Rule{{}}},
			"lower-case":      {AgentID: agent.ID, AccountID: acc.ID, Scopes: read, Rules: []vault.Rule{{Methods: []string{"get"}}}},
			"relative path":   {AgentID: agent.ID, AccountID: acc.ID, Scopes: read, Rules: []vault.Rule{{Path: "x"}}},
			"query in a path": {AgentID: agent.ID, AccountID: acc.ID, Scopes: read, Rules: []vault.Rule{{Path: "/x?y"}}},
			"dots":            {AgentID: agent.ID, AccountID: acc.ID, Scopes: read, Rules: []vault.Rule{{Path: "/x/../y"}}},
			"** inside":       {AgentID: agent.ID, AccountID: acc.ID, Scopes: read, Rules: []vault.Rule{{Path: "/x/**/y"}}},
			"** in a segment": {AgentID: agent.ID, AccountID: acc.ID, Scopes: read, Rules: []vault.Rule{{Path: "/x**"}}},
			"an operation":    {AgentID: agent.ID, AccountID: acc.ID, Scopes: read, Operations: []string{"permit read"}},
			"too many":        {AgentID: agent.ID, AccountID: acc.ID, Scopes: read, Rules: make([]vault.Rule, 51)},
		} {
			_, err := s.CreateGrant(ctx, n)
			want(t, name, err, vault.ErrInvalid)
		}
		_, err = s.CreateGrant(ctx, vault.NewGrant{AgentID: "agt_nobody", AccountID: acc.ID, Scopes: read})
		want(t, "a grant to nobody", err, vault.ErrNotFound)
		_, err = s.CreateGrant(ctx, vault.NewGrant{AgentID: agent.ID, AccountID: "acc_nothing", Scopes: read})
		want(t, "a grant of nothing", err, vault.ErrNotFound)
	})
}
