package vault_test

import (
	"errors"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

func TestSignIns(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		clock := vaulttest.NewClock()
		c.Now = clock.Now
		v := vaulttest.Open(t, c)
		good := vault.SignIn{Name: "ann@example.com", Subject: "https://id.example u1", Role: vault.RoleOperator, Organisation: "acme", ExpiresAt: clock.Now().Add(time.Hour)}
		for name, edit := range map[string]func(*vault.SignIn){
			"no end":     func(x *vault.SignIn) { x.ExpiresAt = time.Time{} },
			"no subject": func(x *vault.SignIn) { x.Subject = "" },
			"no role":    func(x *vault.SignIn) { x.Role = "root" },
			"no place":   func(x *vault.SignIn) { x.Organisation = "" },
			"no name":    func(x *vault.SignIn) { x.Name = "" },
		} {
			bad := good
			edit(&bad)
			if _, _, err := v.CreateSignIn(t.Context(), bad); err == nil {
				t.Errorf("%s: made", name)
			}
		}
		x, token, err := v.CreateSignIn(t.Context(), good)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.SignInByToken(t.Context(), token); err != nil || got != x {
			t.Errorf("SignInByToken() = %+v, %v, want %+v", got, err, x)
		}
		for _, other := range []secret.Value{{}, secret.New("atp_x"), secret.New("atm_" + token.Reveal()[4:])} {
			if _, err := v.SignInByToken(t.Context(), other); !errors.Is(err, vault.ErrNotFound) {
				t.Errorf("another token: %v", err)
			}
		}
		if err := v.System().SignOut(t.Context(), x.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := v.SignInByToken(t.Context(), token); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("after signing out: %v", err)
		}
		_, token, err = v.CreateSignIn(t.Context(), good)
		if err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Hour + time.Second)
		if _, err := v.SignInByToken(t.Context(), token); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("after its end: %v", err)
		}
		if err := v.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s, err := v.Status(t.Context()); err != nil || s.Rows["signins"] != 0 {
			t.Errorf("after a sweep: %v %v", s.Rows, err)
		}
	})
}
