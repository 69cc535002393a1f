package vault_test

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

func parse(t *testing.T, keys ...secret.Value) *vault.Keyring {
	t.Helper()
	var all []string
	for _, k := range keys {
		all = append(all, k.Reveal())
	}
	return must[*vault.Keyring](t)(vault.ParseKeys(secret.New(strings.Join(all, ","))))
}

// content is a digest of everything that the database holds.
func content(t *testing.T, c vault.Config) string {
	t.Helper()
	if c.Driver == "sqlite" {
		b, err := os.ReadFile(c.Source)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		return string(sum[:])
	}
	var out strings.Builder
	rows, err := raw(t, c).Query("SELECT 'secrets', owner_id || field || sealed FROM secrets UNION ALL SELECT 'settings', name || value FROM settings UNION ALL SELECT 'schema', version_id::text FROM attache_schema ORDER BY 1, 2")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table, row string
		if err := rows.Scan(&table, &row); err != nil {
			t.Fatal(err)
		}
		out.WriteString(table + row + "\n")
	}
	return out.String()
}

func openFails(t *testing.T, what string, c vault.Config, target error, says string) {
	t.Helper()
	before := content(t, c)
	v, err := vault.Open(t.Context(), c)
	if err == nil {
		v.Close()
	}
	want(t, what, err, target)
	if !strings.Contains(err.Error(), says) {
		t.Errorf("%s = %q, want it to say %q", what, err, says)
	}
	if content(t, c) != before {
		t.Errorf("%s changed the database", what)
	}
}

func TestWrongKey(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		k1, k2 := vault.NewKey(), vault.NewKey()
		c.Keys = parse(t, k1)
		v := must[*vault.Vault](t)(vault.Open(t.Context(), c))
		a := active(t, v.System(), "a")
		want(t, "Close", v.Close(), nil)

		c.Keys = parse(t, k2)
		openFails(t, "Open with another key", c, vault.ErrWrongKey, "add that key to the list")
		c.Keys = nil
		openFails(t, "Open without a key", c, vault.ErrNoKey, "no key")
		c.Keys = parse(t, k2, k1)
		v = must[*vault.Vault](t)(vault.Open(t.Context(), c))
		if u := must[vault.Unsealed](t)(v.Unseal(t.Context(), a.ID)); u.RefreshToken.Reveal() != "refresh-0-a" {
			t.Errorf("a second key does not open")
		}
		active(t, v.System(), "b") // sealed with k2
		want(t, "Close", v.Close(), nil)

		c.Keys = parse(t, k1)
		openFails(t, "Open with only the old key", c, vault.ErrWrongKey, "add that key")
		c.Keys = parse(t, k2)
		openFails(t, "Open with only the new key before the rotation", c, vault.ErrWrongKey, "add that key")
	})
}

func TestNewerDatabase(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		v := must[*vault.Vault](t)(vault.Open(t.Context(), c))
		want(t, "Close", v.Close(), nil)
		db := raw(t, c)
		insert := "INSERT INTO attache_schema (version_id, is_applied, tstamp) VALUES (9999, true, CURRENT_TIMESTAMP)"
		run(t, db, insert)
		db.Close()
		openFails(t, "Open of a newer database", c, vault.ErrNewer, "version 9999")
	})
}

// TestOpenAtOnce: replicas that start together on an empty database agree.
func TestOpenAtOnce(t *testing.T) {
	vaulttest.EachEmpty(t, func(t *testing.T, c vault.Config) {
		var wg sync.WaitGroup
		vs := make([]*vault.Vault, 6)
		for i := range vs {
			wg.Go(func() {
				v, err := vault.Open(t.Context(), c)
				if err != nil {
					t.Error(err)
					return
				}
				vs[i] = v
			})
		}
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
		a := active(t, vs[0].System(), "a")
		for _, v := range vs {
			infos := must[[]vault.SecretInfo](t)(v.System().AccountSecrets(t.Context(), a.ID))
			if len(infos) != 2 {
				t.Errorf("a replica sees %d secrets, want 2", len(infos))
			}
			// The same salt everywhere, or fingerprints would differ.
			b := must[vault.Account](t)(v.System().CreateAccount(t.Context(), vault.NewAccount{Connector: "x", Option: "y", Name: v.Instance(),
				Credentials: &vault.Credentials{Secrets: secret.Values{"k": secret.New("access-0-a")}}}))
			mine := must[[]vault.SecretInfo](t)(v.System().AccountSecrets(t.Context(), b.ID))
			if mine[0].Fingerprint != infos[1].Fingerprint {
				t.Errorf("fingerprints of one secret differ between replicas")
			}
			want(t, "Close", v.Close(), nil)
		}
	})
}

// TestSealedText: what is in the database opens only where it belongs.
func TestSealedText(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		v := vaulttest.Open(t, c)
		ctx, s := t.Context(), v.System()
		a, b := active(t, s, "a"), active(t, s, "b")
		db := raw(t, c)
		swap := func(from, to, field, other string) {
			run(t, db, "UPDATE secrets SET sealed = (SELECT x.sealed FROM secrets x WHERE x.owner_id = '"+from+"' AND x.field = '"+field+"') WHERE owner_id = '"+to+"' AND field = '"+other+"'")
		}
		swap(a.ID, b.ID, "@token", "@token")
		_, err := v.Unseal(ctx, b.ID)
		want(t, "Unseal of another account's token", err, vault.ErrMoved)
		if strings.Contains(err.Error(), "access-0") {
			t.Errorf("the error holds the secret: %v", err)
		}
		swap(a.ID, a.ID, "@refresh_token", "@token")
		_, err = v.Unseal(ctx, a.ID)
		want(t, "Unseal of another field", err, vault.ErrMoved)
		run(t, db, "UPDATE secrets SET sealed = 'gAAAAABm' WHERE owner_id = '"+a.ID+"'")
		_, err = v.Unseal(ctx, a.ID)
		want(t, "Unseal of rubbish", err, vault.ErrWrongKey)
	})
}

// TestNothingInTheClear: no secret stands in the database's files.
func TestNothingInTheClear(t *testing.T) {
	c := vaulttest.SQLite(t)
	v := must[*vault.Vault](t)(vault.Open(t.Context(), c))
	const canary = "canary-7c1e55d2"
	cred := vault.Credentials{Secrets: secret.Values{"api_key": secret.New(canary)}, Token: secret.New("t-" + canary), RefreshToken: secret.New("r-" + canary)}
	a := must[vault.Account](t)(v.System().CreateAccount(t.Context(), vault.NewAccount{Connector: "x", Option: "y", Credentials: &cred}))
	must[vault.App](t)(v.System().CreateApp(t.Context(), vault.App{Connector: "x", Mode: vault.AppManaged}, secret.Values{"client_secret": secret.New(canary)}))
	_, _, err := v.System().CreateSession(t.Context(), vault.NewSession{AccountID: a.ID, Secrets: secret.Values{"verifier": secret.New(canary)}, State: secret.New(canary), Lifetime: time.Minute})
	want(t, "CreateSession", err, nil)
	_, agent, err := v.System().CreateAgent(t.Context(), vault.NewAgent{Name: "x"})
	want(t, "CreateAgent", err, nil)
	_, hook, err := v.System().CreateWebhook(t.Context(), vault.NewWebhook{URL: "https://x.example", Events: []string{"*"}})
	want(t, "CreateWebhook", err, nil)
	var export bytes.Buffer
	want(t, "Export", v.Export(t.Context(), &export, true, nil), nil)
	files, _ := filepath.Glob(c.Source + "*")
	for _, f := range append(files, "export") {
		b := export.Bytes()
		if f != "export" {
			if b, err = os.ReadFile(f); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range []string{canary, agent.Reveal(), hook.Reveal()} {
			if bytes.Contains(b, []byte(s)) {
				t.Errorf("%s holds a secret in the clear", filepath.Base(f))
			}
		}
	}
	want(t, "Close", v.Close(), nil)
	info, err := os.Stat(c.Source)
	want(t, "Stat", err, nil)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the vault's file has mode %v, want 0600", info.Mode())
	}
}

func TestShortSecretsShowNothing(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		a := must[vault.Account](t)(v.System().CreateAccount(t.Context(), vault.NewAccount{Connector: "x", Option: "y", Credentials: &vault.Credentials{
			Secrets: secret.Values{"pin": secret.New("12345"), "pem": secret.New("-----BEGIN X-----\nabc\n-----END X-----"), "long": secret.New("abcdefghijklmnop")}}}))
		for _, i := range must[[]vault.SecretInfo](t)(v.System().AccountSecrets(t.Context(), a.ID)) {
			if want := map[string]string{"long": "mnop"}[i.Field]; i.Tail != want {
				t.Errorf("%s shows %q, want %q", i.Field, i.Tail, want)
			}
		}
	})
}

func TestKeys(t *testing.T) {
	k1, k2 := vault.NewKey().Reveal(), vault.NewKey().Reveal()
	for _, tt := range []struct {
		text string
		n    int // 0: an error
	}{
		{k1, 1}, {k1 + "\n" + k2, 2}, {"# comment\n" + k1 + " # another\n\n", 1}, {k1 + ", " + k2 + "\r\n", 2}, {k1 + " " + k1, 1},
		{"", 0}, {"# only a comment", 0}, {"short", 0}, {k1 + " short", 0}, {strings.Repeat("A", 43), 0}, {strings.Repeat("ab", 32), 1},
	} {
		r, err := vault.ParseKeys(secret.New(tt.text))
		if (err == nil) != (tt.n > 0) || (err == nil && len(r.IDs()) != tt.n) {
			t.Errorf("ParseKeys(%d bytes) = %v, %v; want %d keys", len(tt.text), r, err, tt.n)
		}
		if err != nil && tt.text != "" && strings.Contains(err.Error(), strings.Fields(tt.text)[0]) && tt.text[0] != '#' && len(tt.text) > 10 {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir", "key")
	_, err := vault.ReadKeyFile(path)
	want(t, "ReadKeyFile of nothing", err, os.ErrNotExist)
	var wg sync.WaitGroup
	ids := make([]string, 10)
	made := make([]bool, 10)
	for i := range ids {
		wg.Go(func() {
			r, m, err := vault.EnsureKeyFile(path)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i], made[i] = r.IDs()[0], m
		})
	}
	wg.Wait()
	for i := range ids {
		if ids[i] != ids[0] {
			t.Errorf("two processes made different keys")
		}
	}
	info, err := os.Stat(path)
	want(t, "Stat", err, nil)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the key file has mode %v, want 0600", info.Mode())
	}
	_, again, err := vault.EnsureKeyFile(path)
	if again || err != nil {
		t.Errorf("EnsureKeyFile of a file that is there = made %v, %v", again, err)
	}
	want(t, "WriteFile", os.WriteFile(path, []byte("rubbish"), 0o600), nil)
	if _, _, err := vault.EnsureKeyFile(path); err == nil || strings.Contains(err.Error(), "rubbish") {
		t.Errorf("a file without a key = %v, want an error that does not show it", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "rubbish" {
		t.Errorf("a file without a key was replaced")
	}
}

func TestBadConfig(t *testing.T) {
	keys := vaulttest.Keys(t)
	for _, c := range []vault.Config{
		{Driver: "mysql", Source: "x", Keys: keys}, {Driver: "sqlite", Keys: keys}, {Driver: "postgres", Source: "postgres://user:canary@[::bad", Keys: keys},
		{Driver: "sqlite", Source: t.TempDir(), Keys: keys}, {Driver: "postgres", Source: "postgres://nobody:canary@127.0.0.1:1/x?connect_timeout=1", Keys: keys},
	} {
		v, err := vault.Open(t.Context(), c)
		if err == nil {
			v.Close()
			t.Errorf("Open(%s %s) worked", c.Driver, c.Source)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	junk := filepath.Join(t.TempDir(), "junk.db")
	want(t, "WriteFile", os.WriteFile(junk, bytes.Repeat([]byte("junk "), 1000), 0o600), nil)
	if v, err := vault.Open(t.Context(), vault.Config{Driver: "sqlite", Source: junk, Keys: keys}); err == nil {
		v.Close()
		t.Errorf("a file that is no database was opened")
	}
	if b, _ := os.ReadFile(junk); !bytes.HasPrefix(b, []byte("junk junk")) {
		t.Errorf("a file that is no database was changed")
	}
}
