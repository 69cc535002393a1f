package admin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin"
	pages "github.com/attache-proxy/attache/caddymodule/admin/connect"
	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// link makes a connect session and returns its link and its id.
func (f *flows) link(account, rest string) (link, id string) {
	f.t.Helper()
	a := f.want(201, "", "POST", "/connect/sessions", `{"account_id":"`+account+`"`+rest+`}`)
	if !strings.HasPrefix(a.str("url"), f.server.URL+"/connect/ats_") || a.str("status") != "open" {
		f.t.Errorf("session = %s", a.raw)
	}
	return a.str("url"), a.str("id")
}

// A link lets a person connect one account in the ways that the connector has.
func TestConnectLink(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		f := newFlows(t, c, oauthtest.Options{Lifetime: time.Hour})
		link, id := f.link(f.account, "")
		b := visitor()
		p := f.visit(b, "GET", link, nil)
		f.wantPage(p, 200, "Connect Calendar", "Sign in to Calendar", "API key", "Use a code", `<li class="mono">read</li>`)
		for name, want := range map[string]string{"Referrer-Policy": "same-origin", "X-Frame-Options": "DENY", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
			if got := p.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if policy := p.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(p.text, "style=") || strings.Contains(p.text, "onclick") {
			t.Errorf("policy %q", policy)
		}
		// The person says no first, and comes back.
		at := f.visit(b, "POST", link, url.Values{"option": {"oauth"}}).leaving(t)
		p = f.visit(b, "GET", as(at, "nobody"), nil)
		f.wantPage(p, 422, "access_denied", "Try again", strings.TrimPrefix(link, f.server.URL))
		if s := f.want(200, "", "GET", "/connect/sessions/"+id, ""); s.str("status") != "open" || s.str("error.code") != "AUTHORIZATION_DENIED" {
			t.Errorf("session = %s, want open with an error", s.raw)
		}
		f.wantPage(f.visit(b, "GET", link, nil), 200, "access_denied", "Connect Calendar")
		at = f.visit(b, "POST", link, url.Values{"option": {"oauth"}}).leaving(t)
		f.wantPage(f.visit(b, "GET", as(at, "ann"), nil), 200, "Calendar is connected", `data-session="`+id+`"`)
		f.wantAccount(f.account, "active", "ann")
		// It worked once, and then no more.
		f.wantPage(f.visit(b, "GET", link, nil), 200, "Calendar is connected", "close this window")
		f.wantPage(f.visit(b, "POST", link, url.Values{"option": {"oauth"}}), 409)
		if l := f.want(200, "", "GET", "/connect/sessions?account_id="+f.account, ""); l.len("items") != 0 {
			t.Errorf("sessions that are not over: %s", l.raw)
		}

		// With a code.
		link, id = f.link(f.newAccount("device"), `,"option":"device"`)
		p = f.visit(b, "GET", link, nil)
		if strings.Contains(p.text, "API key") {
			t.Errorf("a link for one way offers others:\n%s", p.text)
		}
		p = f.visit(b, "POST", link, url.Values{"option": {"key"}})
		f.wantPage(p, 200, "enter this code", f.idpURL+"/verify")
		s := f.want(200, "", "GET", "/connect/sessions/"+id, "")
		f.wantPage(p, 200, s.str("user_code"))
		if st := f.visit(b, "GET", link+"/status", nil); st.text != "{\"status\":\"authorizing\"}\n" {
			t.Errorf("status = %s", st.text)
		}
		f.idp.Approve(s.str("user_code"), "ann")
		f.ended(id)
		f.wantPage(f.visit(b, "GET", link, nil), 200, "Calendar is connected")
	})
}

// A key is checked against the schema, then tried, and only then stored.
func TestConnectLinkPaste(t *testing.T) {
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{})
	account := f.newAccount("key")
	link, id := f.link(account, "")
	b := visitor()
	f.wantPage(f.visit(b, "GET", link, nil), 200, `name="field.zone"`, `type="password"`, "Where to get it", "Test and connect")
	const secret = "good-secret-that-is-pasted"
	p := f.visit(b, "POST", link, url.Values{"option": {"key"}, "field.zone": {"EU 1"}, "field.key": {secret}})
	f.wantPage(p, 422, "does not match the pattern", `value="EU 1"`, `aria-invalid="true"`)
	p = f.visit(b, "POST", link, url.Values{"option": {"key"}, "field.zone": {"eu"}, "field.key": {"bad-secret-that-is-pasted"}})
	f.wantPage(p, 422, "does not take these credentials")
	p = f.visit(b, "POST", link, url.Values{"option": {"key"}, "field.zone": {"eu"}})
	f.wantPage(p, 422, "It is missing")
	p = f.visit(b, "POST", link, url.Values{"option": {"key"}, "field.zone": {"eu"}, "field.key": {secret}, "field.other": {"x"}})
	f.wantPage(p, 422, "not known")
	f.wantAccount(account, "pending", "")
	f.wantPage(f.visit(b, "POST", link, url.Values{"option": {"key"}, "field.zone": {"eu"}, "field.key": {secret}}), 200, "Calendar is connected")
	f.wantAccount(account, "active", "Zip")
	if s := f.want(200, "", "GET", "/connect/sessions/"+id, ""); s.str("status") != "done" || s.str("flow") != "credentials" {
		t.Errorf("session = %s", s.raw)
	}
	if seen := f.world.seen.String(); strings.Contains(seen, secret) || strings.Contains(seen, "bad-secret-that-is-pasted") {
		t.Error("a page or an answer shows what was pasted")
	}
	// An OAuth option asks for its fields first, and needs them.
	link, _ = f.link(account, `,"option":"tenant","allow_other_identity":true`)
	f.wantPage(f.visit(b, "POST", link, url.Values{"field.tenant": {"NO"}}), 422, "does not match the pattern")
	at := f.visit(b, "POST", link, url.Values{"field.tenant": {"acme"}}).leaving(t)
	if !strings.Contains(at, "tenant=acme") {
		t.Errorf("the authorization URL %s lacks the tenant", at)
	}
	f.wantPage(f.visit(b, "GET", as(at, "ann"), nil), 200, "is connected")
	if a := f.wantAccount(account, "active", "ann"); a.str("fields.tenant") != "acme" {
		t.Errorf("account = %s, want the field tenant", a.raw)
	}
}

// The link an agent gets runs the service's own authorization of exactly that
// account, and nothing else.
func TestAgentLink(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		f := newFlows(t, c, oauthtest.Options{Lifetime: time.Hour})
		at := func(id string) string { return f.server.URL + "/connect/" + id }
		link := at(f.account)
		b := visitor()
		p := f.visit(b, "GET", link+"?option=key", nil)
		f.wantPage(p, 200, "Connect Calendar", "Continue to Calendar")
		if strings.Contains(p.text, "API key") || strings.Contains(p.text, "field.") {
			t.Errorf("the page offers to paste something:\n%s", p.text)
		}
		// Nothing else can be chosen, and nothing pasted.
		q := f.visit(b, "POST", link, url.Values{"option": {"key"}, "field.zone": {"eu"}, "field.key": {"good-secret-of-the-agent"}})
		begun := q.leaving(t)
		f.wantAccount(f.account, "pending", "")

		// The browser that began is the one that ends.
		other := visitor()
		planted, _ := url.Parse(f.server.URL)
		other.Jar.SetCookies(planted, []*http.Cookie{{Name: "attache_browser", Value: strings.Repeat("x", 43)}, {Name: "attache_browser_" + planted.Port() + "_guess", Value: "x.y"}})
		stolen := f.visit(other, "GET", as(begun, "mallory"), nil)
		f.wantPage(stolen, 403, "another browser")
		if strings.Contains(stolen.text, "/connect/ats_") {
			t.Errorf("another browser is shown the session's link:\n%s", stolen.text)
		}
		f.wantAccount(f.account, "pending", "")
		begun = f.visit(b, "POST", link, nil).leaving(t)
		f.wantPage(f.visit(b, "GET", as(begun, "ann"), nil), 200, "Calendar is connected")
		f.wantAccount(f.account, "active", "ann")

		// Connected: nothing to do. Expired: the same identity, or nothing.
		f.wantPage(f.visit(b, "GET", link, nil), 200, "There is nothing to do")
		f.expire(f.account)
		begun = f.visit(b, "POST", link, nil).leaving(t)
		before := f.want(200, "", "GET", "/accounts/"+f.account, "").raw
		f.wantPage(f.visit(b, "GET", as(begun, "mallory"), nil), 409, "somebody else", "Try again")
		if after := f.want(200, "", "GET", "/accounts/"+f.account, "").raw; after != before {
			t.Errorf("another identity changed the account:\n%s\n%s", before, after)
		}
		begun = f.visit(b, "POST", link, nil).leaving(t)
		f.wantPage(f.visit(b, "GET", as(begun, "ann"), nil), 200, "is connected")
		f.wantAccount(f.account, "active", "ann")

		// A service that does not say whose account it is.
		f.expire(f.account)
		begun = f.visit(b, "POST", link, nil).leaving(t)
		f.set(&f.anonymous, true)
		f.wantPage(f.visit(b, "GET", as(begun, "ann"), nil), 409, "does not say whose account")
		f.wantAccount(f.account, "expired", "ann")
		f.set(&f.anonymous, false)

		// What operators decided, a link does not undo.
		f.want(200, "", "POST", "/accounts/"+f.account+"/revoke", "")
		f.wantPage(f.visit(b, "GET", link, nil), 409, "An operator stopped this account")
		f.wantPage(f.visit(b, "POST", link, nil), 409, "An operator stopped this account")

		// An account with a key needs an operator's link; one that lacks a field, too.
		f.wantPage(f.visit(b, "GET", at(f.newAccount("key")), nil), 409, "Your operator must help", "Open the dashboard")
		f.wantPage(f.visit(b, "POST", at(f.newAccount("key")), url.Values{"field.zone": {"eu"}, "field.key": {"good-key-of-the-agent"}}), 409, "operator makes for you")
		f.wantPage(f.visit(b, "POST", at(f.newAccount("tenant")), url.Values{"field.tenant": {"evil"}}), 409, "only your operator")
		f.wantPage(f.visit(b, "GET", at("acc_nosuch"), nil), 404, "leads nowhere")
		f.wantPage(f.visit(b, "GET", at("ats_nosuch"), nil), 404, "leads nowhere")
		f.wantPage(f.visit(b, "GET", at(f.account)+"/status", nil), 200, "expired")
		f.wantPage(f.visit(b, "GET", at(""), nil), 404)
	})
}

// expire makes an account expired, as a refresh that the service refuses does.
func (f *flows) expire(id string) {
	f.t.Helper()
	l, err := f.v.Lease(f.t.Context(), id, "", time.Minute)
	if err == nil {
		_, err = l.Fail(f.t.Context(), vault.Expired, vault.Reason{Code: vault.ReasonInvalidGrant})
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// An agent's link with sealed scopes asks for those beside what there is, and
// nobody can write other scopes into it.
func TestStepUpLink(t *testing.T) {
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{Lifetime: time.Hour})
	f.connect(f.account, "ann")
	other := f.newAccount("oauth")
	b := visitor()
	link := func(account, sealed string) string {
		return f.server.URL + "/connect/" + account + "?more=" + url.QueryEscape(sealed)
	}
	sealed := pages.SealScopes(f.v, f.account, []string{"write", "read"})
	p := f.visit(b, "GET", link(f.account, sealed), nil)
	f.wantPage(p, 200, "An agent was refused for want of", `<span class="mono">write</span>`)
	for name, bad := range map[string]string{"another account's": pages.SealScopes(f.v, other, []string{"write"}), "changed": sealed[:20] + string(sealed[20]^1) + sealed[21:], "plain": "write"} {
		t.Run(name, func(t *testing.T) { f.wantPage(f.visit(b, "GET", link(f.account, bad), nil), 404, "leads nowhere") })
	}
	at := f.visit(b, "POST", link(f.account, sealed), nil).leaving(t)
	u, _ := url.Parse(at)
	if got := u.Query().Get("scope"); got != "read write" {
		t.Errorf("the scopes %q are asked for, want read write", got)
	}
	// Until the person approves, nothing changes.
	if a := f.wantAccount(f.account, "active", "ann"); strings.Contains(a.raw, `"write"`) {
		t.Errorf("account = %s, has the scope before it was approved", a.raw)
	}
	f.wantPage(f.visit(b, "GET", as(at, "ann"), nil), 200, "is connected")
	if a := f.wantAccount(f.account, "active", "ann"); a.len("scopes") != 2 {
		t.Errorf("account = %s, want the scopes read and write", a.raw)
	}
	// The API does the same for an operator.
	a := f.want(200, "", "POST", "/accounts/"+f.account+"/authorize", `{"additional_scopes":["admin"]}`)
	if got := a.len("scopes"); got != 3 {
		t.Errorf("authorize with additional_scopes asks for %s", a.raw)
	}
}

// sign_in sends people to the dashboard, off knows no links of agents; an
// operator's links work in both.
func TestConnectLinks(t *testing.T) {
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{})
	link, _ := f.link(f.account, "")
	for mode, want := range map[string]int{pages.LinksSignIn: http.StatusSeeOther, pages.LinksOff: http.StatusNotFound, pages.LinksOpen: 200, "": 200} {
		f.server.Config.Handler = admin.New(admin.Config{Vault: f.v, Catalogue: f.catalogue, Tester: f, Connections: f, Links: mode})
		b := visitor()
		b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		p := f.visit(b, "GET", f.server.URL+"/connect/"+f.account, nil)
		if p.status != want || mode == pages.LinksSignIn && p.header.Get("Location") != "/ui/#/accounts/"+f.account {
			t.Errorf("%s: GET = %d %s, want %d", mode, p.status, p.header.Get("Location"), want)
		}
		if p = f.visit(b, "POST", f.server.URL+"/connect/"+f.account, nil); (p.status == 200) != (want == 200) {
			t.Errorf("%s: POST = %d", mode, p.status)
		}
		if p = f.visit(b, "GET", link, nil); p.status != 200 {
			t.Errorf("%s: an operator's link = %d", mode, p.status)
		}
	}
}

// Another site's page cannot send our forms, and another host name gets nothing.
func TestPagesGuard(t *testing.T) {
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{})
	link, _ := f.link(f.account, "")
	for name, c := range map[string]struct {
		method, header, value string
		want                  int
	}{
		"a link from elsewhere":     {"GET", "Sec-Fetch-Site", "cross-site", 200},
		"a form from elsewhere":     {"POST", "Sec-Fetch-Site", "cross-site", 403},
		"a form of another origin":  {"POST", "Origin", "https://evil.example", 403},
		"a form of a hidden origin": {"POST", "Origin", "null", 403},
		"another host name":         {"GET", "Host", "evil.example", 421},
		"another method":            {"DELETE", "", "", 404},
	} {
		t.Run(name, func(t *testing.T) {
			req, _ := http.NewRequest(c.method, link, strings.NewReader(""))
			if c.method == "POST" {
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			if c.header == "Host" {
				req.Host = c.value
			} else if c.header != "" {
				req.Header.Set(c.header, c.value)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != c.want {
				t.Errorf("%s = %d, want %d", c.method, res.StatusCode, c.want)
			}
		})
	}
	// Whoever begins too often waits.
	b := visitor()
	last := 0
	for range 25 {
		last = f.visit(b, "POST", f.server.URL+"/connect/"+f.account, nil).status
	}
	if last != 429 {
		t.Errorf("the 25th beginning in a row = %d, want 429", last)
	}
	for range 25 {
		last = f.visit(b, "GET", f.server.URL+"/connect/ats_guess", nil).status
	}
	if last != 429 {
		t.Errorf("the 25th guess in a row = %d, want 429", last)
	}
}

// Which OAuth client is used: by the mode of the connector, or the account's own.
func TestAppMode(t *testing.T) {
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{})
	client := func(rest string) string {
		a := f.want(200, "", "POST", "/accounts/"+f.newAccount("oauth")+"/authorize", rest)
		u, _ := url.Parse(a.str("authorization_url"))
		return u.Query().Get("client_id")
	}
	mode := func(m string) *answer {
		return f.want(200, "", "PUT", "/connectors/cal/app-mode", `{"mode":"`+m+`"}`)
	}
	own := f.want(201, "", "POST", "/apps", `{"connector":"cal","mode":"own","name":"mine","client_id":"client-own"}`)
	if own.str("redirect_uri") != f.server.URL+"/oauth/callback" {
		t.Errorf("app = %s, want our callback to register", own.raw)
	}
	if m := f.want(200, "", "GET", "/connectors/cal/app-mode", ""); m.str("mode") != "auto" || m.str("app_id") != own.str("id") {
		t.Errorf("mode = %s", m.raw)
	}
	for m, want := range map[string]string{"auto": "client-own", "managed": "client-1", "own": "client-own"} {
		mode(m)
		if got := client(""); got != want {
			t.Errorf("mode %s: client %s, want %s", m, got, want)
		}
	}
	managed := f.want(200, "", "GET", "/apps?mode=managed", "").str("items.0.id")
	if got := client(`{"app_id":"` + managed + `"}`); got != "client-1" {
		t.Errorf("the app that was named: client %s, want client-1", got)
	}
	mode("own")
	f.want(204, "", "DELETE", "/apps/"+own.str("id"), "")
	f.want(409, "APP_REQUIRED", "POST", "/accounts/"+f.account+"/authorize", "")
	f.want(422, "APP_NOT_FOUND", "POST", "/accounts/"+f.account+"/authorize", `{"app_id":"app_nosuch"}`)
	mode("auto")
	f.want(422, "INVALID_INPUT", "PUT", "/connectors/cal/app-mode", `{"mode":"mine"}`)
	f.want(404, "CONNECTOR_NOT_FOUND", "PUT", "/connectors/nosuch/app-mode", `{"mode":"own"}`)
	for _, uri := range []string{"http://app.example/x", "https://app.example/#x", "javascript:alert(1)", "/relative", "https://u@app.example/", "https://app.example/ x"} {
		f.want(422, "INVALID_INPUT", "PATCH", "/apps/"+managed, `{"redirect_uris":["`+uri+`"]}`)
	}
	f.want(200, "", "PATCH", "/apps/"+managed, `{"redirect_uris":["http://127.0.0.1:9/x"]}`)
	// Another organisation's operator neither begins nor sees it.
	defer f.as(f.admin("other", vault.RoleOperator, "elsewhere"))()
	f.want(404, "ACCOUNT_NOT_FOUND", "POST", "/accounts/"+f.account+"/authorize", "")
	f.want(404, "ACCOUNT_NOT_FOUND", "POST", "/connect/sessions", `{"account_id":"`+f.account+`"}`)
	defer f.as(f.admin("reader", vault.RoleViewer, vault.All))()
	f.want(403, "INVALID_PERMISSIONS", "POST", "/accounts/"+f.account+"/authorize", "")
}

// No secret of a flow is in an answer, a page, an audit line or a webhook.
func TestFlowCanaries(t *testing.T) {
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{Lifetime: time.Hour, Rotate: true})
	var mu strings.Builder
	f.idp.SetFault(func(c *oauthtest.Call) oauthtest.Fault {
		for _, name := range []string{"code", "code_verifier", "device_code", "refresh_token"} {
			if v := c.Request.PostForm.Get(name); v != "" {
				mu.WriteString(v + "\n")
			}
		}
		return oauthtest.Fault{}
	})
	h := &hook{}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	f.want(201, "", "POST", "/webhooks", `{"url":"`+srv.URL+`","events":["*"]}`)
	link, _ := f.link(f.account, "")
	b := visitor()
	at := f.visit(b, "POST", link, url.Values{"option": {"oauth"}}).leaving(t)
	f.visit(b, "GET", as(at, "ann"), nil)
	f.wantAccount(f.account, "active", "ann")
	d := f.beginDevice(f.newAccount("device"))
	f.idp.Approve(d.str("user_code"), "bob")
	f.ended(d.str("session_id"))
	f.idp.SetFault(nil)
	f.want(200, "", "POST", "/accounts/"+f.account+"/refresh", "")
	for _, path := range []string{"/accounts", "/audit", "/apps", "/connect/sessions?account_id=" + f.account, "/connectors/cal/metadata"} {
		f.want(200, "", "GET", path, "")
	}
	within(t, 10*time.Second, "a webhook of the connected account", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return strings.Contains(strings.Join(h.bodies, ""), "account.active")
	})
	secrets := strings.Fields(mu.String())
	if len(secrets) < 3 {
		t.Fatalf("only %d secrets were seen: the test does not test", len(secrets))
	}
	u, err := f.v.Unseal(t.Context(), f.account)
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, u.RefreshToken.Reveal())
	secrets = append(secrets, clientSecret)
	h.mu.Lock()
	seen := f.world.seen.String() + strings.Join(h.bodies, "\n")
	h.mu.Unlock()
	for _, s := range secrets {
		if s == "" || strings.Contains(seen, s) {
			t.Errorf("the secret %.6s… was shown", s)
		}
	}
	// The link's own token stands where it must: in the answer that made it, and in
	// the links of the page that it opens.
	token := link[strings.LastIndex(link, "/")+1:]
	if n := strings.Count(seen, token); n != 1 {
		t.Errorf("the link's token was shown %d times, want once", n)
	}
}

// TestBeginsOfOthersLockNobodyOut: who begins again and again, at any account, is
// stopped, and the person who was there before is not.
func TestBeginsOfOthersLockNobodyOut(t *testing.T) {
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{Lifetime: time.Hour})
	link := f.server.URL + "/connect/" + f.account
	person := visitor()
	f.wantPage(f.visit(person, "GET", link, nil), 200, "Continue to Calendar")
	stopped := false
	for range 30 {
		stopped = stopped || f.visit(visitor(), "POST", link, nil).status == 429
	}
	if !stopped {
		t.Error("somebody without a cookie may begin for ever")
	}
	begun := f.visit(person, "POST", link, nil).leaving(t)
	f.wantPage(f.visit(person, "GET", as(begun, "ann"), nil), 200, "Calendar is connected")
}
