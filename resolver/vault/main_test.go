package vault_test

import (
	"os"
	"testing"

	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

func TestMain(m *testing.M) { os.Exit(vaulttest.Main(m)) }
