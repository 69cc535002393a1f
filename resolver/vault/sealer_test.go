package vault_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/attache-proxy/attache/resolver/vault"
)

func TestSealerBindsToTheAccount(t *testing.T) {
	keys := must[*vault.Keyring](t)(vault.ParseKeys(vault.NewKey()))
	sealed := must[[]byte](t)(keys.Seal("acc_1", []byte("canary-token")))
	if bytes.Contains(sealed, []byte("canary")) {
		t.Errorf("sealed = %s, want nothing readable", sealed)
	}
	if got := must[[]byte](t)(keys.Open("acc_1", sealed)); string(got) != "canary-token" {
		t.Errorf("Open = %s, want what was sealed", got)
	}
	if _, err := keys.Open("acc_2", sealed); !errors.Is(err, vault.ErrMoved) {
		t.Errorf("Open for another account = %v, want ErrMoved", err)
	}
	other := must[*vault.Keyring](t)(vault.ParseKeys(vault.NewKey()))
	if _, err := other.Open("acc_1", sealed); !errors.Is(err, vault.ErrWrongKey) {
		t.Errorf("Open with another key = %v, want ErrWrongKey", err)
	}
	if _, err := keys.Open("acc_1", nil); err == nil {
		t.Error("Open of nothing = no error")
	}
}
