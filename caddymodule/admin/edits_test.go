package admin_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

func TestBadAccounts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.account("taken")
		for _, tt := range []struct {
			status     int
			code, body string
			says       string
		}{
			{422, "INVALID_INPUT", `{}`, "connector"},
			{422, "INVALID_INPUT", `{"connector":"hub","colour":"red"}`, "colour"},
			{422, "CONNECTOR_NOT_FOUND", `{"connector":"nobody"}`, "connector"},
			{422, "OPTION_NOT_FOUND", `{"connector":"hub","option":"x"}`, "token"},
			{422, "INVALID_CREDENTIALS", `{"connector":"desk","option":"token","credentials":{"subdomain":"A B","email":"x","api_token":"good"}}`, "subdomain"},
			{422, "INVALID_CREDENTIALS", `{"connector":"hub","credentials":{}}`, "missing"},
			{422, "INVALID_CREDENTIALS", `{"connector":"hub","credentials":{"token":"good","extra":"x"}}`, "extra"},
			{422, "CREDENTIALS_REJECTED", `{"connector":"hub","credentials":{"token":"bad"}}`, "does not take"},
			{502, "TEST_FAILED", `{"connector":"hub","credentials":{"token":"broken"}}`, "POST …/activate"},
			{502, "TEST_FAILED", `{"connector":"hub","credentials":{"token":"away"}}`, "log"},
			{422, "INVALID_CREDENTIALS", `{"connector":"hub","credentials":{"token":"good\nbetter"}}`, "line break"},
			{409, "ACCOUNT_EXISTS", `{"connector":"hub","name":"taken","credentials":{"token":"good"}}`, "Choose another name"},
			{422, "INVALID_INPUT", `{"connector":"hub","identifier_type":"team"}`, "identifier_type"},
			{422, "INVALID_INPUT", `{"connector":"hub","name":" x"}`, "name"},
			{422, "INVALID_INPUT", `{"connector":"hub","settings":{"rate_limit":-1}}`, "rate_limit"},
			{422, "APP_NOT_FOUND", `{"connector":"hub","app_id":"app_x"}`, "app"},
		} {
			a := w.want(tt.status, tt.code, "POST", "/accounts", tt.body)
			if !strings.Contains(a.raw, tt.says) {
				t.Errorf("POST %s = %s, want it to say %q", tt.body, a.raw, tt.says)
			}
		}
		if l := w.want(200, "", "GET", "/accounts?connector=hub&identifier_type=org", ""); l.len("items") != 1 {
			t.Errorf("bad input made accounts: %s", l.raw)
		}
	})
}

func TestAccountStates(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.want(201, "", "POST", "/accounts", `{"connector":"hub","name":"s","test":false,"credentials":{"token":"good-1"}}`).str("id")
		state := func(want string) {
			t.Helper()
			if got := w.want(200, "", "GET", "/accounts/"+id+"/status", ""); got.str("state") != want || (got.get("usable") == true) != (want == "active") {
				t.Errorf("status = %s, want %s", got.raw, want)
			}
		}
		state("pending")
		w.want(409, "ACCOUNT_NOT_CONNECTED", "POST", "/accounts/"+id+"/refresh", "")
		if a := w.want(200, "", "POST", "/accounts/"+id+"/test", ""); a.get("ok") != true || a.str("state") != "active" {
			t.Errorf("test = %s, want ok and active", a.raw)
		}
		state("active")
		w.want(409, "INVALID_STATE", "POST", "/accounts/"+id+"/resume", "")
		w.want(200, "", "POST", "/accounts/"+id+"/suspend", `{"reason":"holiday"}`)
		state("suspended")
		w.want(409, "INVALID_STATE", "POST", "/accounts/"+id+"/suspend", "")
		w.want(409, "ACCOUNT_SUSPENDED", "POST", "/accounts/"+id+"/test", "")
		w.want(409, "ACCOUNT_SUSPENDED", "PUT", "/accounts/"+id+"/credentials", `{"credentials":{"token":"good-2"}}`)
		w.want(200, "", "POST", "/accounts/"+id+"/resume", "")
		state("active")
		w.want(409, "NOTHING_TO_REFRESH", "POST", "/accounts/"+id+"/refresh", "")

		// Credentials that are not taken change nothing.
		w.want(422, "CREDENTIALS_REJECTED", "PUT", "/accounts/"+id+"/credentials", `{"credentials":{"token":"bad"}}`)
		state("active")
		w.want(200, "", "PUT", "/accounts/"+id+"/credentials", `{"test":false,"credentials":{"token":"bad"}}`)
		if a := w.want(200, "", "POST", "/accounts/"+id+"/test", ""); a.get("ok") != false || a.str("state") != "error" || a.get("status") != 401.0 {
			t.Errorf("test of bad credentials = %s, want 401 and error", a.raw)
		}
		w.want(200, "", "PUT", "/accounts/"+id+"/credentials", `{"credentials":{"token":"good-3"}}`)
		state("active")

		// The service is away: revoked here all the same, and the audit says so.
		a := w.want(200, "", "POST", "/accounts/"+id+"/revoke", "")
		if a.str("state") != "revoked" || a.len("secrets") != 0 || a.str("at_service") != "failed" || !strings.Contains(a.str("state_reason.detail"), "did not confirm") {
			t.Errorf("revoke = %s", a.raw)
		}
		w.want(409, "INVALID_STATE", "POST", "/accounts/"+id+"/revoke", "")
		w.want(409, "ACCOUNT_REVOKED", "POST", "/accounts/"+id+"/test", "")
		w.want(409, "ACCOUNT_REVOKED", "POST", "/accounts/"+id+"/refresh", "")
		w.want(200, "", "PUT", "/accounts/"+id+"/credentials", `{"credentials":{"token":"good-4"}}`)
		state("active")
		w.want(204, "", "DELETE", "/accounts/"+id, "")
		w.want(404, "ACCOUNT_NOT_FOUND", "GET", "/accounts/"+id, "")
		if l := w.want(200, "", "GET", "/audit?kind=state&account_id="+id, ""); l.len("items") != 8 {
			t.Errorf("%d changes of state stand in the audit, want 8: %s", l.len("items"), l.raw)
		}
	})
}

func TestRefreshAndExpire(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		make := func(name, refresh string) string {
			a, err := w.v.System().CreateAccount(t.Context(), vault.NewAccount{Connector: "desk", Option: "oauth", Name: name,
				Credentials: &vault.Credentials{Token: secret.New("t"), RefreshToken: secret.New(refresh)}, Connected: &vault.Connection{}})
			if err != nil {
				t.Fatal(err)
			}
			return a.ID
		}
		good, dead := make("good", "r"), make("dead", "dead")
		if a := w.want(200, "", "POST", "/accounts/"+good+"/refresh", ""); a.get("expires_at") == nil {
			t.Errorf("refresh = %s, want an expiry", a.raw)
		}
		w.want(409, "ACCOUNT_EXPIRED", "POST", "/accounts/"+dead+"/refresh", "")
		a := w.want(200, "", "POST", "/accounts/bulk/refresh", `{"ids":["`+good+`","`+dead+`","acc_x"]}`)
		if a.get("succeeded") != 1.0 || a.str("results.1.error.code") != "REFRESH_FAILED" && a.str("results.1.error.code") != "ACCOUNT_EXPIRED" || a.str("results.2.error.code") != "ACCOUNT_NOT_FOUND" {
			t.Errorf("bulk refresh = %s", a.raw)
		}
	})
}

func TestReports(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.account("used")
		for i := range 10 {
			e := vault.Event{Kind: vault.AuditUse, AccountID: id, Connector: "hub", Method: "GET", Path: "/users/17", Status: 200, BytesOut: 100}
			if i == 0 {
				e.Status = 401
			}
			if err := w.v.Record(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.v.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		u := w.want(200, "", "GET", "/accounts/"+id+"/usage", "")
		if u.get("calls") != 10.0 || u.get("errors") != 1.0 || u.get("bytes_out") != 1000.0 || u.str("paths.0.path") != "GET /users/*" || u.len("days") != 1 {
			t.Errorf("usage = %s", u.raw)
		}
		h := w.want(200, "", "GET", "/accounts/"+id+"/health", "")
		if h.get("api_error_rate") != 0.1 || h.get("auth_success_rate") != 0.9 || h.str("last_error") != "401 Unauthorized" || h.str("last_success_at") == "" {
			t.Errorf("health = %s", h.raw)
		}
		acct := w.want(200, "", "GET", "/accounts/"+id, "")
		if acct.str("last_error.error") != "401 Unauthorized" || acct.str("last_error.at") == "" || acct.str("last_used_at") == "" {
			t.Errorf("the account does not tell its last use and error: %s", acct.raw)
		}
		unused := w.want(200, "", "GET", "/accounts/"+w.account("unused"), "")
		for _, member := range []string{"expires_at", "last_used_at", "last_error"} {
			if v, there := unused.body[member]; v != nil || !there {
				t.Errorf("%s of an unused account = %v, want null", member, v)
			}
		}
		if u := w.want(200, "", "GET", "/accounts/"+id+"/usage?start=2020-01-01&end=2020-01-31", ""); u.get("calls") != 0.0 || u.str("start") != "2020-01-01" {
			t.Errorf("usage of another month = %s", u.raw)
		}
		w.want(200, "", "GET", "/accounts/"+id+"/usage?start=2020-01-01T10:00:00Z", "")
		w.want(422, "INVALID_INPUT", "GET", "/accounts/"+id+"/usage?start=yesterday", "")
		w.want(422, "INVALID_INPUT", "GET", "/accounts/"+id+"/usage?start=2020-02-01&end=2020-01-01", "")
		w.want(404, "ACCOUNT_NOT_FOUND", "GET", "/accounts/acc_x/usage", "")
		w.want(404, "ACCOUNT_NOT_FOUND", "GET", "/accounts/acc_x/health", "")
	})
}

// TestTestMode: accounts for trying out need no service.
func TestTestMode(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.want(201, "", "POST", "/accounts", `{"connector":"desk","test_mode":true}`)
		if a.str("state") != "active" || a.get("test_mode") != true || a.len("secrets") != 1 || w.service.tests != 0 {
			t.Errorf("a test account = %s after %d tests, want active with a made-up secret and no test", a.raw, w.service.tests)
		}
		w.want(200, "", "POST", "/accounts/"+a.str("id")+"/test", "")
		if a := w.want(201, "", "POST", "/accounts", `{"connector":"desk","option":"oauth","name":"signed-in","test_mode":true}`); a.str("state") != "active" || a.str("secrets.0.field") != "access_token" {
			t.Errorf("a test account that a person would connect = %s, want a test token", a.raw)
		}
		w.account("real")
		if l := w.want(200, "", "GET", "/accounts?test_mode=true", ""); l.len("items") != 2 {
			t.Errorf("test_mode=true = %s", l.raw)
		}
	})
}

// TestPlay: an account in test mode shows its made-up token and plays what can happen
// to one; others do neither.
func TestPlay(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		path := "/accounts/" + w.want(201, "", "POST", "/accounts", `{"connector":"desk","option":"oauth","test_mode":true}`).str("id")
		first := w.want(200, "", "GET", path+"/test-tokens", "").str("access_token")
		if !strings.HasPrefix(first, "test_") {
			t.Errorf("the made-up token is %q", first)
		}
		kept := func() vault.Settings {
			a, err := w.v.System().Account(t.Context(), strings.TrimPrefix(path, "/accounts/"))
			if err != nil {
				t.Fatal(err)
			}
			return a.Settings
		}
		w.want(200, "", "POST", path+"/refresh", "")
		second := w.want(200, "", "GET", path+"/test-tokens", "").str("access_token")
		w.want(200, "", "POST", path+"/play", `{"event":"refresh"}`)
		if third := w.want(200, "", "GET", path+"/test-tokens", "").str("access_token"); second == first || third == second {
			t.Errorf("refreshed tokens: %q, %q, %q", first, second, third)
		}
		for _, event := range []string{"rate_limit", "outage"} {
			if a := w.want(200, "", "POST", path+"/play", `{"event":"`+event+`"}`); a.str("state") != "active" || kept().Play != event {
				t.Errorf("%s: %s, plays %q", event, a.raw, kept().Play)
			}
		}
		for _, state := range []string{"error", "expired"} {
			if a := w.want(200, "", "POST", path+"/play", `{"event":"`+state+`"}`); a.str("state") != state || a.str("state_reason.code") != "played" {
				t.Errorf("%s: %s", state, a.raw)
			}
		}
		if a := w.want(200, "", "POST", path+"/play", `{"event":"active"}`); a.str("state") != "active" || kept().Play != "" {
			t.Errorf("active: %s, plays %q", a.raw, kept().Play)
		}
		w.want(200, "", "POST", path+"/play", `{"event":"revoked"}`)
		w.want(409, "ACCOUNT_REVOKED", "GET", path+"/test-tokens", "")
		w.want(409, "ACCOUNT_REVOKED", "POST", path+"/play", `{"event":"refresh"}`)
		w.want(409, "INVALID_STATE", "POST", path+"/play", `{"event":"expired"}`)
		w.want(422, "INVALID_INPUT", "POST", path+"/play", `{"event":"fire"}`)
		w.want(422, "INVALID_INPUT", "POST", path+"/play", `{}`)
		if a := w.want(200, "", "POST", path+"/play", `{"event":"active"}`); a.str("state") != "active" {
			t.Errorf("active after revoked: %s", a.raw)
		}
		if again := w.want(200, "", "GET", path+"/test-tokens", "").str("access_token"); !strings.HasPrefix(again, "test_") {
			t.Errorf("the token after revoked is %q", again)
		}
		// A key that was pasted is not shown, in test mode either.
		pasted := "/accounts/" + w.want(201, "", "POST", "/accounts", `{"connector":"hub","name":"sandbox","test_mode":true,"credentials":{"token":"good-sandbox-key"}}`).str("id")
		if got := w.want(200, "", "GET", pasted+"/test-tokens", ""); strings.Contains(got.raw, "sandbox-key") {
			t.Errorf("the pasted key is shown: %s", got.raw)
		}
		w.want(409, "NOTHING_TO_REFRESH", "POST", pasted+"/play", `{"event":"refresh"}`)
		real := "/accounts/" + w.account("real")
		w.want(409, "NOT_TEST_MODE", "GET", real+"/test-tokens", "")
		w.want(409, "NOT_TEST_MODE", "POST", real+"/play", `{"event":"expired"}`)
		w.want(404, "ACCOUNT_NOT_FOUND", "GET", "/accounts/acc_x/test-tokens", "")
	})
}

func TestVersions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.account("v")
		got := w.want(200, "", "GET", "/accounts/"+id, "")
		tag := got.header.Get("ETag")
		if a := w.do("GET", "/accounts/"+id, "", "If-None-Match", tag); a.status != 304 || a.raw != "" {
			t.Errorf("If-None-Match = %d %q, want 304", a.status, a.raw)
		}
		edited := w.want(200, "", "PATCH", "/accounts/"+id, `{"name":"w","settings":{"rate_limit":5,"timeout":1.5,"retry_attempts":2,"auto_refresh":false}}`, "If-Match", tag)
		if edited.str("name") != "w" || edited.get("settings.rate_limit") != 5.0 || edited.get("settings.auto_refresh") != false ||
			edited.get("settings.timeout") != 1.5 || edited.get("settings.retry_attempts") != 2.0 || edited.header.Get("ETag") == tag {
			t.Errorf("PATCH = %s", edited.raw)
		}
		w.want(200, "", "GET", "/accounts/"+id, "", "If-None-Match", tag)
		w.want(412, "PRECONDITION_FAILED", "PATCH", "/accounts/"+id, `{"name":"x"}`, "If-Match", tag)
		w.want(412, "PRECONDITION_FAILED", "PATCH", "/accounts/"+id, `{"name":"x"}`, "If-Match", `"nonsense"`)
		w.want(409, "VERSION_CONFLICT", "PATCH", "/accounts/"+id, `{"name":"x","version":1}`)
		w.want(412, "PRECONDITION_FAILED", "DELETE", "/accounts/"+id, "", "If-Match", tag)
		w.want(412, "PRECONDITION_FAILED", "POST", "/accounts/"+id+"/suspend", "", "If-Match", tag)
		w.want(200, "", "PATCH", "/accounts/"+id, `{"settings":{"auto_refresh":false}}`, "If-Match", "*")
		if a := w.want(200, "", "GET", "/accounts/"+id, ""); a.get("settings.auto_refresh") != false || a.get("settings.rate_limit") != 5.0 {
			t.Errorf("settings = %s, want both edits", a.raw)
		}
		// Of many who edit one version, one succeeds.
		tag = w.do("GET", "/accounts/"+id, "").header.Get("ETag")
		var wg sync.WaitGroup
		var mu sync.Mutex
		counts := map[int]int{}
		for i := range 8 {
			wg.Go(func() {
				a := w.do("PATCH", "/accounts/"+id, fmt.Sprintf(`{"name":"n%d"}`, i), "If-Match", tag)
				mu.Lock()
				counts[a.status]++
				mu.Unlock()
			})
		}
		wg.Wait()
		if counts[200] != 1 || counts[412] != 7 {
			t.Errorf("8 edits of one version = %v, want one 200 and seven 412", counts)
		}
		agent := w.agent("bot")
		w.want(412, "PRECONDITION_FAILED", "PATCH", "/agents/"+agent, `{"name":"x"}`, "If-Match", `"7"`)
		w.want(409, "VERSION_CONFLICT", "PATCH", "/agents/"+agent, `{"name":"x","version":7}`)
	})
}

func TestIdempotency(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first := w.want(201, "", "POST", "/agents", `{"name":"bot"}`, "Idempotency-Key", "k1")
		again := w.want(201, "", "POST", "/agents", `{"name":"bot"}`, "Idempotency-Key", "k1")
		if again.str("id") != first.str("id") || again.get("token") != nil || first.str("token") == "" ||
			again.header.Get("Idempotency-Replayed") != "true" || again.header.Get("ETag") != first.header.Get("ETag") {
			t.Errorf("a repetition = %v %s, want the same agent without its token", again.header, again.raw)
		}
		w.want(422, "IDEMPOTENCY_KEY_REUSED", "POST", "/agents", `{"name":"other"}`, "Idempotency-Key", "k1")
		w.want(409, "AGENT_EXISTS", "POST", "/agents", `{"name":"bot"}`, "Idempotency-Key", "k2")
		w.want(409, "AGENT_EXISTS", "POST", "/agents", `{"name":"bot"}`, "Idempotency-Key", "k2")
		w.want(400, "BAD_IDEMPOTENCY_KEY", "POST", "/agents", `{"name":"x"}`, "Idempotency-Key", strings.Repeat("x", 256))

		// What failed elsewhere may be tried again with the same key.
		w.want(502, "TEST_FAILED", "POST", "/accounts", `{"connector":"hub","credentials":{"token":"away"}}`, "Idempotency-Key", "k3")
		tests := w.service.tests
		w.want(502, "TEST_FAILED", "POST", "/accounts", `{"connector":"hub","credentials":{"token":"away"}}`, "Idempotency-Key", "k3")
		if w.service.tests != tests+1 {
			t.Errorf("a failed request was not tried again")
		}

		// Of many at once, one is done.
		var wg sync.WaitGroup
		var mu sync.Mutex
		made := map[string]bool{}
		for range 8 {
			wg.Go(func() {
				a := w.do("POST", "/agents", `{"name":"once"}`, "Idempotency-Key", "k4")
				mu.Lock()
				defer mu.Unlock()
				if a.status == 201 {
					made[a.str("id")] = true
				} else if a.str("code") != "REQUEST_RUNNING" {
					t.Errorf("at once = %d %s", a.status, a.raw)
				}
			})
		}
		wg.Wait()
		if len(made) != 1 {
			t.Errorf("%d agents were made with one key", len(made))
		}

		// Another caller's keys are another's.
		w.token = w.admin("second", vault.RoleAdmin, vault.All)
		w.want(201, "", "POST", "/agents", `{"name":"mine"}`, "Idempotency-Key", "k1")
	})
}

func TestBulk(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.want(200, "", "POST", "/accounts/bulk", `{"items":[
			{"connector":"hub","name":"a","credentials":{"token":"good-a"}},
			{"connector":"hub","name":"b","credentials":{"token":"bad"}},
			{"connector":"nobody"},
			{"connector":"hub","name":"c","credentials":{"token":"good-c"}},
			{"connector":"hub","name":"d"}]}`)
		codes := []string{a.str("results.0.error.code"), a.str("results.1.error.code"), a.str("results.2.error.code"), a.str("results.3.error.code"), a.str("results.4.account.state")}
		if fmt.Sprint(codes) != "[ CREDENTIALS_REJECTED CONNECTOR_NOT_FOUND  pending]" || a.get("succeeded") != 3.0 || a.get("failed") != 2.0 || a.get("results.1.status") != 422.0 {
			t.Errorf("bulk = %s", a.raw)
		}
		ids := fmt.Sprintf(`["%s","acc_x","%s"]`, a.str("results.0.id"), a.str("results.3.id"))
		b := w.want(200, "", "POST", "/accounts/bulk/settings", `{"ids":`+ids+`,"settings":{"rate_limit":9}}`)
		if b.get("succeeded") != 2.0 || b.get("results.0.account.settings.rate_limit") != 9.0 || b.str("results.1.error.code") != "ACCOUNT_NOT_FOUND" || b.str("results.1.id") != "acc_x" {
			t.Errorf("bulk settings = %s", b.raw)
		}
		w.want(422, "INVALID_INPUT", "POST", "/accounts/bulk", `{"items":[]}`)
	})
}

func TestPages(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i := range 7 {
			w.agent(fmt.Sprint("a", i))
		}
		var names []string
		after := ""
		for {
			l := w.want(200, "", "GET", "/agents?limit=3&after="+after, "")
			for i := range l.len("items") {
				names = append(names, l.str(fmt.Sprintf("items.%d.name", i)))
			}
			if after = l.str("next"); after == "" {
				break
			}
		}
		if fmt.Sprint(names) != "[local a0 a1 a2 a3 a4 a5 a6]" {
			t.Errorf("pages = %v, want the file's agent, then all in their order", names)
		}
	})
}

// TestDeclared: what the configuration file says is shown and cannot be edited.
func TestDeclared(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		acct := w.want(200, "", "GET", "/accounts/file:hub:default", "")
		if acct.get("read_only") != true || acct.str("state") != "active" {
			t.Errorf("the file's account = %s", acct.raw)
		}
		if l := w.want(200, "", "GET", "/accounts?connector=desk", ""); l.len("items") != 0 {
			t.Errorf("a filter lets the file's account through: %s", l.raw)
		}
		for _, r := range []struct{ method, path, body string }{
			{"PATCH", "/accounts/file:hub:default", `{"name":"x"}`}, {"DELETE", "/accounts/file:hub:default", ""}, {"POST", "/accounts/file:hub:default/suspend", ""},
			{"POST", "/accounts/file:hub:default/test", ""}, {"PUT", "/accounts/file:hub:default/credentials", `{"credentials":{"token":"x"}}`},
			{"PATCH", "/agents/file:local", `{"name":"x"}`}, {"DELETE", "/agents/file:local", ""}, {"POST", "/agents/file:local/tokens", `{"name":"x"}`},
			{"POST", "/agents/file:local/grants", `{"account_id":"file:hub:default","scopes":["read"]}`},
			{"PATCH", "/connectors/hub", `{"title":"x"}`}, {"DELETE", "/connectors/hub", ""},
		} {
			w.want(409, "READ_ONLY", r.method, r.path, r.body)
		}
		// Its agent may be granted accounts of the vault.
		id := w.account("x")
		w.want(201, "", "POST", "/agents/file:local/grants", `{"account_id":"`+id+`","scopes":["read","write"]}`)
		l := w.want(200, "", "GET", "/agents/file:local/grants", "")
		if l.len("items") != 2 || l.get("items.0.read_only") != true || l.str("items.1.account_id") != id {
			t.Errorf("grants of the file's agent = %s", l.raw)
		}
		// Among all grants the file's come first, where the filter lets them through.
		for query, want := range map[string]int{"": 2, "?agent_id=file:local": 2, "?connector=hub": 2, "?account_id=file:hub:default": 1, "?account_id=" + id: 1,
			"?connector=desk": 0, "?agent_id=agt_x": 0, "?organisation=acme": 0} {
			if l := w.want(200, "", "GET", "/grants"+query, ""); l.len("items") != want || want == 2 && l.str("items.0.account_id") != "file:hub:default" {
				t.Errorf("GET /grants%s has %d grants, want %d: %s", query, l.len("items"), want, l.raw)
			}
		}
		w.want(404, "AGENT_NOT_FOUND", "POST", "/agents/file:nobody/grants", `{"account_id":"`+id+`","scopes":["read"]}`)
	})
}

func TestAgents(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.agent("bot")
		w.want(409, "AGENT_EXISTS", "POST", "/agents", `{"name":"bot"}`)
		w.want(422, "INVALID_INPUT", "POST", "/agents", `{"name":"a:b"}`)
		w.want(422, "CONNECTOR_NOT_FOUND", "POST", "/agents", `{"name":"x","connectors":["nobody"]}`)
		if a := w.want(200, "", "PUT", "/agents/"+id+"/connectors", `{"connectors":["hub"]}`); a.str("connectors.0") != "hub" {
			t.Errorf("connectors = %s", a.raw)
		}
		if p := w.want(422, "CONNECTOR_NOT_FOUND", "PUT", "/agents/"+id+"/connectors", `{"connectors":["nobody"]}`); !strings.Contains(p.str("detail"), "allow list") {
			t.Errorf("the refusal does not name the allow list: %s", p.raw)
		}
		if a := w.want(200, "", "PUT", "/agents/"+id+"/connectors", `{"connectors":null}`); a.get("connectors") != nil {
			t.Errorf("connectors = %s, want null", a.raw)
		}
		tok := w.want(201, "", "POST", "/agents/"+id+"/tokens", `{"name":"rotation","expires_at":"2099-01-01T00:00:00Z"}`)
		l := w.want(200, "", "GET", "/agents/"+id+"/tokens", "")
		if l.len("items") != 2 || l.str("items.1.last4") != tok.str("token")[len(tok.str("token"))-4:] || strings.Contains(l.raw, tok.str("token")) {
			t.Errorf("tokens = %s", l.raw)
		}
		w.want(204, "", "DELETE", "/agents/"+id+"/tokens/"+tok.str("id"), "")
		w.want(404, "TOKEN_NOT_FOUND", "DELETE", "/agents/"+id+"/tokens/"+tok.str("id"), "")
		acct := w.account("x")
		grants := "/agents/" + id + "/grants"
		w.want(422, "INVALID_INPUT", "POST", grants, `{"account_id":"`+acct+`","scopes":[]}`)
		w.want(422, "INVALID_INPUT", "POST", grants, `{"account_id":"`+acct+`","scopes":["admin"]}`)
		w.want(422, "INVALID_INPUT", "POST", grants, `{"account_id":"`+acct+`","scopes":["read"],"rules":[{"path":"x"}]}`)
		w.want(422, "INVALID_INPUT", "POST", grants, `{"account_id":"`+acct+`","scopes":["read"],"rules":[{"path":"/%zz"}]}`)
		w.want(404, "ACCOUNT_NOT_FOUND", "POST", grants, `{"account_id":"acc_x","scopes":["read"]}`)
		for _, bad := range []string{"permit read", "ask pulls/merge wait", "allow read when args", ""} {
			if a := w.want(422, "INVALID_INPUT", "POST", grants, `{"account_id":"`+acct+`","scopes":["read"],"operations":["`+bad+`"]}`); !strings.Contains(a.raw, "operations") {
				t.Errorf("%q: %s", bad, a.raw)
			}
		}
		g := w.want(201, "", "POST", grants, `{"account_id":"`+acct+`","scopes":["read"],"operations":["deny effect:delete","allow read"],"rules":[{"methods":["GET"],"path":"/a/**"}],"expires_at":"2099-01-01T00:00:00Z"}`)
		if a := w.want(409, "GRANT_EXISTS", "POST", grants, `{"account_id":"`+acct+`","scopes":["read"]}`); !strings.Contains(a.raw, "Edit that one") {
			t.Errorf("a second grant = %s", a.raw)
		}
		if a := w.want(200, "", "PATCH", grants+"/"+g.str("id"), `{"scopes":["read","write"],"rules":[]}`, "If-Match", g.header.Get("ETag")); a.len("scopes") != 2 || a.get("rules") != nil || a.str("operations.0") != "deny effect:delete" {
			t.Errorf("an edited grant = %s", a.raw)
		}
		other := w.agent("other")
		w.want(404, "GRANT_NOT_FOUND", "GET", "/agents/"+other+"/grants/"+g.str("id"), "")
		w.want(404, "GRANT_NOT_FOUND", "DELETE", "/agents/"+other+"/grants/"+g.str("id"), "")
		w.want(204, "", "DELETE", grants+"/"+g.str("id"), "")
		w.want(204, "", "DELETE", "/agents/"+id, "")
		w.want(404, "AGENT_NOT_FOUND", "GET", "/agents/"+id, "")
	})
}

func TestConnectors(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		bot, second := w.agent("bot"), w.agent("second")
		form := `{"name":"My_Billing","title":"Billing","active":true,"header_as_payload":true,"agents":["` + bot + `"],"hosts":["billing.example","*.billing.example:8443"],"wildcard_reason":"ours",
			"token_url":"https://auth.example/token","grant_type":"client_credentials","content_type":"application/json","scope":"read:user write:repo",
			"client_id":"good-id","client_secret":"shh-1234567890123456"}`
		c := w.want(201, "", "POST", "/connectors", form)
		if c.str("key") != "my-billing" || c.str("type") != "OAUTH2" || c.get("custom") != true || c.str("state") != "active" || !strings.Contains(c.str("definition"), "header_as_payload: true") ||
			c.str("form.scope") != "read:user write:repo" || c.str("account_id") == "" {
			t.Errorf("the connector = %s", c.raw)
		}
		acct := w.want(200, "", "GET", "/accounts/"+c.str("account_id"), "")
		if acct.str("state") != "active" || acct.str("connector") != "my-billing" || acct.str("app_id") == "" {
			t.Errorf("its account = %s", acct.raw)
		}
		if app := w.want(200, "", "GET", "/apps/"+acct.str("app_id"), ""); app.str("client_id") != "good-id" || app.str("secrets.0.field") != "client_secret" || app.str("secrets.0.last4") != "3456" {
			t.Errorf("its app = %s", app.raw)
		}
		if l := w.want(200, "", "GET", "/grants?account_id="+c.str("account_id"), ""); l.len("items") != 1 || l.str("items.0.agent_id") != bot {
			t.Errorf("its grants = %s", l.raw)
		}
		w.want(409, "CONNECTOR_EXISTS", "POST", "/connectors", form)
		w.want(409, "CONNECTOR_EXISTS", "POST", "/connectors", `{"name":"hub","hosts":["x.example"]}`)
		named := w.want(201, "", "POST", "/connectors", `{"definition":"key: by-yaml\nhosts: [yaml.example]\nauth: {key: {type: credentials, fields: {key: {secret: true}}, sign: bearer}}\n"}`)
		if named.str("key") != "by-yaml" {
			t.Errorf("a connector whose definition says its name = %s", named.raw)
		}
		if spelt := w.want(201, "", "POST", "/connectors", `{"name":"MyServiceOAuth","hosts":["spelt.example"],"token_url":"https://spelt.example/token","client_id":"good"}`); spelt.str("key") != "myserviceoauth" || spelt.str("title") != "MyServiceOAuth" {
			t.Errorf("a name in capitals = %s", spelt.raw)
		}
		w.want(422, "INVALID_CONNECTOR", "POST", "/connectors", `{"definition":"key: [\n"}`)
		w.want(422, "INVALID_INPUT", "POST", "/connectors", `{"hosts":["x.example"]}`)

		e := w.want(200, "", "PATCH", "/connectors/my-billing", `{"scope":"read:user","active":false,"agents":["`+second+`"],"client_secret":"shh-other-secret-9999"}`, "If-Match", w.do("GET", "/connectors/my-billing", "").header.Get("ETag"))
		if e.str("state") != "inactive" || strings.Contains(e.str("definition"), "write:repo") || e.str("title") != "Billing" {
			t.Errorf("the edited connector = %s", e.raw)
		}
		if l := w.want(200, "", "GET", "/grants?account_id="+c.str("account_id"), ""); l.len("items") != 1 || l.str("items.0.agent_id") != second {
			t.Errorf("its grants = %s, want the second agent alone", l.raw)
		}
		w.want(409, "CONNECTOR_INACTIVE", "POST", "/accounts", `{"connector":"my-billing","name":"x"}`)
		w.want(200, "", "PATCH", "/connectors/my-billing", `{"active":true}`)
		w.want(201, "", "POST", "/accounts", `{"connector":"my-billing","name":"x"}`)
		w.want(409, "CONNECTOR_IN_USE", "DELETE", "/connectors/my-billing", "")
		x := w.want(200, "", "GET", "/accounts?connector=my-billing&name=x", "").str("items.0.id")
		w.want(204, "", "DELETE", "/accounts/"+x, "")
		w.want(204, "", "DELETE", "/connectors/my-billing", "")
		w.want(404, "CONNECTOR_NOT_FOUND", "GET", "/connectors/my-billing", "")
		w.want(404, "ACCOUNT_NOT_FOUND", "GET", "/accounts/"+c.str("account_id"), "")
	})
}

// TestRedirectedConnector: who may not read a secret may not send it elsewhere.
func TestRedirectedConnector(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.token = w.admin("operator", vault.RoleOperator, vault.All)
		w.want(201, "", "POST", "/connectors", `{"name":"pay","hosts":["pay.example"],"token_url":"https://pay.example/t","client_id":"good","client_secret":"x"}`)
		w.want(201, "", "POST", "/connectors", `{"name":"own","definition":"key: own\nhosts: [own.example]\nauth:\n  key: {type: credentials, fields: {key: {secret: true}}, sign: bearer}\n"}`)
		w.want(200, "", "PATCH", "/connectors/own", `{"definition":"key: own\nhosts: [own2.example]\nauth:\n  key: {type: credentials, fields: {key: {secret: true}}, sign: bearer}\n"}`)
		w.want(201, "", "POST", "/accounts", `{"connector":"own","credentials":{"key":"good"}}`)
		w.want(200, "", "PATCH", "/connectors/pay", `{"scope":"more","hosts":["pay.example"]}`)
		for _, body := range []string{`{"hosts":["pay.example","evil.example"]}`, `{"token_url":"https://evil.example/t"}`, `{"base_url":"https://evil.example"}`, `{"test_path":"https://evil.example/x"}`,
			`{"definition":"key: pay\nhosts: [evil.example]\nauth:\n  key: {type: credentials, fields: {key: {secret: true}}, sign: bearer}\n"}`} {
			w.want(403, "INVALID_PERMISSIONS", "PATCH", "/connectors/pay", body)
		}
		w.want(403, "INVALID_PERMISSIONS", "PATCH", "/connectors/own", `{"definition":"key: own\nhosts: [evil.example]\nauth:\n  key: {type: credentials, fields: {key: {secret: true}}, sign: bearer}\n"}`)
		w.token = w.admin("admin", vault.RoleAdmin, vault.All)
		w.want(200, "", "PATCH", "/connectors/pay", `{"hosts":["pay.example","pay2.example"]}`)
	})
}

func TestConnectorKinds(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, tt := range []struct{ body, kind, fields string }{
			{`{"name":"a","hosts":["a.example"],"grant_type":"refresh_token","token_url":"https://a.example/t","client_id":"good","refresh_token":"good-r"}`, "OAUTH2", "refresh_token"},
			{`{"name":"pasted","hosts":["pasted.example"],"grant_type":"refresh_token","token_url":"https://pasted.example/t","client_id":" good\n","client_secret":"good-s\n","refresh_token":"\tgood-r\n"}`, "OAUTH2", "refresh_token"},
			{`{"name":"b","hosts":["storage.googleapis.com"],"grant_type":"gcs_service_account","scope":"https://www.googleapis.com/auth/devstorage.read_only","service_account_email":"good@p.iam.gserviceaccount.com","service_account":"{}"}`, "GCS_SERVICE_ACCOUNT", "service_account"},
			{`{"name":"c","hosts":["*.amazonaws.com"],"grant_type":"aws_iam"}`, "AWS_IAM", ""},
			{`{"name":"aws","hosts":["s3.eu-west-1.example"],"grant_type":"aws_iam","client_id":"AKIDgood","client_secret":"good-aws-secret-key"}`, "AWS_IAM", "secret_access_key"},
			{`{"name":"own","token_url":"https://own.example/t","client_id":"good","client_secret":"good-s"}`, "OAUTH2", ""},
			{`{"name":"d","definition":"key: d\ntitle: D\nhosts: [d.example]\nauth:\n  key: {type: credentials, fields: {key: {secret: true}}, sign: {header: {X-Key: \"{fields.key}\"}}}\n"}`, "API_KEY", ""},
			{`{"name":"e","hosts":["e.example"],"grant_type":"authorization_code","token_url":"https://e.example/t","authorize_url":"https://e.example/a"}`, "OAUTH2", ""},
			{`{"name":"f","hosts":["f.example"],"grant_type":"device_code","token_url":"https://f.example/t","device_url":"https://f.example/d"}`, "OAUTH2", ""},
		} {
			c := w.want(201, "", "POST", "/connectors", tt.body)
			if c.str("type") != tt.kind {
				t.Errorf("POST %s = %s, want type %s", tt.body, c.raw, tt.kind)
			}
			if tt.fields != "" {
				if a := w.want(200, "", "GET", "/accounts/"+c.str("account_id"), ""); !strings.Contains(a.raw, `"field":"`+tt.fields+`"`) || a.str("state") != "active" {
					t.Errorf("the account of %s = %s", tt.body, a.raw)
				}
			}
		}
		// Where nothing else is said, the credential goes back to who gave it.
		if c := w.want(200, "", "GET", "/connectors/own", ""); c.str("hosts.0") != "own.example" || c.len("hosts") != 1 {
			t.Errorf("hosts of a form without them = %s", c.raw)
		}
		agent := w.agent("form-bot")
		if c := w.want(200, "", "PATCH", "/connectors/own", `{"agents":["`+agent+`","file:local"]}`); c.len("agents") != 2 || c.str("agents.0") != agent && c.str("agents.1") != agent {
			t.Errorf("agents of a form = %s", c.raw)
		}
		if c := w.want(200, "", "PATCH", "/connectors/own", `{"agents":["file:local"]}`); c.len("agents") != 1 || c.str("agents.0") != "file:local" {
			t.Errorf("agents of a form after one was left out = %s", c.raw)
		}
		acme := w.want(201, "", "POST", "/agents", `{"name":"other","organisation":"acme"}`).str("id")
		w.want(403, "ORGANISATION_MISMATCH", "POST", "/connectors", `{"name":"half","hosts":["half.example"],"token_url":"https://half.example/t","client_id":"good","agents":["`+acme+`"]}`)
		w.want(404, "CONNECTOR_NOT_FOUND", "GET", "/connectors/half", "")
		if m := w.want(200, "", "GET", "/connectors/f/metadata", ""); m.str("options.0.flow") != "device_code" {
			t.Errorf("metadata of f = %s", m.raw)
		}
		if m := w.want(200, "", "GET", "/connectors/e/metadata", ""); m.str("options.0.flow") != "popup_oauth" {
			t.Errorf("metadata of e = %s", m.raw)
		}
		for _, tt := range []struct{ code, body, says string }{
			{"INVALID_INPUT", `{"name":"has space","hosts":["x.example"]}`, "variable name"},
			{"INVALID_INPUT", `{"name":"x"}`, "hosts"},
			{"INVALID_CONNECTOR", `{"name":"x","hosts":["x.example"]}`, "token_url"},
			{"INVALID_CONNECTOR", `{"name":"x","hosts":["x.example"],"token_url":"http://x.example/t"}`, "token_url"},
			{"INVALID_CONNECTOR", `{"name":"x","hosts":["http://x.example"],"token_url":"https://x.example/t"}`, "plain HTTP"},
			{"INVALID_CONNECTOR", `{"name":"x","hosts":["x.example"],"token_url":"https://x.example/t","client_id":"good","client_secret":"a\nb"}`, "line break"},
			{"INVALID_CONNECTOR", `{"name":"x","hosts":["localhost"],"token_url":"https://x.example/t"}`, "this machine"},
			{"INVALID_CONNECTOR", `{"name":"x","hosts":["[fe80::1]"],"token_url":"https://x.example/t"}`, "link-local"},
			{"INVALID_CONNECTOR", `{"name":"x","hosts":["x.example","co.uk"],"token_url":"https://x.example/t"}`, "registries"},
			{"INVALID_CONNECTOR", `{"name":"x","hosts":["*.github.io"],"wildcard_reason":"ours","token_url":"https://x.example/t"}`, "everybody"},
			{"INVALID_CONNECTOR", `{"name":"x","definition":"key: x\nhosts: [10.0.0.1]\nauth: {key: {type: credentials, fields: {key: {secret: true}}}}\n"}`, "private"},
			{"INVALID_INPUT", `{"name":"x","hosts":["*.x.example"],"token_url":"https://x.example/t"}`, "wildcard_reason"},
			{"INVALID_CONNECTOR", `{"name":"x","hosts":["x.example"],"grant_type":"token_exchange","token_url":"https://x.example/t","client_id":"good"}`, "in definition"},
			{"INVALID_INPUT", `{"name":"x","grant_type":"gcs_service_account","client_id":"good","client_secret":"good"}`, "service_account"},
			{"INVALID_CONNECTOR", `{"name":"x","hosts":["x.example"],"grant_type":"password","token_url":"https://x.example/t"}`, "grant_type"},
			{"INVALID_CONNECTOR", `{"name":"x","definition":"key: y\nhosts: [x.example]\n"}`, "key"},
			{"INVALID_CONNECTOR", `{"name":"x","definition":"key: x\ncolour: red\n"}`, "colour"},
			{"AGENT_NOT_FOUND", `{"name":"x","hosts":["x.example"],"token_url":"https://x.example/t","client_id":"good","agents":["agt_x"]}`, "agt_x"},
			{"INVALID_INPUT", `{"name":"x","hosts":["x.example"],"token_url":"https://x.example/t","refresh_token":"r"}`, "refresh_token"},
			{"CREDENTIALS_REJECTED", `{"name":"x","hosts":["x.example"],"token_url":"https://x.example/t","client_id":"bad"}`, "does not take"},
		} {
			if a := w.want(422, tt.code, "POST", "/connectors", tt.body); !strings.Contains(a.raw, tt.says) {
				t.Errorf("POST %s = %s, want it to say %q", tt.body, a.raw, tt.says)
			}
		}
		// A host that another connector has is no mistake, and it is told.
		if c := w.want(201, "", "POST", "/connectors", `{"name":"shared","hosts":["api.hub.example"],"token_url":"https://x.example/t"}`); !strings.Contains(c.raw, `"shares_hosts_with":["hub"]`) {
			t.Errorf("the connector = %s, want it to say that hub has its host", c.raw)
		}
		w.want(204, "", "DELETE", "/connectors/shared", "")
		if l := w.want(200, "", "GET", "/connectors?custom=true&limit=4", ""); l.len("items") != 4 || l.str("next") == "" {
			t.Errorf("custom connectors = %s", l.raw)
		} else if rest := w.want(200, "", "GET", "/connectors?custom=true&limit=4&after="+l.str("next"), ""); rest.len("items") != 4 {
			t.Errorf("the rest = %s", rest.raw)
		}
		if l := w.want(200, "", "GET", "/connectors?q=des&type=BASIC_AUTH", ""); l.len("items") != 1 || l.str("items.0.key") != "desk" {
			t.Errorf("search = %s", l.raw)
		}
	})
}

// TestPendingConnectors: where people can only sign in, and there is no OAuth client to
// do so through, a connector is pending.
func TestPendingConnectors(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		state := func() string { return w.want(200, "", "GET", "/connectors/waits", "").str("state") }
		w.want(201, "", "POST", "/connectors", `{"definition":"key: waits\nhosts: [waits.example]\nauth: {oauth: {type: oauth2, authorize_url: \"https://waits.example/a\", token_url: \"https://waits.example/t\"}}\n"}`)
		if s := state(); s != "pending" {
			t.Errorf("without a client: %s", s)
		}
		if l := w.want(200, "", "GET", "/connectors?state=pending&custom=true", ""); l.len("items") != 1 || l.get("items.0.active") != true {
			t.Errorf("pending connectors: %s", l.raw)
		}
		app := w.want(201, "", "POST", "/apps", `{"connector":"waits","mode":"your-own","client_id":"good"}`)
		if s := state(); s != "active" || app.str("mode") != "own" {
			t.Errorf("with a client: %s, %s", s, app.raw)
		}
		w.want(200, "", "PATCH", "/apps/"+app.str("id"), `{"active":false}`)
		if s := state(); s != "pending" {
			t.Errorf("with a client that is not in use: %s", s)
		}
	})
}

// TestConnectorsOfAnAgent lists those of which an agent may use an account.
func TestConnectorsOfAnAgent(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		bot, idle := w.agent("bot"), w.agent("idle")
		c := w.want(201, "", "POST", "/connectors", `{"name":"granted","hosts":["granted.example"],"token_url":"https://granted.example/t","client_id":"good","client_secret":"good-s","agents":["`+bot+`"]}`)
		if l := w.want(200, "", "GET", "/connectors?agent_id="+bot, ""); l.len("items") != 1 || l.str("items.0.key") != "granted" {
			t.Errorf("bot's: %s", l.raw)
		}
		if l := w.want(200, "", "GET", "/connectors?agent_id="+idle, ""); l.len("items") != 0 {
			t.Errorf("idle's: %s", l.raw)
		}
		w.want(404, "AGENT_NOT_FOUND", "GET", "/connectors?agent_id=agt_nobody", "")
		if x := w.want(200, "", "GET", "/accounts/"+c.str("account_id"), ""); x.str("status") != x.str("state") || x.str("status") == "" {
			t.Errorf("its account: %s", x.raw)
		}
		other := w.want(201, "", "POST", "/accounts", `{"connection_id":"granted","name":"other","identifier_type":"user_id","identifier":"ann"}`)
		if other.str("connector") != "granted" || other.str("identifier_type") != "user" {
			t.Errorf("in other words: %s", other.raw)
		}
		w.want(422, "INVALID_INPUT", "POST", "/accounts", `{"connection_id":"granted","connector":"granted","name":"both"}`)
		if l := w.want(200, "", "GET", "/accounts?connection_id=granted&identifier_type=user_id", ""); l.len("items") != 1 {
			t.Errorf("a list in other words: %s", l.raw)
		}
	})
}

// An agent's request is explained to those who see the agent, where somebody decides.
func TestExplainRequest(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.agent("asker")
		w.want(404, "AGENT_NOT_FOUND", "POST", "/agents/agt_nobody/explain", `{"method":"GET","url":"https://api.github.com/"}`)
		w.want(422, "INVALID_INPUT", "POST", "/agents/"+id+"/explain", `{"method":"GET"}`)
		w.want(501, "NOT_AVAILABLE", "POST", "/agents/"+id+"/explain", `{"method":"GET","url":"https://api.github.com/"}`)
	})
}
