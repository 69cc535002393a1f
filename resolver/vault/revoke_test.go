package vault_test

import (
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/vault"
)

// TestRevokeGivesBack: who revokes gets the secrets that were there, once, and
// the account has none.
func TestRevokeGivesBack(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		a := active(t, s, "r")
		l := lease(t, v, a.ID, "A", time.Minute)
		must[vault.Account](t)(l.Save(ctx, minted("access-1", "refresh-1")))
		_, err := s.Revoke(ctx, a.ID, a.Version+1, vault.Reason{Code: vault.ReasonRevoked})
		want(t, "Revoke of another version", err, vault.ErrConflict)
		r := must[vault.Revocation](t)(s.Revoke(ctx, a.ID, a.Version, vault.Reason{Code: vault.ReasonRevoked, Detail: "Lost."}))
		if r.Account.State != vault.Revoked || r.Had.RefreshToken.Reveal() != "refresh-1" || r.Had.Credential.Token.Reveal() != "access-1" || r.Had.Account.State != vault.Active {
			t.Errorf("Revoke() = %s, had %q and %q as %s; want revoked, the newest tokens, active", r.Account.State, r.Had.Credential.Token.Reveal(), r.Had.RefreshToken.Reveal(), r.Had.Account.State)
		}
		if u := must[vault.Unsealed](t)(v.Unseal(ctx, a.ID)); !u.RefreshToken.IsZero() || !u.Credential.Token.IsZero() {
			t.Error("the secrets are still there")
		}
		_, err = s.Revoke(ctx, a.ID, 0, vault.Reason{Code: vault.ReasonRevoked})
		want(t, "Revoke again", err, vault.ErrNotAllowed)

		now := must[vault.Account](t)(s.Revocation(ctx, r.Account, "revoked", "The service agreed."))
		if now.Reason.Detail != "Lost. The service agreed." {
			t.Errorf("reason = %q", now.Reason.Detail)
		}
		list := must[vault.List[vault.Event]](t)(s.Audit(ctx, vault.AuditFilter{AccountID: a.ID, Kind: vault.AuditAdmin}, vault.Page{}))
		if e := list.Items[0]; e.Code != "account.service_revocation" || e.Detail != "revoked: The service agreed." {
			t.Errorf("the audit has %s (%s)", e.Code, e.Detail)
		}
		// It was connected again meanwhile: the audit is told, the account is not.
		must[vault.Account](t)(s.SetCredentials(ctx, a.ID, 0, minted("access-2", "refresh-2")))
		now = must[vault.Account](t)(s.Revocation(ctx, r.Account, "failed", "Late."))
		if now.State != vault.Pending || now.Reason.Detail != "" {
			t.Errorf("a late word about the old tokens changed the account: %s, %q", now.State, now.Reason.Detail)
		}
	})
}

// TestRevokeUnderLease: who was about to call the token endpoint may not begin;
// who calls it keeps the lease, can save nothing, and says when it is over.
func TestRevokeUnderLease(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		why := vault.Reason{Code: vault.ReasonRevoked}
		a := active(t, s, "not begun")
		l := lease(t, v, a.ID, "A", time.Minute)
		must[vault.Revocation](t)(s.Revoke(ctx, a.ID, 0, why))
		want(t, "Begin after the account was revoked", l.Begin(ctx), vault.ErrFenced)
		lease(t, v, a.ID, "B", time.Minute) // nobody is waited for

		a = active(t, s, "begun")
		l = lease(t, v, a.ID, "A", time.Minute)
		want(t, "Begin", l.Begin(ctx), nil)
		must[vault.Revocation](t)(s.Revoke(ctx, a.ID, 0, why))
		_, err := v.Lease(ctx, a.ID, "B", time.Minute)
		want(t, "Lease while the call goes on", err, vault.ErrLeased)
		_, err = l.Save(ctx, minted("late", "late-r"))
		want(t, "Save", err, vault.ErrRevoked)
		_, err = l.SaveLate(ctx, minted("late", "late-r"))
		want(t, "SaveLate", err, vault.ErrRevoked)
		_, err = l.Fail(ctx, vault.Expired, vault.Reason{Code: vault.ReasonInvalidGrant})
		want(t, "Fail", err, vault.ErrRevoked)
		want(t, "Release", l.Release(ctx, false), nil)
		if l = lease(t, v, a.ID, "B", time.Minute); !l.Abandoned.IsZero() || !l.RefreshToken.IsZero() {
			t.Errorf("after the call was over: abandoned %v, a refresh token: %v; want neither", l.Abandoned, !l.RefreshToken.IsZero())
		}

		a = active(t, s, "never heard of again")
		l = lease(t, v, a.ID, "A", time.Minute)
		want(t, "Begin", l.Begin(ctx), nil)
		want(t, "Release", l.Release(ctx, true), nil)
		must[vault.Revocation](t)(s.Revoke(ctx, a.ID, 0, why))
		if l = lease(t, v, a.ID, "B", time.Minute); l.Abandoned.IsZero() {
			t.Error("the call that was abandoned before the account was revoked is forgotten")
		}
	})
}
