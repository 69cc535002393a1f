package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

func importText(t *testing.T, v *vault.Vault, text string) vault.Imported {
	t.Helper()
	return must[vault.Imported](t)(v.Import(t.Context(), strings.NewReader(text), vault.ImportOptions{}))
}

// TestRotate: every secret ends up sealed with the first key, while the vault is
// being written to.
func TestRotate(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		k1, k2 := vault.NewKey(), vault.NewKey()
		c.Keys = parse(t, k1)
		v := must[*vault.Vault](t)(vault.Open(t.Context(), c))
		var lines strings.Builder
		for i := range 1200 {
			fmt.Fprintf(&lines, `{"account":{"connector":"x","option":"y","name":"n%d","secrets":{"k":"secret-%d"},"active":true}}`+"\n", i, i)
		}
		importText(t, v, lines.String())
		a := active(t, v.System(), "busy")
		want(t, "Close", v.Close(), nil)

		c.Keys = parse(t, k2, k1)
		v = must[*vault.Vault](t)(vault.Open(t.Context(), c))
		ctx := t.Context()
		stop, stopped := make(chan struct{}), make(chan int)
		go func() { // refreshes go on
			n := 0
			for {
				select {
				case <-stop:
					stopped <- n
					return
				default:
				}
				n++
				l, err := v.Lease(ctx, a.ID, "", time.Minute)
				if err == nil {
					_, err = l.Save(ctx, minted(fmt.Sprint("access-", n), fmt.Sprint("refresh-", n)))
				}
				if err != nil {
					t.Error(err)
				}
			}
		}()
		// Stopped half way, and begun again.
		var p vault.Progress
		half := errors.New("half way")
		func() {
			defer func() { _ = recover() }()
			_ = v.Rotate(ctx, func(q vault.Progress) {
				if p = q; q.Done > 400 {
					panic(half)
				}
			})
		}()
		st := must[vault.Status](t)(v.Status(ctx))
		if len(st.Secrets) != 2 || p.Total < 1200 {
			t.Errorf("half way %v are sealed by each key, progress %+v; want both keys", st.Secrets, p)
		}
		want(t, "Rotate", v.Rotate(ctx, func(q vault.Progress) { p = q }), nil)
		close(stop)
		n := <-stopped
		st = must[vault.Status](t)(v.Status(ctx))
		if len(st.Secrets) != 1 || st.Secrets[st.Keys[0]] < 1200 {
			t.Errorf("after Rotate %v are sealed by each key, want all by %s", st.Secrets, st.Keys[0])
		}
		want(t, "Close", v.Close(), nil)

		c.Keys = parse(t, k2)
		v = vaulttest.Open(t, c)
		u := must[vault.Unsealed](t)(v.Unseal(ctx, a.ID))
		if got, wanted := u.RefreshToken.Reveal(), fmt.Sprint("refresh-", n); got != wanted {
			t.Errorf("the refresh token is %q, want the last one, %q", got, wanted)
		}
	})
}

// TestExportImport moves a vault from one database to the other.
func TestExportImport(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, from vault.Config) {
		ctx := t.Context()
		v := vaulttest.Open(t, from)
		s := v.System()
		a := active(t, s, "a")
		must[vault.Account](t)(s.SetState(ctx, a.ID, 0, vault.Suspended, vault.Reason{Code: "x"}))
		agent, token, err := s.CreateAgent(ctx, vault.NewAgent{Name: "bot", Connectors: []string{"github"}})
		want(t, "CreateAgent", err, nil)
		must[vault.Grant](t)(s.CreateGrant(ctx, vault.NewGrant{AgentID: agent.ID, AccountID: a.ID, Scopes: []string{"read"}}))
		must[vault.App](t)(s.CreateApp(ctx, vault.App{Connector: "github", Mode: vault.AppManaged, ClientID: "id"}, secret.Values{"client_secret": secret.New("the-app's-secret")}))
		must[vault.Connector](t)(s.CreateConnector(ctx, vault.Connector{Key: "own", Title: "Own", State: "active", Definition: "key: own\n"}, false))
		_, admin, err := s.CreateAdminToken(ctx, "root", vault.RoleAdmin, "", time.Time{})
		want(t, "CreateAdminToken", err, nil)
		_, _, err = s.CreateSession(ctx, vault.NewSession{AccountID: a.ID, Secrets: secret.Values{"v": secret.New("x")}, Lifetime: time.Minute})
		want(t, "CreateSession", err, nil)
		want(t, "Record", v.Record(ctx, use(a.ID, 200)), nil)
		want(t, "Flush", v.Flush(ctx), nil)
		var file bytes.Buffer
		want(t, "Export", v.Export(ctx, &file, true, nil), nil)

		for _, driver := range []string{"sqlite", "postgres"} {
			to := vaulttest.SQLite(t)
			if driver == "postgres" {
				to = vaulttest.Postgres(t)
			}
			to.Keys = mustKeys(t, v)
			w := vaulttest.Open(t, to)
			sum := must[vault.Imported](t)(w.Import(ctx, bytes.NewReader(file.Bytes()), vault.ImportOptions{Name: "f"}))
			if sum.Known != 0 || sum.Rows < 10 {
				t.Errorf("Import() = %+v, want all rows stored", sum)
			}
			u := must[vault.Unsealed](t)(w.Unseal(ctx, a.ID))
			if u.RefreshToken.Reveal() != "refresh-0-a" || u.Account.State != vault.Suspended || u.Account.ResumeTo != vault.Active {
				t.Errorf("the account came as %+v", u.Account)
			}
			if got, _, err := w.AgentByToken(ctx, token); err != nil || got.ID != agent.ID || !got.MayUse("github") || got.MayUse("slack") {
				t.Errorf("the agent came as %+v, %v", got, err)
			}
			if ps := must[[]vault.Permit](t)(w.Permits(ctx, agent.ID, "github")); len(ps) != 1 {
				t.Errorf("%d grants came, want 1", len(ps))
			}
			if got, err := w.AdminByToken(ctx, admin); err != nil || got.Role != vault.RoleAdmin {
				t.Errorf("the admin token came as %+v, %v", got, err)
			}
			apps := must[[]vault.App](t)(w.AppsFor(ctx, "github", "default"))
			if _, values, err := w.UnsealApp(ctx, apps[0].ID, nowhere{}); err != nil || values.Get("client_secret").Reveal() != "the-app's-secret" {
				t.Errorf("the app came without its secret: %v", err)
			}
			if days := must[[]vault.Usage](t)(w.System().Usage(ctx, a.ID, time.Now(), time.Now())); len(days) != 1 || days[0].Calls != 1 {
				t.Errorf("usage came as %+v", days)
			}
			again := must[vault.Imported](t)(w.Import(ctx, bytes.NewReader(file.Bytes()), vault.ImportOptions{}))
			if again.Rows != 1 { // the end line
				t.Errorf("a second import stored %d rows", again.Rows)
			}
			stranger := to
			stranger.Keys = vaulttest.Keys(t)
			openFails(t, "Open with a stranger's key", stranger, vault.ErrWrongKey, "")
		}
		w := vaulttest.Open(t, vaulttest.SQLite(t))
		_, err = w.Import(ctx, bytes.NewReader(file.Bytes()), vault.ImportOptions{})
		want(t, "Import without the key", err, vault.ErrWrongKey)
		if l := must[vault.List[vault.Account]](t)(w.System().Accounts(ctx, vault.AccountFilter{}, vault.Page{})); len(l.Items) != 0 {
			t.Errorf("a refused batch left %d accounts", len(l.Items))
		}
	})
}

// TestImportBeside: what meets a name that is taken is left alone with all that
// belongs to it, and nothing dangles.
func TestImportBeside(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		a := active(t, s, "same")
		agent, _, err := s.CreateAgent(ctx, vault.NewAgent{Name: "bot"})
		want(t, "CreateAgent", err, nil)
		g := must[vault.Grant](t)(s.CreateGrant(ctx, vault.NewGrant{AgentID: agent.ID, AccountID: a.ID, Scopes: []string{"read"}}))
		var file bytes.Buffer
		want(t, "Export", v.Export(ctx, &file, false, nil), nil)

		to := vaulttest.SQLite(t)
		to.Keys = v.Keys()
		w := vaulttest.Open(t, to)
		mine := active(t, w.System(), "same")
		_, _, err = w.System().CreateAgent(ctx, vault.NewAgent{Name: "bot"})
		want(t, "CreateAgent", err, nil)
		must[vault.Imported](t)(w.Import(ctx, bytes.NewReader(file.Bytes()), vault.ImportOptions{}))
		for _, p := range must[[]string](t)(w.Verify(ctx)) {
			t.Error(p)
		}
		if st := must[vault.Status](t)(w.Status(ctx)); st.Rows["accounts"] != 1 || st.Rows["agents"] != 1 || st.Rows["agent_tokens"] != 1 || st.Rows["grants"] != 0 {
			t.Errorf("after an import beside what is there: %v", st.Rows)
		}
		must[vault.Unsealed](t)(w.Unseal(ctx, mine.ID))

		// A file that joins organisations is refused.
		forged := strings.Replace(file.String(), `"id":"`+g.ID+`","operations":"null","organisation":"default"`, `"id":"`+g.ID+`","operations":"null","organisation":"acme"`, 1)
		if forged == file.String() {
			t.Fatal("the test forges nothing")
		}
		to = vaulttest.SQLite(t)
		to.Keys = v.Keys()
		_, err = vaulttest.Open(t, to).Import(ctx, strings.NewReader(forged), vault.ImportOptions{})
		want(t, "Import of a forged grant", err, vault.ErrOrganisation)
	})
}

// mustKeys is the key ring of an open vault, as a new vault would get it.
func mustKeys(t *testing.T, v *vault.Vault) *vault.Keyring {
	t.Helper()
	return v.Keys()
}

// cut fails after some bytes, as a read of a file does when the process dies.
type cut struct {
	r    io.Reader
	left int
}

func (c *cut) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errors.New("cut off")
	}
	n, err := c.r.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

func TestImportResumes(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx := t.Context()
		var text strings.Builder
		for i := range 1700 {
			fmt.Fprintf(&text, `{"account":{"connector":"x","option":"y","name":"n%d","secrets":{"k":"secret-%d"},"fields":{"f":"1"},"active":true}}`+"\n", i, i)
		}
		_, err := v.Import(ctx, &cut{strings.NewReader(text.String()), text.Len() * 2 / 3}, vault.ImportOptions{Name: "file"})
		if err == nil {
			t.Fatal("a file that was cut off was imported")
		}
		var p vault.Progress
		sum := must[vault.Imported](t)(v.Import(ctx, strings.NewReader(text.String()), vault.ImportOptions{Name: "file", Report: func(q vault.Progress) { p = q }}))
		if sum.Resumed != 1000 || sum.Rows != 700 || p.Done != 1700 {
			t.Errorf("Import() = %+v, progress %+v; want 1000 lines resumed, 700 stored", sum, p)
		}
		l := must[vault.List[vault.Account]](t)(v.System().Accounts(ctx, vault.AccountFilter{Name: "n1699"}, vault.Page{}))
		u := must[vault.Unsealed](t)(v.Unseal(ctx, l.Items[0].ID))
		if u.Account.State != vault.Active || u.Credential.Fields.Get("k").Reveal() != "secret-1699" {
			t.Errorf("the last account came as %+v", u.Account)
		}
		if st := must[vault.Status](t)(v.Status(ctx)); st.Rows["accounts"] != 1700 {
			t.Errorf("%d accounts, want 1700", st.Rows["accounts"])
		}
		if left := must[[]vault.Setting](t)(v.Settings(ctx, "vault.import.")); len(left) != 0 {
			t.Errorf("the place in the file was not forgotten: %+v", left)
		}
	})
}

func TestBadImports(t *testing.T) {
	v := vaulttest.Open(t, vaulttest.SQLite(t))
	good := `{"account":{"connector":"x","option":"y"}}`
	for _, tt := range []struct{ name, text, says string }{
		{"empty", "", "empty"},
		{"not JSON", "key,value\n", "line 1"},
		{"another object", `{"a":1}`, "line 1"},
		{"unknown field", good + "\n" + `{"account":{"connectr":"x"}}`, `line 2: not understood: json: unknown field "connectr"`},
		{"wrong type", `{"account":{"connector":5}}`, "line 1"},
		{"bad account", good + "\n\n" + `{"account":{"connector":"x","option":""}}`, "line 3: option"},
		{"secret as a number", `{"account":{"connector":"x","option":"y","secrets":{"k":987654321}}}`, "line 1"},
		{"rows without a header", `{"table":"accounts","row":{}}`, "line 1"},
		{"newer", `{"vault":2,"schema":1}`, "newer"},
		{"newer tables", fmt.Sprintf(`{"vault":1,"schema":%d}`, vault.SchemaVersion+1), "newer"},
		{"cut off", `{"vault":1,"schema":1,"rows":1}` + "\n", "ends early"},
		{"unknown table", `{"vault":1,"schema":1}` + "\n" + `{"table":"sqlite_master","row":{}}`, "unknown table"},
		{"missing columns", `{"vault":1,"schema":1}` + "\n" + `{"table":"accounts","row":{"id":"x"}}`, "columns"},
		{"long", `{"account":{"connector":"` + strings.Repeat("x", 5<<20) + `"}}`, "longer"},
	} {
		_, err := v.Import(t.Context(), strings.NewReader(tt.text), vault.ImportOptions{})
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("Import(%s) = %v, want it to say %q", tt.name, err, tt.says)
		}
		if err != nil && strings.Contains(err.Error(), "987654321") {
			t.Errorf("Import(%s) shows a secret: %v", tt.name, err)
		}
	}
}
