package admin_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/resolver/vault"
)

// TestClientsAreEnteredForHosts: an account's field decides where Looker's and
// Mastodon's clients would go, so that who enters one says where they may.
func TestClientsAreEnteredForHosts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, key := range []string{"trial-host", "trial-tld"} {
			host := map[string]string{"trial-host": "{fields.host}", "trial-tld": "login.example.{fields.host}"}[key]
			definition := `key: ` + key + `\nhosts: [\"` + key + `.example.com\"]\nauth: {o: {type: oauth2, grant_type: client_credentials, token_url: \"https://` + host + `/t\", fields: {host: {}}}}\n`
			w.want(201, "", "POST", "/connectors", `{"definition":"`+definition+`"}`)
			if a := w.want(200, "", "GET", "/connectors/"+key+"/app-mode", ""); a.len("open_hosts") == 0 {
				t.Errorf("app-mode = %s, want it to say that hosts must be named", a.raw)
			}
			body := `{"connector":"` + key + `","mode":"managed","client_id":"id","secrets":{"client_secret":"s3cret"}`
			if a := w.want(422, "INVALID_INPUT", "POST", "/apps", body+`}`); !strings.Contains(a.raw, "hosts") {
				t.Errorf("POST /apps = %s, want it to ask for hosts", a.raw)
			}
			for _, bad := range []string{"*", "*.com", "*.github.io", "http://login.example.com", "login.example.com/x"} {
				w.want(422, "INVALID_INPUT", "POST", "/apps", body+`,"hosts":["`+bad+`"]}`)
			}
			app := w.want(201, "", "POST", "/apps", body+`,"hosts":["login.example.com"]}`)
			if app.str("hosts.0") != "login.example.com" || app.len("secrets") != 1 {
				t.Errorf("POST /apps = %s", app.raw)
			}
			path := "/apps/" + app.str("id")
			w.want(422, "INVALID_INPUT", "PATCH", path, `{"hosts":["evil.example.com"]}`)
			w.want(200, "", "PATCH", path, `{"params":{"host":"evil.example.com"}}`)
			w.want(200, "", "PATCH", path, `{"secrets":{"client_secret":"other"}}`)
			if a := w.want(200, "", "GET", path, ""); a.str("hosts.0") != "login.example.com" {
				t.Errorf("after other edits: %s", a.raw)
			}
			w.want(200, "", "PATCH", path, `{"hosts":["sso.example.com"],"secrets":{"client_secret":"other"}}`)
		}
	})
}

// TestConnectorsWithAppsAreNotMoved: not by an edit, nor by making the key anew.
func TestConnectorsWithAppsAreNotMoved(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		definition := func(host string) string {
			return `{"definition":"key: moved\nhosts: [svc.example.com]\nauth: {o: {type: oauth2, grant_type: client_credentials, token_url: \"https://` + host + `/t\"}}\n"}`
		}
		w.want(201, "", "POST", "/connectors", definition("login.example.com"))
		app := w.want(201, "", "POST", "/apps", `{"connector":"moved","mode":"managed","client_id":"id","secrets":{"client_secret":"s3cret"}}`)
		if app.str("hosts.0") != "login.example.com" {
			t.Errorf("POST /apps = %s, want the host of token_url", app.raw)
		}
		back := w.as(w.admin("mover", vault.RoleOperator, vault.All))
		w.want(403, "INVALID_PERMISSIONS", "PATCH", "/connectors/moved", definition("evil.example.com"))
		w.want(204, "", "DELETE", "/connectors/moved", "")
		w.want(404, "APP_NOT_FOUND", "GET", "/apps/"+app.str("id"), "")
		w.want(201, "", "POST", "/connectors", definition("evil.example.com"))
		back()
	})
}

// Credentials are proved with the OAuth client that calls will use: the managed one
// where none is named.
func TestAccountsAreProvedWithTheManagedApp(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.want(201, "", "POST", "/connectors", `{"definition":"key: minted\nhosts: [minted.example.com]\nauth: {o: {type: oauth2, grant_type: client_credentials, token_url: \"https://login.example.com/t\", fields: {region: {}}}}\n"}`)
		account := `{"connector":"minted","name":"NAME","credentials":{"region":"eu"}}`
		w.want(422, "CREDENTIALS_REJECTED", "POST", "/accounts", strings.Replace(account, "NAME", "without", 1))
		w.want(201, "", "POST", "/apps", `{"connector":"minted","mode":"managed","client_id":"id","secrets":{"client_secret":"good-secret"}}`)
		if a := w.want(201, "", "POST", "/accounts", strings.Replace(account, "NAME", "with", 1)); a.str("state") != "active" {
			t.Errorf("the account = %s", a.raw)
		}
	})
}
