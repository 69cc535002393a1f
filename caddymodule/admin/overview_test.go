package admin_test

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/vault"
)

// call records that an agent used an account.
func (w *world) call(agent, account, connector string, status int, more ...func(*vault.Event)) {
	w.t.Helper()
	e := vault.Event{Kind: vault.AuditUse, Organisation: vault.DefaultOrganisation, Actor: vault.Actor{Kind: "agent", Name: "bot"}, AgentID: agent, AccountID: account, Connector: connector,
		Method: "GET", Host: "api.hub.example", Path: "/user", Status: status, Duration: 20 * time.Millisecond}
	for _, f := range more {
		f(&e)
	}
	if err := w.v.Record(w.t.Context(), e); err != nil {
		w.t.Fatal(err)
	}
}

// TestOverview: numbers and what needs a person, for everybody and for one organisation.
func TestOverview(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.want(200, "", "GET", "/overview", "")
		// The configuration file has an agent, an account and a grant.
		if o.get("called") != false || o.get("agents") != 1.0 || o.get("grants") != 1.0 || o.get("accounts.active") != 1.0 || o.len("hours") != 24 || o.len("days") != 14 {
			t.Errorf("before anything: %s", o.raw)
		}
		acct, bot := w.account("mine"), w.agent("bot")
		for _, status := range []int{200, 200, 200, 502} {
			w.call(bot, acct, "hub", status)
		}
		w.call(bot, "", "hub", 403, func(e *vault.Event) { e.Kind, e.Code = vault.AuditRefusal, "not_permitted" })
		w.call("", "", "desk", 200, func(e *vault.Event) { e.Organisation = "other" })
		ended := w.account("ended")
		if _, err := w.v.System().SetState(t.Context(), ended, 0, vault.Error, vault.Reason{Code: "refused"}); err != nil {
			t.Fatal(err)
		}
		if err := w.v.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		o = w.want(200, "", "GET", "/overview", "")
		for path, want := range map[string]any{"called": true, "calls": 5.0, "errors": 1.0, "refusals": 1.0, "agents": 2.0, "accounts.error": 1.0, "connectors.0.id": "hub", "connectors.0.title": "Hub", "connectors.0.calls": 4.0,
			"agents_by_calls.0.title": "bot", "needs.0.id": ended, "refused.0.code": "not_permitted", "hours.23.calls": 5.0, "days.13.errors": 1.0} {
			if got := o.get(path); got != want {
				t.Errorf("%s = %v, want %v: %s", path, got, want, o.raw)
			}
		}
		if p, _ := o.get("p95_ms").(float64); p < 20 || p > 30 {
			t.Errorf("p95 of calls of 20 ms = %v", p)
		}
		u := w.want(200, "", "GET", "/usage?kind=account&ids="+acct+","+ended, "")
		if u.len("items") != 2 || !strings.Contains(u.raw, `"calls":4,"errors":1`) {
			t.Errorf("usage of accounts = %s", u.raw)
		}
		if u = w.want(200, "", "GET", "/usage?kind=agent&days=2&ids="+bot, ""); u.get("items.0.calls") != 4.0 || u.get("items.0.days.1") != 4.0 || u.len("items.0.days") != 2 {
			t.Errorf("usage of the agent = %s", u.raw)
		}
		if u = w.want(200, "", "GET", "/usage?kind=connector", ""); !strings.Contains(u.raw, `"accounts":2,"failing":1`) || !strings.Contains(u.raw, `"id":"desk"`) {
			t.Errorf("usage of connectors = %s", u.raw)
		}
		w.want(422, "INVALID_INPUT", "GET", "/usage?kind=agent", "")
		w.want(422, "INVALID_INPUT", "GET", "/usage?kind=everything", "")
		if l := w.want(200, "", "GET", "/organisations", ""); l.str("items.0.name") != "default" || l.get("items.0.accounts") != 2.0 || l.str("items.1.name") != "other" || l.get("items.1.calls") != 1.0 {
			t.Errorf("organisations = %s", l.raw)
		}
		if l := w.want(200, "", "GET", "/organisations?limit=1", ""); l.len("items") != 1 || w.want(200, "", "GET", "/organisations?after="+l.str("next"), "").str("items.0.name") != "other" {
			t.Errorf("the first organisation = %s", l.raw)
		}
		defer w.as(w.admin("theirs", vault.RoleViewer, "other"))()
		o = w.want(200, "", "GET", "/overview", "")
		if o.get("calls") != 1.0 || o.get("agents") != 0.0 || o.len("needs") != 0 || o.get("refusals") != 0.0 || strings.Contains(o.raw, "hub") || strings.Contains(o.raw, bot) {
			t.Errorf("another organisation sees %s", o.raw)
		}
		if u = w.want(200, "", "GET", "/usage?kind=account&ids="+acct, ""); u.get("items.0.calls") != 0.0 || u.get("items.0.grants") != nil {
			t.Errorf("another organisation sees usage %s", u.raw)
		}
		if u = w.want(200, "", "GET", "/usage?kind=agent&ids="+bot, ""); u.get("items.0.calls") != 0.0 {
			t.Errorf("another organisation sees usage %s", u.raw)
		}
		if l := w.want(200, "", "GET", "/organisations", ""); l.len("items") != 1 || l.str("items.0.name") != "other" {
			t.Errorf("another organisation sees organisations %s", l.raw)
		}
	})
}

// TestAuditExport: as lines and as a table that a spreadsheet may open.
func TestAuditExport(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		bot := w.agent("bot")
		for range 700 {
			w.call(bot, "", "hub", 200)
		}
		w.call(bot, "", "hub", 500, func(e *vault.Event) { e.Path = "=HYPERLINK(\"http://x\")"; e.Detail = "a,\"b\"\nc" })
		if err := w.v.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		get := func(query, token string) (*http.Response, string) {
			req, _ := http.NewRequest("GET", w.server.URL+"/api/v1/audit/export"+query, nil)
			req.Header.Set("Authorization", "Bearer "+token)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			return res, string(b)
		}
		res, text := get("?kind=use", w.token)
		lines := 0
		for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); lines++ {
			var e struct{ Kind string }
			if json.Unmarshal(s.Bytes(), &e) != nil || e.Kind != "use" {
				t.Fatalf("a line is %s", s.Text())
			}
		}
		if res.StatusCode != 200 || lines != 701 || res.Header.Get("Content-Type") != "application/jsonl" || !strings.Contains(res.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("as lines: %d with %d lines, %v", res.StatusCode, lines, res.Header)
		}
		_, text = get("?kind=use&outcome=failed&format=csv", w.token)
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(rows) != 2 || rows[1][12] != `'=HYPERLINK("http://x")` || rows[1][17] != "a,\"b\"\nc" {
			t.Errorf("as CSV: %q, %v", rows, err)
		}
		if _, text = get("?kind=use&limit=3", w.token); strings.Count(text, "\n") != 3 {
			t.Errorf("three lines are %s", text)
		}
		if res, _ = get("?format=xml", w.token); res.StatusCode != 422 {
			t.Errorf("an unknown format = %d", res.StatusCode)
		}
		if res, text = get("?kind=use", w.admin("theirs", vault.RoleViewer, "other")); res.StatusCode != 200 || text != "" {
			t.Errorf("another organisation exports %d %s", res.StatusCode, text)
		}
		if res, _ = get("", "atm_nobody"); res.StatusCode != 401 {
			t.Errorf("nobody exports: %d", res.StatusCode)
		}
	})
}
