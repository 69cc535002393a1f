package admin_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// openDashboard signs in.
func openDashboard(t *testing.T, w *world) *browser {
	t.Helper()
	b := openBrowser(t, w.server.URL+"/ui/")
	b.see("Sign in")
	b.fill("Admin token", w.token)
	b.click("Sign in")
	b.see("root · admin")
	return b
}

// TestDashboardConnectors makes, edits, switches off and deletes a custom connector
// of each grant type by the form.
func TestDashboardConnectors(t *testing.T) {
	w := newWorld(t, vaulttest.SQLite(t), nil)
	bot := w.agent("bot")
	b := openDashboard(t, w)
	for _, c := range []struct {
		grant   string
		fields  map[string]string
		secrets []string // of the account, or of its app
	}{
		{"client_credentials", map[string]string{"Token URL": "https://%s.example/t", "Client ID": "good", "Client secret": "shh-canary-1", "Scope": "read write", "Content type": "application/json"}, []string{"client_secret"}},
		{"refresh_token", map[string]string{"Token URL": "https://%s.example/t", "Client ID": "good", "Refresh token": "good-canary-2"}, []string{"refresh_token"}},
		{"authorization_code", map[string]string{"Token URL": "https://%s.example/t", "Authorize URL": "https://%s.example/a", "Client ID": "good"}, nil},
		{"device_code", map[string]string{"Token URL": "https://%s.example/t", "Device authorization URL": "https://%s.example/d", "Client ID": "good"}, nil},
		{"gcs_service_account", map[string]string{"Hosts": "%s.example", "Key file (JSON)": `{"good":"canary-3"}`, "Service account e-mail": "r@p.iam.gserviceaccount.com"}, []string{"service_account"}},
		{"aws_iam", map[string]string{"Hosts": "*.%s.example", "Access key ID": "AKIDgood", "Secret access key": "good-canary-4"}, []string{"secret_access_key"}},
	} {
		key := "ui-" + strings.ReplaceAll(c.grant, "_", "-")
		b.click("Connectors")
		b.click("New connector")
		b.see("Grant type")
		b.fill("Name:", "ui_"+c.grant)
		b.fill("Grant type", c.grant)
		for label, text := range c.fields {
			if strings.Contains(text, "%s") {
				text = fmt.Sprintf(text, key)
			}
			b.fill(label, text)
		}
		b.eval(fmt.Sprintf("document.querySelector('input[value=%s]').click()", bot))
		b.click("Create")
		b.see("Ways to connect")
		made := w.want(200, "", "GET", "/connectors/"+key, "")
		if made.str("form.grant_type") != c.grant || made.str("agents.0") != bot || made.get("active") != true {
			t.Errorf("%s: the connector = %s", c.grant, made.raw)
		}
		acct := w.want(200, "", "GET", "/accounts/"+made.str("account_id"), "")
		stored := acct.raw
		if app := acct.str("app_id"); app != "" {
			stored += w.want(200, "", "GET", "/apps/"+app, "").raw
		}
		for _, name := range c.secrets {
			if !strings.Contains(stored, `"field":"`+name+`"`) {
				t.Errorf("%s: no %s is stored: %s", c.grant, name, stored)
			}
		}

		b.click("Edit")
		b.see("Edit ui_") // the name as it was spelt
		if strings.Contains(b.eval("document.body.innerHTML + [...document.querySelectorAll('input,textarea')].map((i) => i.value)"), "canary") {
			t.Errorf("%s: the form shows a secret", c.grant)
		}
		b.fill("Title", "Edited "+c.grant)
		b.tick("Active")
		b.click("Save")
		b.see("Switch on")
		edited := w.want(200, "", "GET", "/connectors/"+key, "")
		if edited.str("title") != "Edited "+c.grant || edited.str("state") != "inactive" || edited.str("account_id") != made.str("account_id") || edited.str("agents.0") != bot {
			t.Errorf("%s: the edited connector = %s", c.grant, edited.raw)
		}
		b.click("Switch on")
		b.see("Switch off")
		b.sure("Delete", "with the account")
		b.see("New connector")
		w.want(404, "CONNECTOR_NOT_FOUND", "GET", "/connectors/"+key, "")
	}

	b.click("New connector")
	b.see("What it is")
	b.fill("What it is", "yaml")
	b.see("Definition (YAML)")
	b.fill("Name:", "acme")
	b.click("Create")
	b.see("api.acme.example")
	b.click("Edit")
	b.fill("Definition", "key: acme\ntitle: Acme Two\nhosts: [two.acme.example]\nauth: {key: {type: credentials, fields: {k: {title: K, secret: true}}, sign: bearer}}\n")
	b.click("Save")
	b.see("Acme Two")
	b.noComplaints()
}

// TestDashboardGrants narrows a grant, and the agent.
func TestDashboardGrants(t *testing.T) {
	w := newWorld(t, vaulttest.SQLite(t), nil)
	bot, acct := w.agent("bot"), w.account("mine")
	b := openDashboard(t, w)
	b.eval("location.hash = '#/agents/" + bot + "'")
	b.see("Only these connectors")
	b.waitFor("document.querySelector('option[value="+acct+"]')", "to offer the account")
	b.fill("Account", acct)
	b.fill("Until", "2099-01-31T12:00")
	b.fill("Methods", "get head")
	b.fill("Path", "/v1/orders/**")
	b.click("Give access")
	b.see("GET,HEAD /v1/orders/**")
	g := w.want(200, "", "GET", "/grants?agent_id="+bot, "")
	if g.str("items.0.account_id") != acct || !strings.HasPrefix(g.str("items.0.expires_at"), "2099-01-31") || fmt.Sprint(g.get("items.0.rules")) != "[map[methods:[GET HEAD] path:/v1/orders/**]]" {
		t.Errorf("the grant = %s", g.raw)
	}
	b.fill("Keys", "nobody")
	b.click("Save")
	b.see("nobody, which is no connector")
	b.fill("Keys", "hub, desk")
	b.click("Save")
	b.see("It holds from the next call on.") // also of what was saved before
	var a *answer
	for range 100 {
		if a = w.want(200, "", "GET", "/agents/"+bot, ""); fmt.Sprint(a.get("connectors")) == "[hub desk]" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if fmt.Sprint(a.get("connectors")) != "[hub desk]" {
		t.Errorf("the agent = %s", a.raw)
	}
	b.noComplaints("status of 422")
}

// TestDashboardUntested stores an account without a test, lets it work, and sets a limit.
func TestDashboardUntested(t *testing.T) {
	w := newWorld(t, vaulttest.SQLite(t), nil)
	b := openDashboard(t, w)
	b.choose("api.hub.example", "Hub")
	b.fill("Name", "narrow")
	b.fill("Token", "broken-but-right-1234")
	b.click("Connect")
	b.see("tick “Store without a test”")
	b.tick("Store without")
	b.click("Store")
	b.see("Waiting")
	b.click("Use without a test")
	b.see("activated by operator")
	b.fill("Calls per minute", "7")
	b.click("Save")
	b.see("It holds from the next call on.")
	if l := w.want(200, "", "GET", "/accounts?connector=hub&name=narrow", ""); l.get("items.0.settings.rate_limit") != 7.0 || l.str("items.0.state") != "active" {
		t.Errorf("the account = %s", l.raw)
	}
	b.noComplaints("status of 502")
}
