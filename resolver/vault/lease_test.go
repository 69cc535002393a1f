package vault_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

func lease(t *testing.T, v *vault.Vault, id, owner string, ttl time.Duration) *vault.Lease {
	t.Helper()
	l, err := v.Lease(t.Context(), id, owner, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestOneLease: of many who ask at once, one gets it.
func TestOneLease(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		a := active(t, v.System(), "one")
		var wg sync.WaitGroup
		var mu sync.Mutex
		var got, refused int
		for range 20 {
			wg.Go(func() {
				l, err := v.Lease(t.Context(), a.ID, "", time.Minute)
				mu.Lock()
				defer mu.Unlock()
				var held *vault.LeasedError
				switch {
				case err == nil && l.RefreshToken.Reveal() == "refresh-0-one":
					got++
				case errors.As(err, &held) && errors.Is(err, vault.ErrLeased) && held.Left > 50*time.Second && held.Owner == v.Instance():
					refused++
				default:
					t.Errorf("Lease() = %v", err)
				}
			})
		}
		wg.Wait()
		if got != 1 || refused != 19 {
			t.Errorf("%d got the lease and %d were refused, want 1 and 19", got, refused)
		}
		_, err := v.Lease(t.Context(), "acc_nobody", "", time.Minute)
		want(t, "Lease of nothing", err, vault.ErrNotFound)
	})
}

func TestRefreshSaves(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		a := active(t, s, "r")
		l := lease(t, v, a.ID, "A", time.Minute)
		want(t, "Begin", l.Begin(ctx), nil)
		want(t, "Extend", l.Extend(ctx, time.Minute), nil)
		b := must[vault.Account](t)(l.Save(ctx, vault.Credentials{Token: secret.New("access-1"), ExpiresAt: time.Now().Add(time.Hour)}))
		if b.Version != a.Version || b.Generation == a.Generation || b.State != vault.Active {
			t.Errorf("Save() = version %d generation %d %s; want the old version (%d), a new generation, active", b.Version, b.Generation, b.State, a.Version)
		}
		u := must[vault.Unsealed](t)(v.Unseal(ctx, a.ID))
		if u.Credential.Token.Reveal() != "access-1" || u.RefreshToken.Reveal() != "refresh-0-r" || u.Account.Scopes[0] != "read" {
			t.Errorf("after an answer without a refresh token: token %q, refresh token %q, scopes %v; want the new, the old, the old",
				u.Credential.Token.Reveal(), u.RefreshToken.Reveal(), u.Account.Scopes)
		}
		_, err := l.Save(ctx, minted("x", "y"))
		want(t, "a second Save", err, vault.ErrFenced)

		l = lease(t, v, a.ID, "B", time.Minute)
		if !l.Abandoned.IsZero() {
			t.Errorf("a finished refresh left an intent")
		}
		must[vault.Account](t)(l.Save(ctx, minted("access-2", "refresh-2")))
		if u := must[vault.Unsealed](t)(v.Unseal(ctx, a.ID)); u.RefreshToken.Reveal() != "refresh-2" {
			t.Errorf("a rotated refresh token was not stored")
		}
	})
}

// TestFence: who lost the lease saves nothing, and what it has can still rescue
// the account if nobody else did better.
func TestFence(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		for _, tt := range []struct {
			name string
			// meanwhile is what the other holder, B, does after A's lease ended.
			meanwhile func(b *vault.Lease) error
			late      error // of A's SaveLate
			token     string
			state     vault.State
		}{
			{"B is still at it", func(*vault.Lease) error { return nil }, nil, "late", vault.Active},
			{"B saved", func(b *vault.Lease) error { _, err := b.Save(ctx, minted("b", "rb")); return err }, vault.ErrFenced, "b", vault.Active},
			{"B gave up", func(b *vault.Lease) error {
				_, err := b.Fail(ctx, vault.Error, vault.Reason{Code: vault.ReasonRefreshInterrupted})
				return err
			}, nil, "late", vault.Active},
			{"B released", func(b *vault.Lease) error { return b.Release(ctx, true) }, nil, "late", vault.Active},
			{"a person revoked", func(*vault.Lease) error {
				l, err := s.Accounts(ctx, vault.AccountFilter{Name: "a person revoked"}, vault.Page{})
				if err == nil {
					_, err = s.SetState(ctx, l.Items[0].ID, 0, vault.Revoked, vault.Reason{Code: "x"})
				}
				return err
			}, vault.ErrFenced, "", vault.Revoked},
		} {
			a := active(t, s, tt.name)
			la := lease(t, v, a.ID, "A", -time.Second) // over at once
			want(t, "A.Begin", la.Begin(ctx), nil)
			lb := lease(t, v, a.ID, "B", time.Minute)
			if lb.Abandoned.IsZero() {
				t.Errorf("%s: B does not see what A began", tt.name)
			}
			want(t, "B", tt.meanwhile(lb), nil)
			_, err := la.Save(ctx, minted("late", "late-r"))
			want(t, tt.name+": A.Save", err, vault.ErrFenced)
			want(t, tt.name+": A.Begin", la.Begin(ctx), vault.ErrFenced)
			want(t, tt.name+": A.Extend", la.Extend(ctx, time.Minute), vault.ErrFenced)
			want(t, tt.name+": A.Release", la.Release(ctx, false), vault.ErrFenced)
			_, err = la.Fail(ctx, vault.Expired, vault.Reason{Code: "x"})
			want(t, tt.name+": A.Fail", err, vault.ErrFenced)
			_, err = la.SaveLate(ctx, minted("late", "late-r"))
			want(t, tt.name+": A.SaveLate", err, tt.late)
			u := must[vault.Unsealed](t)(v.Unseal(ctx, a.ID))
			if u.Credential.Token.Reveal() != tt.token || u.Account.State != tt.state {
				t.Errorf("%s: the account is %s with token %q, want %s with %q", tt.name, u.Account.State, u.Credential.Token.Reveal(), tt.state, tt.token)
			}
			if tt.name == "B is still at it" {
				_, err := lb.Save(ctx, minted("b", "rb"))
				want(t, "B.Save after A's rescue", err, vault.ErrFenced)
				_, err = lb.Fail(ctx, vault.Expired, vault.Reason{Code: "invalid_grant"})
				want(t, "B.Fail after A's rescue", err, vault.ErrFenced)
			}
		}
	})
}

func TestIntent(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx := t.Context()
		a := active(t, v.System(), "i")
		l := lease(t, v, a.ID, "A", time.Minute)
		want(t, "Begin", l.Begin(ctx), nil)
		want(t, "Release(uncertain)", l.Release(ctx, true), nil)
		l = lease(t, v, a.ID, "B", time.Minute)
		if time.Since(l.Abandoned) > time.Minute {
			t.Errorf("Abandoned = %v, want a moment ago", l.Abandoned)
		}
		want(t, "Release(certain)", l.Release(ctx, false), nil)
		if l = lease(t, v, a.ID, "C", time.Minute); !l.Abandoned.IsZero() {
			t.Errorf("a certain release left the intent")
		}
	})
}

// TestFailAndSuspend: refreshing a suspended account changes where it goes on.
func TestFailAndSuspend(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		a := active(t, s, "f")
		got := must[vault.Account](t)(lease(t, v, a.ID, "A", time.Minute).Fail(ctx, vault.Expired, vault.Reason{Code: vault.ReasonInvalidGrant}))
		if got.State != vault.Expired || got.Reason.Code != vault.ReasonInvalidGrant {
			t.Errorf("Fail() = %s (%s), want expired (invalid_grant)", got.State, got.Reason.Code)
		}
		must[vault.Account](t)(s.SetState(ctx, a.ID, 0, vault.Suspended, vault.Reason{Code: "x"}))
		got = must[vault.Account](t)(lease(t, v, a.ID, "A", time.Minute).Save(ctx, minted("n", "m")))
		if got.State != vault.Suspended || got.ResumeTo != vault.Active {
			t.Errorf("Save() on a suspended account = %s, resumes to %s; want suspended, active", got.State, got.ResumeTo)
		}
		got = must[vault.Account](t)(lease(t, v, a.ID, "A", time.Minute).Fail(ctx, vault.Error, vault.Reason{Code: "y"}))
		if got.State != vault.Suspended || got.ResumeTo != vault.Error {
			t.Errorf("Fail() on a suspended account = %s, resumes to %s; want suspended, error", got.State, got.ResumeTo)
		}
		fresh := must[vault.Account](t)(s.CreateAccount(ctx, vault.NewAccount{Connector: "x", Option: "y", Credentials: pasted("k")}))
		got = must[vault.Account](t)(lease(t, v, fresh.ID, "A", time.Minute).Fail(ctx, vault.Expired, vault.Reason{Code: "z"}))
		if got.State != vault.Error {
			t.Errorf("an account that never worked became %s, want error", got.State)
		}
		_, err := lease(t, v, fresh.ID, "A", time.Minute).Fail(ctx, vault.Active, vault.Reason{Code: "z"})
		if err == nil {
			t.Errorf("Fail() made an account active")
		}
	})
}

// TestNewCredentialsEndLease: a refresh that runs while a person connects again
// must not overwrite what the person did.
func TestNewCredentialsEndLease(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		a := active(t, s, "again")
		l := lease(t, v, a.ID, "A", time.Minute)
		c := minted("new", "new-r")
		must[vault.Account](t)(s.Connect(ctx, a.ID, 0, vault.Connection{Credentials: &c}))
		_, err := l.Save(ctx, minted("old", "old-r"))
		want(t, "Save", err, vault.ErrFenced)
		_, err = l.SaveLate(ctx, minted("old", "old-r"))
		want(t, "SaveLate", err, vault.ErrFenced)
		_, err = l.Fail(ctx, vault.Expired, vault.Reason{Code: "invalid_grant"})
		want(t, "Fail", err, vault.ErrFenced)
		if u := must[vault.Unsealed](t)(v.Unseal(ctx, a.ID)); u.Credential.Token.Reveal() != "new" || u.Account.State != vault.Active {
			t.Errorf("the account is %s with %q, want active with the new token", u.Account.State, u.Credential.Token.Reveal())
		}
	})
}

// TestLeaseClock: leases run by the database's clock, so that a replica whose
// clock is wrong takes no lease from another; a clock of a test is followed.
func TestLeaseClock(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		clock := vaulttest.NewClock()
		c.Now = clock.Now
		v := vaulttest.Open(t, c)
		a := active(t, v.System(), "c")
		lease(t, v, a.ID, "A", time.Minute)
		clock.Advance(59 * time.Second)
		_, err := v.Lease(t.Context(), a.ID, "B", time.Minute)
		want(t, "Lease after 59 s", err, vault.ErrLeased)
		clock.Advance(2 * time.Second)
		lease(t, v, a.ID, "B", time.Minute)
	})
}

// TestLateAnswerIsDoubtful: an answer that is stored after another holder has
// tried may have been ended by that try, and the next holder is told.
func TestLateAnswerIsDoubtful(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx := t.Context()
		a := active(t, v.System(), "late")
		slow := lease(t, v, a.ID, "A", time.Millisecond)
		want(t, "Begin", slow.Begin(ctx), nil)
		time.Sleep(20 * time.Millisecond)
		next := lease(t, v, a.ID, "B", time.Minute)
		if next.Abandoned.IsZero() || !next.Orphan {
			t.Errorf("after a holder that never came back: abandoned %v, orphan %v; want both", next.Abandoned, next.Orphan)
		}
		want(t, "Release", next.Release(ctx, true), nil)
		_, err := slow.Save(ctx, minted("access-1", "refresh-1"))
		want(t, "Save after the lease was lost", err, vault.ErrFenced)
		must[vault.Account](t)(slow.SaveLate(ctx, minted("access-1", "refresh-1")))
		last := lease(t, v, a.ID, "C", time.Minute)
		if last.Abandoned.IsZero() || last.Orphan || last.RefreshToken.Reveal() != "refresh-1" {
			t.Errorf("after a late answer: abandoned %v, orphan %v, refresh token %q; want it abandoned, nobody at work, the new token", last.Abandoned, last.Orphan, last.RefreshToken.Reveal())
		}
		must[vault.Account](t)(last.Save(ctx, minted("access-2", "refresh-2")))
		if l := lease(t, v, a.ID, "D", time.Minute); !l.Abandoned.IsZero() {
			t.Error("after a refresh that went well the doubt is still there")
		}
	})
}
