package vault_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// nowhere is a connector that sends clients to these hosts, perhaps none.
type nowhere []string

func (n nowhere) FixedHosts(secret.Values) (hosts, open []string) { return n, nil }

// TestHostsOfApps: where an app goes was fixed with its secrets, and changes only
// with them.
func TestHostsOfApps(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s := t.Context(), v.System()
		app := must[vault.App](t)(s.CreateApp(ctx, vault.App{Connector: "x", Mode: vault.AppManaged, ClientID: "id", Hosts: []string{"login.example.com"}}, secret.Values{"client_secret": secret.New("s3cret")}))
		hosts := func() string {
			t.Helper()
			a, values, err := v.UnsealApp(ctx, app.ID, nowhere{"evil.example"})
			want(t, "UnsealApp", err, nil)
			if got := secret.HostsOf(a.Client(values)); !slices.Equal(got, a.Hosts) {
				t.Errorf("a token request goes to %v, the app says %v", got, a.Hosts)
			}
			return strings.Join(a.Hosts, " ")
		}
		if got := hosts(); got != "login.example.com" {
			t.Errorf("hosts = %q", got)
		}
		_, err := s.UpdateApp(ctx, app.ID, 0, vault.AppEdit{Hosts: []string{"evil.example"}})
		var bad *vault.InvalidError
		if !errors.As(err, &bad) || bad.Field != "hosts" {
			t.Errorf("UpdateApp of the hosts alone = %v, want it refused", err)
		}
		must[vault.App](t)(s.UpdateApp(ctx, app.ID, 0, vault.AppEdit{Params: map[string]string{"tenant": "evil.example"}}))
		must[vault.App](t)(s.UpdateApp(ctx, app.ID, 0, vault.AppEdit{Secrets: secret.Values{"client_secret": secret.New("other")}}))
		if got := hosts(); got != "login.example.com" {
			t.Errorf("hosts after edits of other things = %q", got)
		}
		must[vault.App](t)(s.UpdateApp(ctx, app.ID, 0, vault.AppEdit{Hosts: []string{"sso.example.com"}, Secrets: secret.Values{"client_secret": secret.New("other")}}))
		if got := hosts(); got != "sso.example.com" {
			t.Errorf("hosts that came with the secret = %q", got)
		}
		if infos := must[[]vault.SecretInfo](t)(s.AppSecrets(ctx, app.ID)); len(infos) != 1 {
			t.Errorf("secrets shown = %v, want the client_secret alone", infos)
		}
		_, err = s.CreateApp(ctx, vault.App{Organisation: vault.All, Connector: "x", Mode: vault.AppOwn, Name: "all"}, nil)
		if !errors.As(err, &bad) {
			t.Errorf("CreateApp of an own app of everybody = %v, want it refused", err)
		}
	})
}

// TestHostsThatSomebodyTookAway: without its sealed hosts an app goes nowhere.
func TestHostsThatSomebodyTookAway(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		v := vaulttest.Open(t, c)
		ctx := t.Context()
		app := must[vault.App](t)(v.System().CreateApp(ctx, vault.App{Connector: "x", Mode: vault.AppManaged, Hosts: []string{"login.example.com"}}, secret.Values{"client_secret": secret.New("s3cret")}))
		run(t, raw(t, c), "DELETE FROM secrets WHERE field = '@endpoints'")
		a, values, err := v.UnsealApp(ctx, app.ID, nowhere{"evil.example"})
		want(t, "UnsealApp", err, nil)
		if got := secret.HostsOf(a.Client(values)); len(got) > 0 || values.Get(secret.FixedHosts).IsZero() {
			t.Errorf("it goes to %v, want nowhere", got)
		}
	})
}

// TestConnectorsThatHoldSecrets: an edit that sends secrets elsewhere is decided
// where it is written, over all that has one, and over what is being entered.
func TestConnectorsThatHoldSecrets(t *testing.T) {
	each(t, func(t *testing.T, v *vault.Vault) {
		ctx, s, acme := t.Context(), v.System(), v.As(vault.Actor{Kind: "admin"}, "acme")
		moved := func(*vault.Connector, *vault.Connector) bool { return true }
		edit := func(definition string) func(*vault.Connector) error {
			return func(c *vault.Connector) error { c.Definition = definition; return nil }
		}
		digest := func(text string) string {
			sum := sha256.Sum256([]byte(text))
			return hex.EncodeToString(sum[:])
		}
		for key, hold := range map[string]func(key string) error{
			"accounts": func(key string) error {
				_, err := acme.CreateAccount(ctx, vault.NewAccount{Connector: key, Option: "o"})
				return err
			},
			"managed-apps": func(key string) error {
				_, err := s.CreateApp(ctx, vault.App{Connector: key, Mode: vault.AppManaged}, nil)
				return err
			},
			"own-apps": func(key string) error {
				_, err := acme.CreateApp(ctx, vault.App{Connector: key, Mode: vault.AppOwn}, nil)
				return err
			},
		} {
			must[vault.Connector](t)(s.CreateConnector(ctx, vault.Connector{Key: key, Organisation: vault.All, Title: "T", State: "active", Definition: "one"}, false))
			must[vault.Connector](t)(s.UpdateConnector(ctx, key, 0, moved, edit("two")))
			want(t, key, hold(key), nil)
			_, err := s.UpdateConnector(ctx, key, 0, moved, edit("evil"))
			want(t, "moving a connector with "+key, err, vault.ErrHeld)
			must[vault.Connector](t)(s.UpdateConnector(ctx, key, 0, nil, edit("three"))) // who may
			if key == "accounts" {
				continue
			}
			want(t, "deleting it", s.DeleteConnector(ctx, key, 0), nil)
			if l := must[vault.List[vault.App]](t)(s.Apps(ctx, vault.AppFilter{Connector: key}, vault.Page{Limit: 10})); len(l.Items) > 0 {
				t.Errorf("the apps of a deleted connector are left: %v", l.Items)
			}
			must[vault.Connector](t)(s.CreateConnector(ctx, vault.Connector{Key: key, Organisation: vault.All, Title: "T", State: "active"}, false))
		}
		// A connector of that key was one of a file, and its accounts are left.
		must[vault.Account](t)(acme.CreateAccount(ctx, vault.NewAccount{Connector: "left", Option: "o"}))
		_, err := s.CreateConnector(ctx, vault.Connector{Key: "left", Organisation: vault.All, Title: "T", State: "active"}, false)
		want(t, "CreateConnector over accounts that are left", err, vault.ErrHeld)

		// What was checked against the former definition is not stored under the next.
		must[vault.Connector](t)(s.CreateConnector(ctx, vault.Connector{Key: "late", Organisation: vault.All, Title: "T", State: "active", Definition: "one"}, false))
		must[vault.Connector](t)(s.UpdateConnector(ctx, "late", 0, moved, edit("evil")))
		for what, f := range map[string]func(checked string) error{
			"CreateAccount": func(checked string) error {
				_, err := acme.CreateAccount(ctx, vault.NewAccount{Connector: "late", Option: "o", Name: checked, Credentials: &vault.Credentials{Checked: checked}})
				return err
			},
			"CreateApp": func(checked string) error {
				_, err := acme.CreateApp(ctx, vault.App{Connector: "late", Mode: vault.AppOwn, Name: checked, Checked: checked}, nil)
				return err
			},
		} {
			want(t, what+" after the definition changed", f(digest("one")), vault.ErrConflict)
			want(t, what, f(digest("evil")), nil)
		}
	})
}

// TestOwnAppsServeTheirOrganisation: no account goes by another organisation's app.
func TestOwnAppsServeTheirOrganisation(t *testing.T) {
	v := vaulttest.Open(t, vaulttest.SQLite(t))
	ctx, s := context.Background(), v.System()
	own := must[vault.App](t)(s.CreateApp(ctx, vault.App{Organisation: "acme", Connector: "x", Mode: vault.AppOwn}, nil))
	for org, ok := range map[string]bool{"acme": true, "evil": false} {
		_, err := s.CreateAccount(ctx, vault.NewAccount{Organisation: org, Connector: "x", Option: "o", AppID: own.ID})
		var bad *vault.InvalidError
		if ok && err != nil || !ok && !errors.As(err, &bad) {
			t.Errorf("CreateAccount of %s by an app of acme = %v", org, err)
		}
		a := must[vault.Account](t)(s.CreateAccount(ctx, vault.NewAccount{Organisation: org, Connector: "x", Option: "o", Name: "later"}))
		_, err = s.Connect(ctx, a.ID, 0, vault.Connection{AppID: own.ID})
		if ok && err != nil || !ok && !errors.As(err, &bad) {
			t.Errorf("Connect of an account of %s by an app of acme = %v", org, err)
		}
	}
}
