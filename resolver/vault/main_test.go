package vault_test

import (
	"database/sql"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	os.Exit(vaulttest.Main(m))
}

// each runs f on an open vault in each database.
func each(t *testing.T, f func(t *testing.T, v *vault.Vault)) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) { f(t, vaulttest.Open(t, c)) })
}

// raw opens the database behind the vault's back.
func raw(t *testing.T, c vault.Config) *sql.DB {
	t.Helper()
	driver := map[string]string{"sqlite": "sqlite", "postgres": "pgx"}[c.Driver]
	db, err := sql.Open(driver, c.Source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func run(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	if _, err := db.Exec(text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// want fails the test unless err is target (nil: no error).
func want(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) || (target == nil && err != nil) {
		t.Fatalf("%s = %v, want %v", what, err, target)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(x T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
}

// pasted are credentials as a person pastes them.
func pasted(key string) *vault.Credentials {
	return &vault.Credentials{Fields: map[string]string{"subdomain": "acme"}, Secrets: secret.Values{"api_key": secret.New(key)}}
}

// minted are credentials as a token endpoint gives them.
func minted(token, refresh string) vault.Credentials {
	return vault.Credentials{Token: secret.New(token), RefreshToken: secret.New(refresh), ExpiresAt: time.Now().Add(time.Hour), Scopes: []string{"read"}}
}

// active makes an account that works, with tokens.
func active(t *testing.T, s *vault.View, name string) vault.Account {
	t.Helper()
	a := must[vault.Account](t)(s.CreateAccount(t.Context(), vault.NewAccount{Connector: "github", Option: "oauth", Name: name}))
	c := minted("access-0-"+name, "refresh-0-"+name)
	return must[vault.Account](t)(s.Connect(t.Context(), a.ID, 0, vault.Connection{Credentials: &c}))
}
