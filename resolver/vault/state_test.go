package vault_test

import (
	"testing"

	"github.com/attache-proxy/attache/resolver/vault"
)

// TestTransitions tries every pair of states.
func TestTransitions(t *testing.T) {
	// How to get a connected account into each state.
	reach := map[vault.State][]vault.State{
		vault.Active: {}, vault.Expired: {vault.Expired}, vault.Error: {vault.Error},
		vault.Revoked: {vault.Revoked}, vault.Suspended: {vault.Suspended}, vault.Pending: {vault.Revoked, vault.Pending},
	}
	allowed := map[vault.State][]vault.State{
		vault.Pending:   {vault.Active, vault.Error, vault.Revoked, vault.Suspended},
		vault.Active:    {vault.Expired, vault.Error, vault.Revoked, vault.Suspended},
		vault.Expired:   {vault.Active, vault.Error, vault.Revoked, vault.Suspended},
		vault.Error:     {vault.Active, vault.Expired, vault.Revoked, vault.Suspended},
		vault.Suspended: {vault.Active, vault.Revoked}, // it was active before
		vault.Revoked:   {vault.Pending},
	}
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		for from, path := range reach {
			for _, to := range vault.States {
				a := active(t, s, string(from)+" to "+string(to))
				for _, step := range path {
					a = must[vault.Account](t)(s.SetState(ctx, a.ID, 0, step, vault.Reason{Code: "step"}))
				}
				ok := false
				for _, x := range allowed[from] {
					ok = ok || x == to
				}
				got, err := s.SetState(ctx, a.ID, a.Version, to, vault.Reason{Code: "try", Detail: "because"})
				if ok {
					if err != nil || got.State != to || got.Reason.Code != "try" {
						t.Errorf("%s → %s = %s (%s), %v; want %s", from, to, got.State, got.Reason.Code, err, to)
					}
					continue
				}
				want(t, string(from)+" → "+string(to), err, vault.ErrNotAllowed)
				if now := must[vault.Account](t)(s.Account(ctx, a.ID)); now.State != from || now.Version != a.Version {
					t.Errorf("a refused change left %s at version %d, want %s at %d", now.State, now.Version, from, a.Version)
				}
			}
		}
	})
}

func TestSuspendResume(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		why := vault.Reason{Code: vault.ReasonSuspended}
		for _, from := range []vault.State{vault.Active, vault.Expired, vault.Error} {
			a := active(t, s, "was "+string(from))
			if from != vault.Active {
				must[vault.Account](t)(s.SetState(ctx, a.ID, 0, from, vault.Reason{Code: "x"}))
			}
			must[vault.Account](t)(s.SetState(ctx, a.ID, 0, vault.Suspended, why))
			got := must[vault.Account](t)(s.Resume(ctx, a.ID, 0, vault.Reason{Code: vault.ReasonResumed}))
			if got.State != from || got.ResumeTo != "" {
				t.Errorf("resumed = %s, want %s", got.State, from)
			}
		}
		fresh := must[vault.Account](t)(s.CreateAccount(ctx, vault.NewAccount{Connector: "x", Option: "y"}))
		must[vault.Account](t)(s.SetState(ctx, fresh.ID, 0, vault.Suspended, why))
		if got := must[vault.Account](t)(s.Resume(ctx, fresh.ID, 0, why)); got.State != vault.Pending {
			t.Errorf("a resumed pending account is %s", got.State)
		}
		_, err := s.Resume(ctx, fresh.ID, 0, why)
		want(t, "Resume of what is not suspended", err, vault.ErrNotAllowed)
	})
}

// TestRevokeForgets: a revoked account has no secrets, and comes back only as one
// that must be tested.
func TestRevokeForgets(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		a := active(t, s, "gone")
		b := must[vault.Account](t)(s.SetState(ctx, a.ID, 0, vault.Revoked, vault.Reason{Code: vault.ReasonRevoked}))
		if !b.ExpiresAt.IsZero() || !b.ConnectedAt.IsZero() || b.Scopes != nil || b.Generation == a.Generation {
			t.Errorf("revoked = %+v, want no expiry, scopes, connection; another generation", b)
		}
		u := must[vault.Unsealed](t)(v.Unseal(ctx, a.ID))
		if !u.Credential.Token.IsZero() || !u.RefreshToken.IsZero() || len(must[[]vault.SecretInfo](t)(s.AccountSecrets(ctx, a.ID))) != 0 {
			t.Errorf("a revoked account still has secrets")
		}
		c := must[vault.Account](t)(s.SetCredentials(ctx, a.ID, 0, *pasted("a new key for it")))
		if c.State != vault.Pending {
			t.Errorf("new credentials make a revoked account %s, want pending", c.State)
		}
		_, err := s.Connect(ctx, a.ID, 0, vault.Connection{Generation: c.Generation - 1})
		want(t, "Connect after a test of older credentials", err, vault.ErrConflict)
	})
}

// TestStateIsTold: each change stands in the audit and goes to webhooks, in the
// transaction of the change.
func TestStateIsTold(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx := t.Context()
		s := v.As(vault.Actor{Kind: "admin", Name: "ops"}, "acme")
		hook, _, err := s.CreateWebhook(ctx, vault.NewWebhook{URL: "https://hooks.example/", Events: []string{"account.expired", "account.suspended"}})
		want(t, "CreateWebhook", err, nil)
		_, _, err = v.As(vault.Actor{}, "other").CreateWebhook(ctx, vault.NewWebhook{URL: "https://hooks.example/", Events: []string{"*"}})
		want(t, "CreateWebhook", err, nil)
		a := active(t, s, "told")
		must[vault.Account](t)(s.SetState(ctx, a.ID, 0, vault.Expired, vault.Reason{Code: vault.ReasonInvalidGrant, Detail: "the refresh token is over"}))
		_, err = s.SetState(ctx, a.ID, 0, vault.Pending, vault.Reason{Code: "no"})
		want(t, "expired → pending", err, vault.ErrNotAllowed)

		l := must[vault.List[vault.Event]](t)(s.Audit(ctx, vault.AuditFilter{AccountID: a.ID, Kind: vault.AuditState}, vault.Page{}))
		if len(l.Items) != 2 || l.Items[0].Code != "account.expired" || l.Items[0].Actor.Name != "ops" ||
			l.Items[0].Detail != "invalid_grant: the refresh token is over" || l.Items[1].Code != "account.active" {
			t.Errorf("the audit has %+v, want active, then expired with its reason", l.Items)
		}
		ds := must[vault.List[vault.Delivery]](t)(s.Deliveries(ctx, hook.ID, vault.Page{}))
		if len(ds.Items) != 1 || ds.Items[0].Event != "account.expired" || ds.Items[0].State != vault.DeliveryWaiting {
			t.Errorf("deliveries = %+v, want the one for account.expired", ds.Items)
		}
	})
}
