package integration_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// secretRow is a sealed value as it lies in the database.
type secretRow struct{ field, sealed, keyID, fingerprint, tail string }

// secretsOf are the sealed values of an account.
func secretsOf(t testing.TB, db *sql.DB, id string) (rows []secretRow) {
	t.Helper()
	r, err := db.Query("SELECT field, sealed, key_id, fingerprint, tail FROM secrets WHERE owner_id = $1", id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for r.Next() {
		var s secretRow
		if err := r.Scan(&s.field, &s.sealed, &s.keyID, &s.fingerprint, &s.tail); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, s)
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no secrets: %v", id, r.Err())
	}
	return rows
}

// putSecrets makes these the sealed values of an account that is in use, as somebody
// does who can write to the database and has no key.
func putSecrets(t testing.TB, db *sql.DB, id string, rows []secretRow) {
	t.Helper()
	run := func(query string, args ...any) {
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	run("DELETE FROM secrets WHERE owner_id = $1", id)
	for _, s := range rows {
		run("INSERT INTO secrets (owner_id, field, sealed, key_id, fingerprint, tail, updated_at) VALUES ($1, $2, $3, $4, $5, $6, 1)", id, s.field, s.sealed, s.keyID, s.fingerprint, s.tail)
	}
	run("UPDATE accounts SET state = 'active' WHERE id = $1", id)
}

// A sealed value in the file of the vault that was moved to another account, replaced
// by an older one, or put back after a revocation is not used.
func TestSealedInSQLite(t *testing.T) {
	integration(t)
	svc := newPlainService(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/png") // not searched: the test wants to see what came
		io.WriteString(w, r.Header.Get("Authorization"))
	}))
	dir := t.TempDir()
	file := filepath.Join(dir, "vault.db")
	writeFile(t, dir+"/svc.yaml", "key: svc\nhosts: [svc.test]\nauth: {token: {type: credentials, fields: {token: {title: Token, secret: true}}, sign: bearer}}\n")
	v := newVaulted(t, func(s *setup) {
		s.Attache += "\n\t\tconnectors " + dir + "\n\t\tconnector svc {\n\t\t\tupstream " + svc.URL + "\n\t\t}"
		s.Env = []string{"VAULT=" + file}
	})
	ids, tokens := map[string]string{}, map[string]string{}
	for _, name := range []string{"moved", "other", "older", "revoked"} {
		a := v.call(t, http.StatusCreated, "POST", "/accounts", map[string]any{"connector": "svc", "name": name, "credentials": map[string]string{"token": "token-0-of-" + name}, "test": false})
		ids[name] = a["id"].(string)
		v.call(t, http.StatusOK, "POST", "/accounts/"+ids[name]+"/activate", nil)
		agent := v.call(t, http.StatusCreated, "POST", "/agents", map[string]any{"name": "bot-" + name}) // of its own: what does not open refuses its agent
		tokens[name] = agent["token"].(string)
		v.call(t, http.StatusCreated, "POST", "/agents/"+agent["id"].(string)+"/grants", map[string]any{"account_id": ids[name], "scopes": []string{"read"}})
	}
	get := func(name string) string {
		req, _ := http.NewRequest("GET", v.URL+"/svc:"+name+"/", nil)
		req.Header.Set("Authorization", "Bearer "+tokens[name])
		res, err := v.plainClient(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return fmt.Sprintf("%d %s %s", res.StatusCode, res.Header.Get("Attache-Error"), b)
	}
	for name := range ids {
		if got, want := get(name), "200  Bearer token-0-of-"+name; got != want {
			t.Fatalf("%s at first = %s, want %s", name, got, want)
		}
	}
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	put := map[string][]secretRow{"moved": secretsOf(t, db, ids["other"]), "older": secretsOf(t, db, ids["older"]), "revoked": secretsOf(t, db, ids["revoked"])}
	v.call(t, http.StatusOK, "PUT", "/accounts/"+ids["older"]+"/credentials", map[string]any{"credentials": map[string]string{"token": "token-1-of-older"}})
	v.call(t, http.StatusOK, "POST", "/accounts/"+ids["revoked"]+"/revoke", nil)
	v.stop()
	for name, rows := range put {
		putSecrets(t, db, ids[name], rows)
	}
	db.Close()
	v.start()
	for name := range put {
		if got := get(name); strings.HasPrefix(got, "200") || strings.Contains(got, "token-") {
			t.Errorf("%s = %s, want it refused", name, got)
		}
	}
	if got := get("other"); got != "200  Bearer token-0-of-other" {
		t.Errorf("an account that nobody touched = %s", got)
	}
}

// The same in PostgreSQL, and in Redis, where an entry that does not open is none: the
// account's own token is used instead.
func TestSealedInPostgresAndRedis(t *testing.T) {
	integration(t)
	f := newFleet(t, fleetOptions{replicas: 1, tokenTimeout: 5 * time.Second, provider: oauthtest.Options{Lifetime: time.Hour}})
	names := []string{"moved", "other", "older", "revoked"}
	f.connect(names, time.Now().Add(-time.Minute)) // so that tokens come from the provider, and lie in Redis
	ctx, s, r := context.Background(), f.vault.System(), f.replicas[0]
	list, err := s.Accounts(ctx, vault.AccountFilter{}, vault.Page{})
	if err != nil || len(list.Items) != len(names) {
		t.Fatalf("accounts = %v, %v", list, err)
	}
	ids, tokens := map[string]string{}, map[string]string{}
	for _, a := range list.Items {
		agent, token, err := s.CreateAgent(ctx, vault.NewAgent{Name: "bot-" + a.Name})
		if err == nil {
			_, err = s.CreateGrant(ctx, vault.NewGrant{AgentID: agent.ID, AccountID: a.ID, Scopes: []string{"read"}})
		}
		if err != nil {
			t.Fatal(err)
		}
		ids[a.Name], tokens[a.Name] = a.ID, token.Reveal()
	}
	c := &chaos{f: f, t: t}
	get := func(name string) string {
		f.agent = tokens[name]
		return c.once(ctx, &http.Client{Timeout: 20 * time.Second}, r, name)
	}
	all := func(what string, want map[string]bool) {
		t.Helper()
		for name, ok := range want {
			if got := get(name); (got == "ok") != ok {
				t.Errorf("%s: %s = %s, want it used: %v", what, name, got, ok)
			}
		}
	}
	again := func(change func()) {
		r.kill()
		<-r.done
		change()
		r.start()
		r.wait()
	}
	all("at first", map[string]bool{"moved": true, "other": true, "older": true, "revoked": true})
	db, err := sql.Open("pgx", f.postgres.URL("attache"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rc := redis.NewClient(&redis.Options{Addr: f.redis.Addr})
	defer rc.Close()
	entry := func(name string) (key, value string) {
		t.Helper()
		keys, err := rc.Keys(ctx, "*cred:"+ids[name]).Result()
		if err != nil || len(keys) != 1 {
			t.Fatalf("the entry of %s in Redis: %v, %v", name, keys, err)
		}
		return keys[0], rc.Get(ctx, keys[0]).Val()
	}
	movedKey, _ := entry("moved")
	_, others := entry("other")
	olderKey, older := entry("older")
	revokedKey, revoked := entry("revoked")

	again(func() { rc.Set(ctx, movedKey, others, time.Hour) })
	all("with another's entry in Redis", map[string]bool{"moved": true, "other": true}) // once tells whose token came

	put := map[string][]secretRow{"moved": secretsOf(t, db, ids["other"]), "older": secretsOf(t, db, ids["older"]), "revoked": secretsOf(t, db, ids["revoked"])}
	refresh, access := f.provider.Issue("older")
	if _, err := s.SetCredentials(ctx, ids["older"], 0, vault.Credentials{Token: secret.New(access), RefreshToken: secret.New(refresh), ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Revoke(ctx, ids["revoked"], 0, vault.Reason{Code: "test"}); err != nil {
		t.Fatal(err)
	}
	again(func() {
		rc.FlushAll(ctx)
		for name, rows := range put {
			putSecrets(t, db, ids[name], rows)
		}
	})
	all("with sealed values put back", map[string]bool{"moved": false, "older": false, "revoked": false, "other": true})
	again(func() {
		rc.Set(ctx, olderKey, older, time.Hour)
		rc.Set(ctx, revokedKey, revoked, time.Hour)
	})
	all("with their entries put back into Redis too", map[string]bool{"moved": false, "older": false, "revoked": false, "other": true})
}
