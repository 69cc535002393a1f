package vault_test

import (
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// TestExpiryByWrongClock: a replica whose clock is a minute off stores the end of
// a token as one whose clock is right, whichever way the token comes.
func TestExpiryByWrongClock(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		for _, off := range []time.Duration{time.Minute, -time.Minute} {
			skewed := c
			skewed.Now = func() time.Time { return time.Now().Add(off) }
			v := vaulttest.Open(t, skewed)
			v.FollowDatabase()
			ctx, s := t.Context(), v.System()
			token := func() vault.Credentials {
				c := minted("access", "refresh")
				c.ExpiresAt = skewed.Now().Add(time.Hour)
				return c
			}
			check := func(how string, id string) {
				t.Helper()
				u := must[vault.Unsealed](t)(v.Unseal(ctx, id))
				if d := time.Until(u.Account.ExpiresAt) - time.Hour; d.Abs() > 5*time.Second {
					t.Errorf("clock off by %v, %s: the stored end is %v off", off, how, d.Round(time.Second))
				}
				if d := u.Credential.Expiry.Sub(skewed.Now()) - time.Hour; d.Abs() > 5*time.Second {
					t.Errorf("clock off by %v, %s: read back, the end is %v off", off, how, d.Round(time.Second))
				}
			}
			if d := time.Until(v.Clock(ctx)); d.Abs() > 5*time.Second {
				t.Errorf("clock off by %v: Clock() is %v off", off, d.Round(time.Second))
			}
			cred := token()
			a := must[vault.Account](t)(s.CreateAccount(ctx, vault.NewAccount{Connector: "svc", Option: "oauth", Name: off.String(), Credentials: &cred, Connected: &vault.Connection{}}))
			check("created", a.ID)
			cred = token()
			must[vault.Account](t)(s.Connect(ctx, a.ID, 0, vault.Connection{Credentials: &cred}))
			check("connected", a.ID)
			must[vault.Account](t)(s.SetCredentials(ctx, a.ID, 0, token()))
			check("set", a.ID)
			l := lease(t, v, a.ID, "A", time.Minute)
			must[vault.Account](t)(l.Save(ctx, token()))
			check("refreshed", a.ID)
		}
	})
}
