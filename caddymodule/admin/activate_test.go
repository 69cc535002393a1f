package admin_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/resolver/vault"
)

// TestActivate: credentials that no test can prove may work all the same, when an
// operator says so.
func TestActivate(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.want(201, "", "POST", "/accounts", `{"connector":"hub","name":"narrow","test":false,"credentials":{"token":"broken-1"}}`).str("id")
		path := "/accounts/" + id
		if a := w.want(200, "", "POST", path+"/test", ""); a.get("ok") != false || a.str("state") != "pending" {
			t.Fatalf("test = %s, want it to fail and the account to wait", a.raw)
		}
		a := w.want(200, "", "POST", path+"/activate", `{"reason":"the key may not read /me"}`)
		if a.str("state") != "active" || a.str("state_reason.code") != "activated_by_operator" || a.str("state_reason.detail") != "the key may not read /me" {
			t.Errorf("activate = %s, want active, and why", a.raw)
		}
		if l := w.want(200, "", "GET", "/audit?account_id="+id+"&code=account.active", ""); l.len("items") != 1 || !strings.Contains(l.raw, "the key may not read /me") {
			t.Errorf("audit = %s, want the reason", l.raw)
		}
		w.want(409, "INVALID_STATE", "POST", path+"/activate", "")
		w.want(200, "", "POST", path+"/suspend", "")
		w.want(409, "ACCOUNT_SUSPENDED", "POST", path+"/activate", "")
		w.want(200, "", "POST", path+"/revoke", "")
		w.want(409, "ACCOUNT_REVOKED", "POST", path+"/activate", "")

		empty := w.want(201, "", "POST", "/accounts", `{"connector":"hub","name":"empty"}`).str("id")
		w.want(409, "ACCOUNT_NOT_CONNECTED", "POST", "/accounts/"+empty+"/activate", "")
		person := w.want(201, "", "POST", "/accounts", `{"connector":"desk","option":"oauth","name":"person"}`).str("id")
		w.want(409, "ACCOUNT_NOT_CONNECTED", "POST", "/accounts/"+person+"/activate", "")
		w.want(404, "ACCOUNT_NOT_FOUND", "POST", "/accounts/acc_x/activate", "")
		w.want(409, "READ_ONLY", "POST", "/accounts/file:hub:main/activate", "")

		// One that worked, and whose credentials a test refused.
		id = w.account("refused")
		w.want(200, "", "PUT", "/accounts/"+id+"/credentials", `{"test":false,"credentials":{"token":"bad-1"}}`)
		if a := w.want(200, "", "POST", "/accounts/"+id+"/test", ""); a.str("state") != "error" {
			t.Fatalf("test = %s, want error", a.raw)
		}
		if a := w.want(200, "", "POST", "/accounts/"+id+"/activate", "", "If-Match", w.do("GET", "/accounts/"+id, "").header.Get("ETag")); a.str("state") != "active" {
			t.Errorf("activate = %s, want active", a.raw)
		}
	})
}

// TestOneAccountTwiceInBulk: what the items change does not make them fail.
func TestOneAccountTwiceInBulk(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.account("x")
		ids := strings.Repeat(`"`+id+`",`, 20)
		if a := w.want(200, "", "POST", "/accounts/bulk/settings", `{"ids":[`+ids[:len(ids)-1]+`],"settings":{"rate_limit":7}}`); a.get("failed") != 0.0 {
			t.Errorf("bulk = %s, want no failure", a.raw)
		}
	})
}

// TestRefusedInput is what was taken before and did nothing, or the wrong thing.
func TestRefusedInput(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.agent("one")
		w.agent("two")
		defer w.as(w.admin("boss", vault.RoleAdmin, vault.All))()
		// What OAuth does with it.
		w.want(422, "INVALID_INPUT", "POST", "/apps", `{"connector":"hub","mode":"managed","client_id":"x"}`)
		app := w.want(201, "", "POST", "/apps", `{"connector":"desk","mode":"managed","client_id":"x"}`).str("id")
		acct := w.want(201, "", "POST", "/accounts", `{"connector":"desk","option":"oauth","app_id":"`+app+`"}`).str("id")
		if a := w.want(409, "APP_IN_USE", "DELETE", "/apps/"+app, ""); !strings.Contains(a.raw, "Switch it off") {
			t.Errorf("deleting an app in use = %s", a.raw)
		}
		for _, scopes := range []string{`"a b"`, `""`, `"ok","\n"`, `"é"`} {
			w.want(422, "INVALID_INPUT", "POST", "/accounts/"+acct+"/authorize", `{"additional_scopes":[`+scopes+`]}`)
			w.want(422, "INVALID_INPUT", "POST", "/connect/sessions", `{"account_id":"`+acct+`","additional_scopes":[`+scopes+`]}`)
		}
		next := w.want(200, "", "GET", "/agents?limit=1", "").str("next")
		w.want(200, "", "GET", "/agents?after="+next, "")
		for _, list := range []string{"/accounts", "/grants", "/apps", "/tokens", "/webhooks", "/audit"} {
			w.want(422, "INVALID_INPUT", "GET", list+"?after="+next, "")
		}
		w.want(422, "INVALID_INPUT", "POST", "/webhooks", `{"url":"https://a.example/x","events":["account.activ"]}`)
		w.want(201, "", "POST", "/webhooks", `{"url":"https://a.example/x","events":["account.active","account.*","*"]}`)
		w.want(201, "", "POST", "/connectors", `{"name":"own","hosts":["own.example"],"token_url":"https://own.example/t"}`)
		for _, path := range []string{"me", "//other.example/me", "http://own.example/me"} {
			w.want(422, "INVALID_INPUT", "PATCH", "/connectors/own", `{"test_path":"`+path+`"}`)
		}
		w.want(200, "", "PATCH", "/connectors/own", `{"test_path":"/me"}`)
		if a := w.want(422, "INVALID_CREDENTIALS", "POST", "/accounts", `{"connector":"own","credentials":{"client_id":"x"}}`); !strings.Contains(a.raw, "asks for no fields") {
			t.Errorf("credentials where none are asked for = %s", a.raw)
		}
		for _, report := range []string{"status", "health", "usage"} {
			if a := w.want(404, "ACCOUNT_NOT_FOUND", "GET", "/accounts/file:hub:main/"+report, ""); !strings.Contains(a.raw, "configuration file") {
				t.Errorf("%s of an account of the file = %s", report, a.raw)
			}
		}
	})
}

// TestClearAnswers: errors say what to do in the words of the API.
func TestClearAnswers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.account("x")
		for _, c := range []struct {
			status                   int
			code, method, path, says string
		}{
			{409, "INVALID_STATE", "POST", "/accounts/" + id + "/resume", "Only a suspended account is resumed; this one is active."},
			{422, "INVALID_INPUT", "GET", "/accounts?after=x", `"query.after"`},
			{422, "INVALID_INPUT", "GET", "/audit?from=x", "2026-01-31T00:00:00Z"},
		} {
			if a := w.want(c.status, c.code, c.method, c.path, ""); !strings.Contains(a.raw, c.says) {
				t.Errorf("%s %s = %s, want it to say %q", c.method, c.path, a.raw, c.says)
			}
		}
		w.want(200, "", "POST", "/accounts/"+id+"/suspend", "")
		if a := w.want(409, "INVALID_STATE", "POST", "/accounts/"+id+"/suspend", ""); !strings.Contains(a.raw, "suspended already") {
			t.Errorf("a second suspend = %s", a.raw)
		}
		// Its connector switched off.
		w.want(201, "", "POST", "/connectors", `{"name":"off","hosts":["off.example"],"token_url":"https://off.example/t","client_id":"good","client_secret":"good"}`)
		acct := w.want(200, "", "GET", "/accounts?connector=off", "").str("items.0.id")
		w.want(200, "", "PATCH", "/connectors/off", `{"active":false}`)
		if a := w.want(200, "", "GET", "/accounts/"+acct+"/status", ""); a.get("usable") != false || !strings.Contains(a.str("why"), "switched off") {
			t.Errorf("status of an account whose connector is off = %s", a.raw)
		}
	})
}
