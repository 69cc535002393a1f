// Package vaulttest opens vaults for tests: in a SQLite file, and in a real
// PostgreSQL, which it starts by itself where the programs are installed.
package vaulttest

import (
	"os"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/resolver/vault"
)

// ThoroughEnv names the variable that asks tests of random steps, of killed processes
// and of a server that goes away for as much as integration/test.sh wants of them,
// which takes minutes.
const ThoroughEnv = "ATTACHE_THOROUGH"

// Thorough reports whether that is wanted.
func Thorough() bool { return os.Getenv(ThoroughEnv) != "" }

// Keys makes a key ring with one new key.
func Keys(tb testing.TB) *vault.Keyring {
	tb.Helper()
	keys, err := vault.ParseKeys(vault.NewKey())
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

// SQLite describes a vault in a file of its own that is not there yet.
func SQLite(tb testing.TB) vault.Config {
	tb.Helper()
	return vault.Config{Driver: "sqlite", Source: tb.TempDir() + "/vault.db", Keys: Keys(tb)}
}

// Postgres describes a vault in a database of its own, which has the tables and
// nothing in them. The test is skipped where there is no PostgreSQL, and fails if CI
// is set.
//
// The package's TestMain must be TestMain(m) { os.Exit(vaulttest.Main(m)) }.
func Postgres(tb testing.TB) vault.Config {
	tb.Helper()
	return vault.Config{Driver: "postgres", Source: emptyTables(tb), Keys: Keys(tb)}
}

// Each runs f once per database, both at once, after the calling function has returned:
// f shares nothing that it changes.
func Each(t *testing.T, f func(t *testing.T, c vault.Config)) {
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); f(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); f(t, Postgres(t)) })
}

// EachEmpty runs f once per database, in which there is nothing yet, no tables either.
func EachEmpty(t *testing.T, f func(t *testing.T, c vault.Config)) {
	t.Run("sqlite", func(t *testing.T) { f(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) {
		f(t, vault.Config{Driver: "postgres", Source: postgres(t, nothing), Keys: Keys(t)})
	})
}

// Open opens a vault until the test ends. To PostgreSQL it makes two connections, and
// not eight: each costs more than what most tests do.
func Open(tb testing.TB, c vault.Config) *vault.Vault {
	tb.Helper()
	if c.Driver == "postgres" && strings.Contains(c.Source, "?") {
		c.Source += "&pool_max_conns=2"
	}
	v, err := vault.Open(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := v.Close(); err != nil {
			tb.Errorf("closing the vault: %v", err)
		}
	})
	return v
}
