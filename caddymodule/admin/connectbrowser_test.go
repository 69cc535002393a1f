package admin_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	pages "github.com/attache-proxy/attache/caddymodule/admin/connect"
	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// The dashboard's button opens the pop-up; the person signs in there; the pop-up
// closes, and the dashboard shows the account as active.
func TestDashboardConnect(t *testing.T) {
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{Lifetime: time.Hour})
	b := openBrowser(t, f.server.URL+"/ui/#/accounts/"+f.account)
	b.see("Admin token")
	b.fill("Admin token", f.token)
	b.click("Sign in")
	b.see("Link for somebody else")
	b.look("dashboard-pending", 900)
	b.click("Connect")
	b.inside("/connect/ats_", func() {
		b.see("Sign in to Calendar")
		b.look("connect-oauth", 520)
		// It closes itself after a moment: here it only says so, so that it can be
		// looked at however slow the machine is.
		b.call("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": "window.close = () => { window.closes = true }"}, nil)
		b.click("Continue to Calendar")
		b.see("Calendar is connected")
		b.look("connect-done", 520)
		b.waitFor("location.pathname + location.search == '/oauth/callback'", "to take the code out of the history")
		b.waitFor("window.closes", "to close itself")
	})
	b.waitFor("document.querySelector('.state.active')", "the account to be active")
	b.see("It is connected.")
	b.look("dashboard-active", 900)
	b.click("Link for somebody else")
	b.see("It is shown this once")
	b.look("dashboard-link", 900)
	// The OAuth clients of the connector.
	b.eval("location.hash = '#/connectors/cal'")
	b.see("Register a client at the service with this redirect URI")
	b.see(f.server.URL + "/oauth/callback")
	b.see("default (used for new accounts)")
	b.look("dashboard-apps", 900)
	b.fill("Client ID", "client-of-the-browser")
	b.fill("Client secret", "secret-of-the-browser-1234")
	b.fill("Whose", "own")
	b.click("Store")
	b.see("client-of-the-browser")
	b.see("its secret is not shown again")
	if l := f.want(200, "", "GET", "/apps?mode=own", ""); l.str("items.0.client_id") != "client-of-the-browser" {
		t.Errorf("apps = %s", l.raw)
	}
	// Deleting asks the service too, and says what it said.
	b.eval("location.hash = '#/accounts/" + f.account + "'")
	b.see("Link for somebody else")
	b.sure("Delete", "at the service")
	b.see("the service has forgotten its tokens")
	b.noComplaints()
}

// What a person sees who opens a link, with the keyboard and on a phone.
func TestConnectPagesInBrowser(t *testing.T) {
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{Lifetime: time.Hour})
	link, _ := f.link(f.account, "")
	b := openBrowser(t, link)
	b.see("Sign in to Calendar")
	b.look("link-wide", 900)
	b.click("API key")
	b.see("Test and connect")
	b.look("link-key-phone", 390)
	// With the keyboard alone: the fields are reached in their order.
	b.eval("document.querySelector('#field-zone').focus()")
	b.call("Input.insertText", map[string]any{"text": "eu"}, nil)
	b.key("Tab")
	b.call("Input.insertText", map[string]any{"text": "bad-key-from-the-keyboard"}, nil)
	b.key("Enter")
	b.see("does not take these credentials")
	b.look("link-key-refused", 390)
	if v := b.eval("document.querySelector('#field-key').value + document.querySelector('#field-zone').value"); v != "eu" {
		t.Errorf("after a refusal the fields hold %q, want the zone alone", v)
	}
	b.noComplaints("status of 422")
	b.click("Use a code")
	b.click("Get a code")
	b.see("enter this code")
	b.look("link-code-phone", 390)
	b.idle(f)
	b.waitFor("getComputedStyle(document.querySelector('.code')).fontFamily.includes('monospace')", "to load its style sheet")
	f.idp.Approve(b.eval("document.querySelector('#code').textContent"), "ann")
	b.see("Calendar is connected") // by itself
	f.wantAccount(f.account, "active", "ann")

	// What agents' links show.
	for name, account := range map[string]string{"agent-key": f.newAccount("key"), "agent-oauth": f.newAccount("oauth")} {
		b.call("Page.navigate", map[string]any{"url": f.server.URL + "/connect/" + account}, nil)
		b.waitFor("document.querySelector('.card')", "to show something")
		time.Sleep(200 * time.Millisecond)
		b.look(name, 520)
	}
	more := f.server.URL + "/connect/" + f.account + "?more=" + url.QueryEscape(pages.SealScopes(f.v, f.account, []string{"write"}))
	b.call("Page.navigate", map[string]any{"url": more}, nil)
	b.see("for want of")
	b.look("agent-more", 520)
	b.call("Page.navigate", map[string]any{"url": f.server.URL + "/connect/acc_nosuch"}, nil)
	b.see("leads nowhere")
	b.look("nowhere", 390)
	b.noComplaints("status of 4")
}

// key presses a key.
func (b *browser) key(name string) {
	b.t.Helper()
	code := map[string]int{"Tab": 9, "Enter": 13}[name]
	text := map[string]string{"Enter": "\r"}[name]
	b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": name, "code": name, "windowsVirtualKeyCode": code, "text": text}, nil)
	b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": name, "code": name, "windowsVirtualKeyCode": code}, nil)
}

// idle checks that the page with a code says where to go.
func (b *browser) idle(f *flows) {
	b.t.Helper()
	if href := b.eval("document.querySelector('.device a').href"); href != fmt.Sprint(f.idpURL, "/verify") {
		b.t.Errorf("the page leads to %s", href)
	}
}
