package vault_test

import (
	"testing"

	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

func TestSmoke(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		v := vaulttest.Open(t, c)
		a, err := v.System().CreateAccount(t.Context(), vault.NewAccount{Connector: "github", Option: "token"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.System().Account(t.Context(), a.ID)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", got)
	})
}
