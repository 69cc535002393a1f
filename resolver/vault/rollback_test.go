package vault_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// snapshot is rows of a table as they stood, to be put back.
type snapshot struct {
	table   string
	columns []string
	rows    [][]any
}

func snap(t *testing.T, db *sql.DB, table, where string) snapshot {
	t.Helper()
	rows, err := db.Query("SELECT * FROM " + table + " WHERE " + where)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	s := snapshot{table: table}
	s.columns, _ = rows.Columns()
	for rows.Next() {
		values, into := make([]any, len(s.columns)), make([]any, len(s.columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		s.rows = append(s.rows, values)
	}
	return s
}

// putBack makes the rows what they were.
func (s snapshot) putBack(t *testing.T, db *sql.DB, where string) {
	t.Helper()
	run(t, db, "DELETE FROM "+s.table+" WHERE "+where)
	for _, r := range s.rows {
		marks := make([]string, len(r))
		for i := range marks {
			marks[i] = fmt.Sprintf("$%d", i+1)
		}
		if _, err := db.Exec("INSERT INTO "+s.table+" ("+strings.Join(s.columns, ", ")+") VALUES ("+strings.Join(marks, ", ")+")", r...); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOlderSecretsAreRefused: who can write to the database cannot bring back a
// secret that was replaced or revoked.
func TestOlderSecretsAreRefused(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		v := vaulttest.Open(t, c)
		ctx, s, db := t.Context(), v.System(), raw(t, c)
		agent, _, err := s.CreateAgent(ctx, vault.NewAgent{Name: "bot"})
		want(t, "CreateAgent", err, nil)
		changes := map[string]func(id string) error{
			"other credentials": func(id string) error {
				_, err := s.SetCredentials(ctx, id, 0, minted("access-1", "refresh-1"))
				return err
			},
			"a refresh": func(id string) error {
				l, err := v.Lease(ctx, id, "", 1e9)
				if err != nil {
					return err
				}
				_, err = l.Save(ctx, minted("access-1", "refresh-1"))
				return err
			},
			"a revocation": func(id string) error {
				_, err := s.Revoke(ctx, id, 0, vault.Reason{Code: "test"})
				return err
			},
		}
		for what, change := range changes {
			a := active(t, s, what)
			must[vault.Grant](t)(s.CreateGrant(ctx, vault.NewGrant{AgentID: agent.ID, AccountID: a.ID, Scopes: []string{"read"}}))
			own, row, seal := "owner_id = '"+a.ID+"'", "id = '"+a.ID+"'", "owner_id = '"+a.ID+"'"
			secrets, account, seals := snap(t, db, "secrets", own), snap(t, db, "accounts", row), snap(t, db, "seals", seal)
			want(t, what, change(a.ID), nil)

			secrets.putBack(t, db, own)
			run(t, db, "UPDATE accounts SET state = 'active', connected_at = state_since WHERE "+row)
			_, err = v.Unseal(ctx, a.ID)
			want(t, "Unseal after "+what+" when the secrets were put back", err, vault.ErrRolledBack)
			_, err = v.OpenPermits(ctx, agent.ID, "github", func(string) bool { return false })
			want(t, "OpenPermits after "+what+" when the secrets were put back", err, vault.ErrRolledBack)
			if fresh := vaulttest.Open(t, c); true {
				_, err = fresh.Unseal(ctx, a.ID)
				want(t, "Unseal by a new process after "+what+" when the secrets were put back", err, vault.ErrRolledBack)
			}
			if problems := strings.Join(must[[]string](t)(v.Verify(ctx)), "\n"); !strings.Contains(problems, "not the newest") {
				t.Errorf("Verify after %s = %q, want it to tell", what, problems)
			}

			// All of the row, with its version: a process that knew better remembers.
			seals.putBack(t, db, seal)
			for _, sub := range []string{"accounts"} {
				for i, name := range account.columns {
					if name != "id" {
						if _, err := db.Exec("UPDATE "+sub+" SET "+name+" = $1 WHERE "+row, account.rows[0][i]); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			_, err = v.Unseal(ctx, a.ID)
			want(t, "Unseal after "+what+" when the whole row was put back", err, vault.ErrRolledBack)
			_, err = v.OpenPermits(ctx, agent.ID, "github", func(string) bool { return false })
			want(t, "OpenPermits after "+what+" when the whole row was put back", err, vault.ErrRolledBack)

			// Entering it anew heals.
			must[vault.Account](t)(s.SetCredentials(ctx, a.ID, 0, minted("access-2", "refresh-2")))
			u := must[vault.Unsealed](t)(v.Unseal(ctx, a.ID))
			if got := u.RefreshToken.Reveal(); got != "refresh-2" {
				t.Errorf("after %s and new credentials the refresh token is %s, want refresh-2", what, got)
			}
		}
	})
}

// TestSecretsAreBoundToWhereTheyGo: turning a row to another connector, tenant or
// organisation behind our back makes its secrets unreadable.
func TestSecretsAreBoundToWhereTheyGo(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		v := vaulttest.Open(t, c)
		ctx, s, db := t.Context(), v.System(), raw(t, c)
		for _, set := range []string{"connector = 'evil'", "organisation = 'evil'", "auth_option = 'evil'", `fields = '{"subdomain":"evil"}'`} {
			a := must[vault.Account](t)(s.CreateAccount(ctx, vault.NewAccount{Connector: "zendesk", Option: "token", Name: set, Credentials: pasted("key-0123456789")}))
			run(t, db, "UPDATE accounts SET "+set+" WHERE id = '"+a.ID+"'")
			_, err := v.Unseal(ctx, a.ID)
			want(t, "Unseal with "+set, err, vault.ErrMoved)
		}
		for _, set := range []string{"connector = 'evil'", "organisation = 'evil'", "mode = 'managed'"} {
			app := must[vault.App](t)(s.CreateApp(ctx, vault.App{Connector: "zendesk", Mode: vault.AppOwn, Organisation: "acme", Name: set}, secret.Values{"client_secret": secret.New("app-secret")}))
			run(t, db, "UPDATE apps SET "+set+" WHERE id = '"+app.ID+"'")
			_, _, err := v.UnsealApp(ctx, app.ID, nowhere{})
			want(t, "UnsealApp with "+set, err, vault.ErrMoved)
		}
	})
}

// TestFingerprintsAreOfOneOrganisation: making accounts tells nothing of another
// organisation's secrets.
func TestFingerprintsAreOfOneOrganisation(t *testing.T) {
	v := vaulttest.Open(t, vaulttest.SQLite(t))
	of := func(org, name string) string {
		t.Helper()
		a := must[vault.Account](t)(v.System().CreateAccount(t.Context(), vault.NewAccount{Organisation: org, Connector: "x", Option: "y", Name: name, Credentials: pasted("hunter2-hunter2")}))
		return must[[]vault.SecretInfo](t)(v.System().AccountSecrets(t.Context(), a.ID))[0].Fingerprint
	}
	if of("acme", "a") != of("acme", "b") {
		t.Error("fingerprints of one secret differ in one organisation")
	}
	if of("acme", "c") == of("evil", "c") {
		t.Error("fingerprints of one secret are the same in two organisations")
	}
}

// TestOldVault: a vault of the third version of the tables opens, keeps its
// secrets, and seals them in the new form when they are written or rotated.
func TestOldVault(t *testing.T) {
	dump, err := os.ReadFile("testdata/schema3.sql")
	want(t, "ReadFile", err, nil)
	const key = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
	const account, app, session = "acc_0sgpc2v5xkg000t137nqqbn0j8", "app_0sgpc2v5zq10027ny2gte4zkar", "ats_8oo2e3l-3isliUY_5yEZiNa9eFEoeB08kZiieCNLnpM"
	opened := func(t *testing.T, keys string) (*vault.Vault, *sql.DB, vault.Config) {
		c := vault.Config{Driver: "sqlite", Source: filepath.Join(t.TempDir(), "old.db"), Keys: must[*vault.Keyring](t)(vault.ParseKeys(secret.New(keys)))}
		db := raw(t, c)
		run(t, db, string(dump))
		return vaulttest.Open(t, c), db, c
	}
	check := func(t *testing.T, v *vault.Vault) {
		t.Helper()
		ctx := t.Context()
		u := must[vault.Unsealed](t)(v.Unseal(ctx, account))
		got := []string{u.Credential.Fields.Get("api_key").Reveal(), u.Credential.Fields.Get("host").Reveal(), u.Credential.Token.Reveal(), u.RefreshToken.Reveal()}
		if want := "old-api-key-0123456789 git.example old-token-0123456789 old-refresh-0123456789"; strings.Join(got, " ") != want {
			t.Errorf("Unseal = %s, want %s", got, want)
		}
		_, values, err := v.UnsealApp(ctx, app, nowhere{"login.example.com"})
		want(t, "UnsealApp", err, nil)
		if got := values.Get("client_secret").Reveal(); got != "old-client-secret-0123456789" {
			t.Errorf("UnsealApp = %s", got)
		}
		x := must[vault.Session](t)(v.SessionByToken(ctx, secret.New(session)))
		if got := must[secret.Values](t)(v.SessionSecrets(ctx, x.ID)).Get("verifier").Reveal(); got != "old-verifier-0123456789" {
			t.Errorf("SessionSecrets = %s", got)
		}
		if problems := must[[]string](t)(v.Verify(ctx)); len(problems) > 0 {
			t.Errorf("Verify = %q, want nothing", problems)
		}
	}
	t.Run("written", func(t *testing.T) {
		v, db, _ := opened(t, key)
		check(t, v)
		old := snap(t, db, "secrets", "owner_id = '"+account+"'")
		l := must[*vault.Lease](t)(v.Lease(t.Context(), account, "", 1e9))
		must[vault.Account](t)(l.Save(t.Context(), minted("new-token", "new-refresh")))
		u := must[vault.Unsealed](t)(v.Unseal(t.Context(), account))
		if got := u.Credential.Fields.Get("api_key").Reveal() + " " + u.RefreshToken.Reveal(); got != "old-api-key-0123456789 new-refresh" {
			t.Errorf("after a refresh: %s", got)
		}
		old.putBack(t, db, "owner_id = '"+account+"'")
		_, err := v.Unseal(t.Context(), account)
		want(t, "Unseal of the old form after a write", err, vault.ErrRolledBack)
	})
	t.Run("rotated", func(t *testing.T) {
		v, db, c := opened(t, vault.NewKey().Reveal()+" "+key)
		old := snap(t, db, "secrets", "owner_id = '"+account+"'")
		want(t, "Rotate", v.Rotate(t.Context(), nil), nil)
		check(t, v)
		again := vaulttest.Open(t, vault.Config{Driver: "sqlite", Source: c.Source, Keys: c.Keys})
		check(t, again)
		old.putBack(t, db, "owner_id = '"+account+"'")
		_, err := again.Unseal(t.Context(), account)
		want(t, "Unseal of the old form after a rotation", err, vault.ErrRolledBack)
	})
	t.Run("imported", func(t *testing.T) {
		v, _, c := opened(t, key)
		var b bytes.Buffer
		want(t, "Export", v.Export(t.Context(), &b, false, nil), nil)
		to := vaulttest.SQLite(t)
		to.Keys = c.Keys
		other := vaulttest.Open(t, to)
		_, err := other.Import(t.Context(), &b, vault.ImportOptions{})
		want(t, "Import", err, nil)
		if got := must[vault.Unsealed](t)(other.Unseal(t.Context(), account)).RefreshToken.Reveal(); got != "old-refresh-0123456789" {
			t.Errorf("imported = %s", got)
		}
	})
}

// TestIdentitiesAreCleaned: what a service says of who somebody is steers no
// terminal, wherever it is shown.
func TestIdentitiesAreCleaned(t *testing.T) {
	config := vaulttest.SQLite(t)
	s := vaulttest.Open(t, config).System()
	a := must[vault.Account](t)(s.CreateAccount(t.Context(), vault.NewAccount{Connector: "x", Option: "o"}))
	bad := &vault.ProviderAccount{ID: "1\u009b2J", Label: "Ann\x1b[31m\u202eevil", Email: "a\u2028@b.example\r\n"}
	a = must[vault.Account](t)(s.Connect(t.Context(), a.ID, 0, vault.Connection{Provider: bad}))
	if want := (vault.ProviderAccount{ID: "12J", Label: "Ann[31mevil", Email: "a@b.example"}); a.Provider != want {
		t.Errorf("stored %q, want %q", a.Provider, want)
	}
	// A row of an older version is cleaned when it is read.
	if _, err := raw(t, config).ExecContext(t.Context(), "UPDATE accounts SET provider_label = ?", bad.Label); err != nil {
		t.Fatal(err)
	}
	if a = must[vault.Account](t)(s.Account(t.Context(), a.ID)); a.Provider.Label != "Ann[31mevil" {
		t.Errorf("an older row reads as %q", a.Provider.Label)
	}
	agent, _, err := s.CreateAgent(t.Context(), vault.NewAgent{Name: "a", Description: "one\ntwo\x1b[2J\u009b\u202e"})
	if err != nil || agent.Description != "one\ntwo[2J" {
		t.Errorf("an agent's description is %q, %v", agent.Description, err)
	}
}
