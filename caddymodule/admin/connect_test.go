package admin_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/providers/providerstest"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// flows is a world with a service that people sign in to.
type flows struct {
	*world
	idp       *oauthtest.Endpoint
	idpURL    string
	account   string
	catalogue *catalogue
	stop      func() // ends what runs in the background
	// anonymous makes the service say nothing about whose account it is; broken
	// makes its test fail.
	anonymous, broken bool
	mu                sync.Mutex
	revoked           []string
}

const clientSecret = "client-secret-9f8b7c"

func newFlows(t *testing.T, c vault.Config, o oauthtest.Options) *flows {
	t.Helper()
	o.ClientID, o.ClientSecret = "client-1", clientSecret
	if o.Interval == 0 {
		o.Interval = time.Second
	}
	f := &flows{idp: oauthtest.New(o)}
	server := httptest.NewServer(f.idp)
	t.Cleanup(server.Close)
	f.idpURL = server.URL
	text := strings.ReplaceAll(`
key: cal
title: Calendar
hosts: [api.cal.example]
auth:
  oauth:
    type: oauth2
    title: Sign in to Calendar
    authorize_url: IDP/authorize
    token_url: IDP/token
    revoke_url: IDP/revoke
    scopes: [read]
    pkce: required
    issuer: ISSUER
  device:
    type: oauth2
    title: Use a code
    grant_type: device_code
    device_url: IDP/device
    token_url: IDP/token
  key:
    type: credentials
    title: API key
    help: https://cal.example/keys
    fields:
      zone: {title: Zone, pattern: "^[a-z]+$", description: lower-case letters}
      key: {title: Key, secret: true}
    sign: {header: {X-Key: "{fields.key}"}}
  tenant:
    type: oauth2
    title: Sign in to a tenant
    authorize_url: IDP/authorize?tenant={fields.tenant}
    token_url: IDP/token
    fields: {tenant: {title: Tenant, pattern: "^[a-z0-9]+$"}}
test: {get: /me, expect: 200}
`, "IDP", f.idpURL)
	text = strings.ReplaceAll(text, "ISSUER", o.Issuer)
	cat := newCatalogue(t)
	cat.list = append(cat.list, providerstest.Connector(t, text))
	f.world = newWorld(t, c, func(cfg *admin.Config) {
		cfg.Catalogue, cfg.Tester, cfg.Connections = cat, f, f
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f.api.Run(ctx) }()
	f.catalogue, f.stop = cat, func() { cancel(); <-done }
	t.Cleanup(f.stop)
	f.want(201, "", "POST", "/apps", `{"connector":"cal","mode":"managed","client_id":"client-1","secrets":{"client_secret":"`+clientSecret+`"},"redirect_uris":["https://app.example/back","com.example.app:/back"]}`)
	f.account = f.newAccount("oauth")
	return f
}

func (f *flows) newAccount(option string) string {
	f.t.Helper()
	return f.want(201, "", "POST", "/accounts", `{"connector":"cal","option":"`+option+`","name":"`+option+fmt.Sprint(time.Now().UnixNano())+`"}`).str("id")
}

// Test asks the service with the token, as the connector's test request does.
func (f *flows) Test(ctx context.Context, t connect.Trial) (connect.Verdict, error) {
	v := connect.Verdict{Tested: true, Status: 200, Expected: 200}
	var who string
	switch {
	case t.Credential != nil:
		who, v.OK = f.idp.Check(t.Credential.Token.Reveal())
	default:
		return f.service.Test(ctx, t)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken {
		v.OK, v.Status, v.Problem = false, 500, "it answered 500 instead of 200"
	}
	if v.OK && !f.anonymous {
		v.Provider = vault.ProviderAccount{ID: "id-" + who, Label: who}
	}
	return v, nil
}

func (f *flows) Refresh(ctx context.Context, id string) error { return f.service.Refresh(ctx, id) }

func (f *flows) Revocation(_ context.Context, id string) (connect.Revocation, error) {
	return func(_ context.Context, had vault.Unsealed) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.revoked = append(f.revoked, had.RefreshToken.Reveal())
		now, err := f.v.Unseal(context.Background(), id)
		if err != nil || now.Account.State != vault.Revoked || !now.RefreshToken.IsZero() {
			f.t.Errorf("while the service is asked, the account is %s, %v; want it revoked, without secrets", now.Account.State, err)
		}
		return nil
	}, nil
}

func (f *flows) Client(*providers.Connector) oauth.Doer { return http.DefaultClient }

func (f *flows) set(field *bool, v bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*field = v
}

// visitor is somebody's browser: it keeps cookies and follows redirects.
func visitor() *http.Client {
	jar, _ := cookiejar.New(nil)
	return &http.Client{Jar: jar}
}

// seen is a page.
type seen struct {
	status int
	text   string
	header http.Header
	url    *url.URL
}

func (f *flows) visit(b *http.Client, method, to string, form url.Values) seen {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, to, strings.NewReader(form.Encode()))
	if err != nil {
		f.t.Fatal(err)
	}
	if method == "POST" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", f.server.URL)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := b.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, _ := io.ReadAll(res.Body)
	f.world.mu.Lock()
	fmt.Fprintf(&f.world.seen, "PAGE\n%v\n%s\n", res.Header, raw)
	f.world.mu.Unlock()
	return seen{res.StatusCode, string(raw), res.Header, res.Request.URL}
}

// leaving is where a page sends the browser on to.
func (s seen) leaving(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`http-equiv="refresh" content="0; url=([^"]+)"`).FindStringSubmatch(s.text)
	if m == nil {
		t.Fatalf("the page (%d) leads nowhere:\n%s", s.status, s.text)
	}
	return strings.NewReplacer("&amp;", "&", "&#43;", "+").Replace(m[1])
}

// as adds who signs in at the service.
func as(authorizationURL, who string) string { return authorizationURL + "&login_hint=" + who }

func (f *flows) wantPage(s seen, status int, words ...string) {
	f.t.Helper()
	for _, w := range words {
		if !strings.Contains(s.text, w) {
			f.t.Errorf("the page at %s (%d) lacks %q:\n%s", s.url.Path, s.status, w, s.text)
		}
	}
	if s.status != status {
		f.t.Errorf("the page at %s = %d, want %d:\n%s", s.url.Path, s.status, status, s.text)
	}
}

// wantAccount checks an account's state and whose it is at the service.
func (f *flows) wantAccount(id, state, provider string) *answer {
	f.t.Helper()
	a := f.want(200, "", "GET", "/accounts/"+id, "")
	if a.str("state") != state || a.str("provider.label") != provider {
		f.t.Errorf("account = %s of %q, want %s of %q: %s", a.str("state"), a.str("provider.label"), state, provider, a.raw)
	}
	return a
}

// connect connects an account through the API as who.
func (f *flows) connect(id, who string) {
	f.t.Helper()
	a := f.want(200, "", "POST", "/accounts/"+id+"/authorize", "")
	f.wantPage(f.visit(visitor(), "GET", as(a.str("authorization_url"), who), nil), 200, "Calendar is connected", "connected as "+who)
}

func TestAuthorize(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		f := newFlows(t, c, oauthtest.Options{Lifetime: time.Hour, Rotate: true})
		a := f.want(200, "", "POST", "/accounts/"+f.account+"/authorize", "")
		u, err := url.Parse(a.str("authorization_url"))
		if err != nil || u.Query().Get("code_challenge_method") != "S256" || u.Query().Get("redirect_uri") != f.server.URL+"/oauth/callback" || u.Query().Get("scope") != "read" || len(u.Query().Get("state")) != 43 {
			t.Errorf("authorization_url = %v", u)
		}
		if a.str("flow") != "popup_oauth" {
			t.Errorf("flow = %q", a.str("flow"))
		}
		session := "/connect/sessions/" + a.str("session_id")
		if s := f.want(200, "", "GET", session, ""); s.str("status") != "authorizing" {
			t.Errorf("session = %s", s.raw)
		}
		f.wantAccount(f.account, "pending", "")
		p := f.visit(visitor(), "GET", as(a.str("authorization_url"), "ann"), nil)
		f.wantPage(p, 200, "Calendar is connected", `data-session="`+a.str("session_id")+`"`, `data-outcome="done"`)
		acct := f.wantAccount(f.account, "active", "ann")
		if fmt.Sprint(acct.get("scopes")) != "[read]" || acct.len("secrets") != 2 {
			t.Errorf("account = %s, want the scope read, and a token and a refresh token", acct.raw)
		}
		if s := f.want(200, "", "GET", session, ""); s.str("status") != "done" {
			t.Errorf("session = %s, want done", s.raw)
		}
		// The same answer once more.
		f.wantPage(f.visit(visitor(), "GET", p.url.String(), nil), 400, "not known here")
		f.wantAccount(f.account, "active", "ann")
		if l := f.want(200, "", "GET", "/audit?kind=state&account_id="+f.account, ""); l.str("items.0.code") != "account.active" || l.str("items.0.actor_kind") != "person" {
			t.Errorf("audit = %s", l.raw)
		}
		f.want(200, "", "POST", "/accounts/"+f.account+"/revoke", "")
		if l := f.want(200, "", "GET", "/audit?kind=admin&account_id="+f.account, ""); l.str("items.0.code") != "account.service_revocation" || !strings.HasPrefix(l.str("items.0.detail"), "revoked: ") {
			t.Errorf("audit = %s", l.raw)
		}
		if len(f.revoked) != 1 || !strings.HasPrefix(f.revoked[0], "rt_") {
			t.Errorf("revoked at the service: %v", f.revoked)
		}
	})
}

// What a callback may bring that is wrong changes nothing.
func TestCallbackBadInput(t *testing.T) {
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{Issuer: "https://idp.example"})
	begin := func() (session, authorize string, q url.Values) {
		a := f.want(200, "", "POST", "/accounts/"+f.account+"/authorize", "")
		u, _ := url.Parse(a.str("authorization_url"))
		return a.str("session_id"), a.str("authorization_url"), url.Values{"state": {u.Query().Get("state")}, "code": {"code_x"}}
	}
	back := func(q url.Values) seen {
		return f.visit(visitor(), "GET", f.server.URL+"/oauth/callback?"+q.Encode(), nil)
	}
	status := func(session, want, code string) {
		t.Helper()
		if s := f.want(200, "", "GET", "/connect/sessions/"+session, ""); s.str("status") != want || s.str("error.code") != code {
			t.Errorf("session = %s, want %s %s", s.raw, want, code)
		}
	}
	t.Run("no state", func(t *testing.T) { f.wantPage(back(url.Values{"code": {"x"}}), 400, "not known here") })
	t.Run("another state", func(t *testing.T) {
		f.wantPage(back(url.Values{"code": {"x"}, "state": {strings.Repeat("a", 43)}}), 400, "not known here")
	})
	t.Run("two states", func(t *testing.T) {
		s, _, q := begin()
		q.Add("state", "x")
		f.wantPage(back(q), 400, "not known here")
		status(s, "authorizing", "")
	})
	t.Run("denied", func(t *testing.T) {
		s, at, q := begin()
		f.wantPage(f.visit(visitor(), "GET", as(at, "nobody"), nil), 422, "access_denied")
		status(s, "failed", "AUTHORIZATION_DENIED")
		f.wantPage(back(q), 400, "not known here")
	})
	t.Run("error with markup", func(t *testing.T) {
		_, _, q := begin()
		q.Del("code")
		q.Set("error", "server_error")
		q.Set("error_description", "<script>alert(1)</script>")
		p := back(q)
		f.wantPage(p, 422, "server_error", "&lt;script&gt;")
		if strings.Contains(p.text, "<script>alert") {
			t.Errorf("the description is markup:\n%s", p.text)
		}
	})
	t.Run("wrong code", func(t *testing.T) {
		s, _, q := begin()
		f.wantPage(back(q), 502, "invalid_grant")
		status(s, "failed", "AUTHORIZATION_FAILED")
	})
	t.Run("another issuer", func(t *testing.T) {
		s, _, q := begin()
		q.Set("iss", "https://evil.example")
		f.wantPage(back(q), 400, "another provider")
		status(s, "failed", "BAD_CALLBACK")
	})
	t.Run("another issuer says no", func(t *testing.T) {
		_, _, q := begin()
		q.Set("iss", "https://evil.example")
		q.Set("error", "access_denied")
		f.wantPage(back(q), 400, "another provider")
	})
	t.Run("code twice", func(t *testing.T) {
		_, _, q := begin()
		q.Add("code", "y")
		f.wantPage(back(q), 400, "stands twice")
	})
	t.Run("no code", func(t *testing.T) {
		_, _, q := begin()
		q.Del("code")
		f.wantPage(back(q), 400, "there is no code")
	})
	t.Run("taken back", func(t *testing.T) {
		s, at, _ := begin()
		f.want(204, "", "DELETE", "/connect/sessions/"+s, "")
		f.wantPage(f.visit(visitor(), "GET", as(at, "ann"), nil), 410, "Begin again")
	})
	f.wantAccount(f.account, "pending", "")
	t.Run("the test fails", func(t *testing.T) {
		f.connect(f.account, "ann")
		f.set(&f.broken, true)
		_, at, _ := begin()
		before := f.want(200, "", "GET", "/accounts/"+f.account, "").raw
		f.wantPage(f.visit(visitor(), "GET", as(at, "ann"), nil), 502, "500 instead of 200")
		f.set(&f.broken, false)
		if after := f.want(200, "", "GET", "/accounts/"+f.account, "").raw; after != before {
			t.Errorf("a failed test changed the account:\n%s\n%s", before, after)
		}
	})
	t.Run("somebody else", func(t *testing.T) {
		_, at, _ := begin()
		f.wantPage(f.visit(visitor(), "GET", as(at, "bob"), nil), 409, "somebody else")
		f.wantAccount(f.account, "active", "ann")
		a := f.want(200, "", "POST", "/accounts/"+f.account+"/authorize", `{"allow_other_identity":true}`)
		f.wantPage(f.visit(visitor(), "GET", as(a.str("authorization_url"), "bob"), nil), 200, "is connected")
		f.wantAccount(f.account, "active", "bob")
	})
	t.Run("suspended meanwhile", func(t *testing.T) {
		_, at, _ := begin()
		f.want(200, "", "POST", "/accounts/"+f.account+"/suspend", "")
		f.wantPage(f.visit(visitor(), "GET", as(at, "bob"), nil), 409)
		f.want(409, "ACCOUNT_SUSPENDED", "POST", "/accounts/"+f.account+"/authorize", "")
		f.want(200, "", "POST", "/accounts/"+f.account+"/resume", "")
	})
}

// The state of a callback ends ten minutes after the beginning.
func TestStateExpires(t *testing.T) {
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{})
	a := f.want(200, "", "POST", "/accounts/"+f.account+"/authorize", "")
	if left := time.Until(mustTime(t, a.str("expires_at"))); left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("the authorization ends in %v, want ten minutes", left)
	}
	// A link lives longer than each attempt: the attempt's own end counts.
	l := f.want(201, "", "POST", "/connect/sessions", `{"account_id":"`+f.account+`","option":"oauth"}`)
	b := visitor()
	at := f.visit(b, "POST", l.str("url"), url.Values{}).leaving(t)
	_, err := f.v.UpdateSession(t.Context(), l.str("id"), 0, vault.SessionEdit{Data: func(d *vault.SessionData) { d.Until = time.Now().Unix() - 1 }})
	if err != nil {
		t.Fatal(err)
	}
	f.wantPage(f.visit(b, "GET", as(at, "ann"), nil), 410, "longer than ten minutes", "Try again")
	f.wantAccount(f.account, "pending", "")
}

func mustTime(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Who handles the callback themselves gives a redirect URI that was registered,
// and brings what came.
func TestExchange(t *testing.T) {
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{})
	path := "/accounts/" + f.account
	for _, uri := range []string{"https://app.example/back/", "https://app.example/back?x=1", "https://APP.example/back", "https://evil.example/", "http://app.example/back"} {
		f.want(422, "REDIRECT_URI_NOT_REGISTERED", "POST", path+"/authorize", `{"redirect_uri":"`+uri+`"}`)
	}
	begin := func() (session string, q url.Values) {
		a := f.want(200, "", "POST", path+"/authorize", `{"redirect_uri":"https://app.example/back"}`)
		b := visitor()
		b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		p := f.visit(b, "GET", as(a.str("authorization_url"), "ann"), nil)
		u, err := url.Parse(p.header.Get("Location"))
		if err != nil || u.Host != "app.example" {
			t.Fatalf("the service sends to %q", p.header.Get("Location"))
		}
		return a.str("session_id"), u.Query()
	}
	body := func(session string, q url.Values) string {
		return fmt.Sprintf(`{"session_id":%q,"params":{"code":%q,"state":%q}}`, session, q.Get("code"), q.Get("state"))
	}
	one, q1 := begin()
	two, q2 := begin()
	// A state with another session goes no further.
	f.want(400, "STATE_MISMATCH", "POST", path+"/exchange", body(one, q2))
	f.want(400, "STATE_UNKNOWN", "POST", path+"/exchange", body(two, q2))
	three, q3 := begin()
	other := f.newAccount("oauth")
	f.want(404, "SESSION_NOT_FOUND", "POST", "/accounts/"+other+"/exchange", body(three, q3))
	// Our own callback does not end it.
	f.wantPage(f.visit(visitor(), "GET", f.server.URL+"/oauth/callback?"+q3.Encode(), nil), 400, "ends at another address")
	f.wantAccount(f.account, "pending", "")
	if a := f.want(200, "", "POST", path+"/exchange", body(one, q1)); a.str("state") != "active" || a.str("provider.label") != "ann" {
		t.Errorf("exchange = %s", a.raw)
	}
	f.want(400, "STATE_UNKNOWN", "POST", path+"/exchange", body(one, q1))
	// With a state of one's own, and no more than code and state.
	for _, wrong := range []string{`"state":"mine-and-no-redirect-uri"`, `"redirect_uri":"https://app.example/back","state":"short"`, `"redirect_uri":"https://app.example/back","state":"with a space"`} {
		f.want(422, "INVALID_INPUT", "POST", path+"/authorize", `{`+wrong+`}`)
	}
	mine := func(account, who string) url.Values {
		a := f.want(200, "", "POST", "/accounts/"+account+"/authorize", `{"redirect_uri":"https://app.example/back","state":"user-4711-xyz"}`)
		b := visitor()
		b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		u, err := url.Parse(f.visit(b, "GET", as(a.str("authorization_url"), who), nil).header.Get("Location"))
		if err != nil || u.Query().Get("state") != "user-4711-xyz" {
			t.Fatalf("our state comes back as %q", u)
		}
		return u.Query()
	}
	short := func(q url.Values) string { return fmt.Sprintf(`{"code":%q,"state":%q}`, q.Get("code"), q.Get("state")) }
	third := f.newAccount("oauth")
	f.want(400, "STATE_UNKNOWN", "POST", "/accounts/"+third+"/exchange", short(mine(f.account, "ann"))) // another account's
	before := mine(third, "bob")
	q4 := mine(third, "bob") // the same state again: the first sign-in is over, and its code belongs to it
	f.wantPage(f.visit(visitor(), "GET", f.server.URL+"/oauth/callback?"+q4.Encode(), nil), 400)
	if p := f.do("POST", "/accounts/"+third+"/exchange", short(before)); p.status == 200 {
		t.Errorf("the code of a sign-in that was begun again = %s", p.raw)
	}
	q4 = mine(third, "bob")
	if a := f.want(200, "", "POST", "/accounts/"+third+"/exchange", short(q4)); a.str("state") != "active" || a.str("provider.label") != "bob" {
		t.Errorf("an exchange by code and state = %s", a.raw)
	}
	f.want(400, "STATE_UNKNOWN", "POST", "/accounts/"+third+"/exchange", short(q4))
	f.want(422, "INVALID_INPUT", "POST", path+"/exchange", `{}`)
	f.want(422, "INVALID_INPUT", "POST", path+"/exchange", `{"code":"x","state":"y","params":{"code":"x"}}`)
	f.want(404, "SESSION_NOT_FOUND", "POST", "/accounts/acc_x/exchange", short(q4))
	// Scopes of one's own, at create.
	narrow := f.want(201, "", "POST", "/accounts", `{"connector":"cal","option":"oauth","name":"narrow","scopes":["only.this"],"settings":{"expires_in":3600}}`)
	if narrow.str("requested_scopes.0") != "only.this" || narrow.get("settings.expires_in") != 3600.0 {
		t.Errorf("made with scopes: %s", narrow.raw)
	}
	if a := f.want(200, "", "POST", "/accounts/"+narrow.str("id")+"/authorize", ""); a.len("scopes") != 1 || !strings.Contains(a.str("authorization_url"), "scope=only.this&") {
		t.Errorf("asks for %s", a.raw)
	}
	if a := f.want(200, "", "POST", "/accounts/"+narrow.str("id")+"/authorize", `{"additional_scopes":["more"]}`); a.len("scopes") != 2 {
		t.Errorf("asks for %s", a.raw)
	}
	f.want(422, "INVALID_INPUT", "POST", "/accounts", `{"connector":"cal","option":"oauth","name":"wrong","scopes":["two words"]}`)
	f.want(422, "INVALID_INPUT", "POST", "/accounts", `{"connector":"cal","option":"oauth","name":"wrong","settings":{"expires_in":-1}}`)
	// A session that ends elsewhere says which flow it is.
	ours := f.want(200, "", "POST", path+"/authorize", "").str("session_id")
	link := f.want(201, "", "POST", "/connect/sessions", `{"account_id":"`+f.account+`"}`).str("id")
	for session, flow := range map[string]string{ours: "popup_oauth with our own callback", link: "is a link"} {
		if p := f.want(409, "NOTHING_TO_EXCHANGE", "POST", path+"/exchange", body(session, q1)); !strings.Contains(p.str("detail"), flow) || !strings.Contains(p.str("detail"), session) {
			t.Errorf("an exchange for another flow: %s, want %q", p.raw, flow)
		}
	}
}
