package admin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/attache-proxy/attache/caddymodule/admin"
	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// idp is an OpenID provider whose answers can be wrong.
type idp struct {
	*httptest.Server
	mu       sync.Mutex
	key      *ecdsa.PrivateKey
	signWith *ecdsa.PrivateKey // default: key
	claims   map[string]any    // over the right ones, of the ID token; nil values delete
	userinfo map[string]any
	asked    url.Values // the last authorization request
	noToken  bool
}

func newIDP(t *testing.T) *idp {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &idp{key: key, signWith: key, claims: map[string]any{}, userinfo: map[string]any{"sub": "u1"}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"userinfo_endpoint": p.URL + "/me", "id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = r.URL.Query()
		p.mu.Unlock()
		q := r.URL.Query()
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {"code-1"}, "state": {q.Get("state")}, "iss": {p.URL}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.userinfo)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// token answers only to the right verifier (RFC 7636) and client.
func (p *idp) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	id, key, _ := r.BasicAuth()
	if r.FormValue("code") != "code-1" || base64.RawURLEncoding.EncodeToString(sum[:]) != p.asked.Get("code_challenge") || p.asked.Get("code_challenge_method") != "S256" ||
		id != "attache" || key != "client-secret-canary" || r.FormValue("redirect_uri") != p.asked.Get("redirect_uri") {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
		return
	}
	c := map[string]any{"iss": p.URL, "sub": "u1", "aud": "attache", "nonce": p.asked.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(c, p.claims)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.signWith, KeyID: "k"}}, nil)
	if err != nil {
		panic(err)
	}
	text, err := jwt.Signed(signer).Claims(c).Serialize()
	if err != nil {
		panic(err)
	}
	out := map[string]any{"access_token": "access-canary", "token_type": "Bearer", "id_token": text}
	if p.noToken {
		delete(out, "id_token")
	}
	_ = json.NewEncoder(w).Encode(out)
}

// says changes the claims of the next ID token, and of userinfo.
func (p *idp) says(token, userinfo map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims, p.userinfo = token, userinfo
	if userinfo == nil {
		p.userinfo = map[string]any{"sub": "u1"}
	}
}

// person is a browser, as far as cookies and redirects make one.
type person struct {
	t    *testing.T
	base string
	http *http.Client
	csrf string
}

func newPerson(t *testing.T, base string) *person {
	jar, _ := cookiejar.New(nil)
	return &person{t: t, base: base, http: &http.Client{Jar: jar}}
}

// signIn walks through the provider, and returns the last answer.
func (p *person) signIn() *answer { return p.send("GET", paths.SignIn, "") }

func (p *person) send(method, path, body string, headers ...string) *answer {
	p.t.Helper()
	req, err := http.NewRequest(method, p.base+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if p.csrf != "" {
		req.Header.Set(signin.CSRFHeader, p.csrf)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	a := &answer{status: res.StatusCode, header: res.Header}
	_ = json.NewDecoder(res.Body).Decode(&a.body)
	return a
}

func oidcWorld(t *testing.T, p *idp, allow ...[]string) *world {
	t.Helper()
	return newWorld(t, vaulttest.SQLite(t), func(c *admin.Config) {
		o := &signin.OIDC{Issuer: p.URL, ClientID: "attache", ClientSecret: secret.New("client-secret-canary"),
			HTTP: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
		for _, words := range allow {
			a, err := signin.ParseAllow(words)
			if err != nil {
				t.Fatal(err)
			}
			o.Allow = append(o.Allow, a)
		}
		c.OIDC = o
	})
}

func TestSignIn(t *testing.T) {
	p := newIDP(t)
	w := oidcWorld(t, p, []string{"groups", "ops", "operator", "{claims.tenant}"})
	p.says(map[string]any{"groups": []string{"staff", "ops"}, "tenant": "acme"}, map[string]any{"sub": "u1", "email": "ann@example.com", "email_verified": true, "tenant": "evil"})

	ann := newPerson(t, w.server.URL)
	if a := ann.send("GET", "/api/v1/session", ""); a.str("sign_in_url") != paths.SignIn || a.str("issuer") != p.URL {
		t.Errorf("GET /session = %v", a.body)
	}
	if a := ann.send("GET", "/api/v1/me", ""); a.status != 401 {
		t.Errorf("GET /me before signing in = %d", a.status)
	}
	if a := ann.signIn(); a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Fatalf("signing in ends at %d %v, want the dashboard", a.status, a.body)
	}
	if got := p.asked.Get("scope"); got != "openid profile email" || p.asked.Get("nonce") == "" || p.asked.Get("state") == "" {
		t.Errorf("asked for %v", p.asked)
	}
	me := ann.send("GET", "/api/v1/me", "")
	if me.str("name") != "ann@example.com" || me.str("role") != "operator" || me.str("organisation") != "acme" || me.str("csrf_token") == "" {
		t.Fatalf("GET /me = %v", me.body)
	}

	// What changes something needs the token of our page.
	if a := ann.send("POST", "/api/v1/agents", `{"name":"a"}`); a.status != 403 || a.str("code") != "CSRF_TOKEN_MISSING" {
		t.Errorf("a POST without the CSRF token = %d %v", a.status, a.body)
	}
	ann.csrf = me.str("csrf_token")
	if a := ann.send("POST", "/api/v1/agents", `{"name":"a"}`, signin.CSRFHeader, ann.csrf+"x"); a.status != 403 {
		t.Errorf("a POST with a wrong CSRF token = %d", a.status)
	}
	if a := ann.send("POST", "/api/v1/agents", `{"name":"a"}`); a.status != 201 || a.str("organisation") != "acme" {
		t.Errorf("a POST = %d %v", a.status, a.body)
	}
	if a := ann.send("POST", "/api/v1/tokens", `{"name":"t","role":"viewer"}`); a.status != 403 || a.str("code") != "INVALID_PERMISSIONS" {
		t.Errorf("an operator makes tokens: %d %v", a.status, a.body)
	}
	if a := ann.send("POST", "/api/v1/agents", `{"name":"b"}`, "Origin", "https://evil.example"); a.status != 403 || a.str("code") != "ORIGIN_NOT_ALLOWED" {
		t.Errorf("a POST of another origin = %d %v", a.status, a.body)
	}
	if l := w.want(200, "", "GET", "/audit?kind=admin", ""); !strings.Contains(l.raw, `"ann@example.com"`) || !strings.Contains(l.raw, "signin.created") {
		t.Errorf("the audit does not name who signed in: %s", l.raw)
	}

	// Signing out ends the session itself, not only the cookie.
	u, _ := url.Parse(w.server.URL + "/api/v1")
	stolen := newPerson(t, w.server.URL)
	stolen.http.Jar.SetCookies(u, ann.http.Jar.Cookies(u))
	if a := stolen.send("GET", "/api/v1/me", ""); a.status != 200 {
		t.Fatalf("the copied cookie opens nothing, the test shows nothing: %d", a.status)
	}
	if a := ann.send("DELETE", "/api/v1/session", ""); a.status != 204 {
		t.Errorf("signing out = %d %v", a.status, a.body)
	}
	for who, x := range map[string]*person{"their browser": ann, "a copy of the cookie": stolen} {
		if a := x.send("GET", "/api/v1/me", ""); a.status != 401 {
			t.Errorf("after signing out %s opens the API: %d", who, a.status)
		}
	}
	w.want(409, "NO_SESSION", "DELETE", "/session", "")
	if seen := w.seen.String(); strings.Contains(seen, "canary") || strings.Contains(seen, "atp_") {
		t.Errorf("an answer holds a secret: %s", seen)
	}
}

// TestSignInCookies: what the browser is told to do with them.
func TestSignInCookies(t *testing.T) {
	p := newIDP(t)
	w := oidcWorld(t, p, []string{"sub", "u1", "admin", "*"})
	tls := httptest.NewTLSServer(w.api)
	defer tls.Close()
	for _, c := range []struct{ base, prefix, path string }{{w.server.URL, "", "/api/v1"}, {tls.URL, "__Host-", "/"}} {
		ann := newPerson(t, c.base)
		ann.http.Transport = tls.Client().Transport
		seen := map[string]*http.Cookie{}
		ann.http.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
			for _, k := range req.Response.Cookies() {
				if k.Value != "" {
					seen[k.Name] = k
				}
			}
			return nil
		}
		if a := ann.signIn(); a.status != 200 {
			t.Fatalf("%s: signing in = %d %v", c.base, a.status, a.body)
		}
		for name, mode := range map[string]http.SameSite{"attache_session": http.SameSiteStrictMode, "attache_sign_in": http.SameSiteLaxMode} {
			var k *http.Cookie
			for full, cookie := range seen {
				// Over plain HTTP, where ports share cookies, the name has the port and a part
				// that nobody else knows.
				if full == c.prefix+name && c.prefix != "" || c.prefix == "" && regexp.MustCompile("^"+name+"_[0-9]+_[0-9a-f]{8}$").MatchString(full) {
					k = cookie
				}
			}
			if k == nil || !k.HttpOnly || k.SameSite != mode || k.Secure != (c.prefix != "") || k.Path != c.path || k.Domain != "" || k.MaxAge <= 0 {
				t.Errorf("%s: cookie %s = %v", c.base, name, k)
			}
		}
	}
}

// TestSignInRefused: every way in which an answer can be wrong.
func TestSignInRefused(t *testing.T) {
	p := newIDP(t)
	allow := [][]string{{"email", "*@example.com", "viewer"}, {"roles.attache", "root", "admin", "*"}, {"tenant_admin", "true", "admin", "{claims.tenant}"}}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]any{"email": "ann@example.com", "email_verified": true}
	with := func(name string, v any) map[string]any {
		m := maps.Clone(good)
		m[name] = v
		return m
	}
	for name, c := range map[string]struct {
		token, userinfo map[string]any
		edit            func()
		code            string // "" is signed in
	}{
		"good":                          {token: good},
		"good, verified in userinfo":    {userinfo: map[string]any{"sub": "u1", "email": "ann@example.com", "email_verified": true}},
		"a nested claim":                {token: map[string]any{"roles": map[string]any{"attache": []string{"root"}}}},
		"another nonce":                 {token: with("nonce", "n"), code: "SIGN_IN_REFUSED"},
		"no nonce":                      {token: with("nonce", nil), code: "SIGN_IN_REFUSED"},
		"for another client":            {token: with("aud", "other"), code: "SIGN_IN_REFUSED"},
		"an address in other letters":   {token: with("email", "Ann@EXAMPLE.com")},
		"several audiences, for us":     {token: func() map[string]any { m := with("aud", []string{"other", "attache"}); m["azp"] = "attache"; return m }()},
		"several audiences, no azp":     {token: with("aud", []string{"other", "attache"}), code: "SIGN_IN_REFUSED"},
		"several audiences, another's":  {token: func() map[string]any { m := with("aud", []string{"other", "attache"}); m["azp"] = "other"; return m }(), code: "SIGN_IN_REFUSED"},
		"made for another client":       {token: with("azp", "other"), code: "SIGN_IN_REFUSED"},
		"of another issuer":             {token: with("iss", "https://evil.example"), code: "SIGN_IN_REFUSED"},
		"over":                          {token: with("exp", time.Now().Add(-time.Hour).Unix()), code: "SIGN_IN_REFUSED"},
		"signed by somebody else":       {token: good, edit: func() { p.signWith = other }, code: "SIGN_IN_REFUSED"},
		"without an ID token":           {token: good, edit: func() { p.noToken = true }, code: "SIGN_IN_REFUSED"},
		"userinfo about another":        {token: good, userinfo: map[string]any{"sub": "u2", "email": "eve@example.com"}, code: "SIGN_IN_REFUSED"},
		"an address that is not theirs": {token: with("email_verified", false), code: "SIGN_IN_NOT_ALLOWED"},
		"verification unknown":          {token: with("email_verified", nil), code: "SIGN_IN_NOT_ALLOWED"},
		"another domain":                {token: with("email", "ann@example.com.evil.example"), code: "SIGN_IN_NOT_ALLOWED"},
		"no claim":                      {code: "SIGN_IN_NOT_ALLOWED"},
		"a claim that asks for all":     {token: map[string]any{"tenant_admin": true, "tenant": "*"}, code: "SIGN_IN_NOT_ALLOWED"},
		"a claim that is missing":       {token: map[string]any{"tenant_admin": true}, code: "SIGN_IN_NOT_ALLOWED"},
	} {
		t.Run(name, func(t *testing.T) {
			w := oidcWorld(t, p, allow...) // failures are limited
			p.signWith, p.noToken = p.key, false
			p.says(c.token, c.userinfo)
			if c.edit != nil {
				c.edit()
			}
			ann := newPerson(t, w.server.URL)
			a := ann.signIn()
			if c.code == "" && a.status != 200 || c.code != "" && (a.status != 403 || a.str("code") != c.code) {
				t.Errorf("signing in = %d %v, want %q", a.status, a.body, c.code)
			}
			if me := ann.send("GET", "/api/v1/me", ""); (me.status == 200) != (c.code == "") {
				t.Errorf("GET /me = %d", me.status)
			}
		})
	}
}

// TestSignInCSRF: an answer is taken only by the browser that asked, once.
func TestSignInCSRF(t *testing.T) {
	p := newIDP(t)
	w := oidcWorld(t, p, []string{"sub", "u1", "admin", "*"})
	var back string
	eve := newPerson(t, w.server.URL)
	eve.http.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if req.URL.Path == paths.SignInCallback {
			back = req.URL.RequestURI()
			return http.ErrUseLastResponse
		}
		return nil
	}
	eve.signIn()
	if back == "" {
		t.Fatal("the provider sent nobody back")
	}
	victim := newPerson(t, w.server.URL)
	navigates := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	if a := victim.send("GET", back, "", navigates...); a.status != 403 || a.str("code") != "SIGN_IN_MISMATCH" {
		t.Errorf("another browser ends the sign-in: %d %v", a.status, a.body)
	}
	if a := victim.send("GET", back, "", append(navigates, "Accept", "text/html")...); a.status != 403 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("a browser gets %d %v, want a page", a.status, a.header)
	}
	if a := eve.send("GET", strings.Replace(back, url.QueryEscape(p.URL), "https%3A%2F%2Fevil.example", 1), "", navigates...); a.status != 403 {
		t.Errorf("an answer of another issuer = %d", a.status)
	}
	if a := eve.send("GET", back, "", navigates...); a.status != 403 {
		t.Errorf("the cookie of an attempt works twice: %d", a.status)
	}
	// Navigation opens these, and nothing else from another site.
	if a := victim.send("GET", "/ui/", "", navigates...); a.status != 200 {
		t.Errorf("a link to the dashboard = %d", a.status)
	}
	if a := victim.send("GET", "/api/v1/session", "", navigates...); a.status != 403 {
		t.Errorf("a link into the API = %d", a.status)
	}
	for range 40 {
		victim.send("GET", back, "")
	}
	if a := victim.send("GET", back, ""); a.status != 429 {
		t.Errorf("after 40 failures = %d, want 429", a.status)
	}
}

func TestSignInProviderAway(t *testing.T) {
	p := newIDP(t)
	w := oidcWorld(t, p, []string{"sub", "u1", "admin", "*"})
	where := p.URL
	p.Close()
	ann := newPerson(t, w.server.URL)
	a := ann.signIn()
	if a.status != 502 || a.str("code") != "SIGN_IN_UNAVAILABLE" || strings.Contains(a.str("detail"), where) {
		t.Errorf("signing in = %d %v", a.status, a.body)
	}
	w.want(200, "", "GET", "/me", "") // tokens work
}

// TestSignInBrowser signs in and out with a real browser.
func TestSignInBrowser(t *testing.T) {
	p := newIDP(t)
	w := oidcWorld(t, p, []string{"sub", "u1", "admin", "*"})
	p.says(nil, map[string]any{"sub": "u1", "email": "ann@example.com", "email_verified": true})
	b := openBrowser(t, w.server.URL+"/ui/")
	b.see("Admin token")
	b.noComplaints("status of 401") // nobody is signed in
	b.click("Sign in with your organisation")
	b.see("ann@example.com · admin")
	b.click("Agents")
	b.see("New agent")
	b.fill("New agent", "research")
	b.click("Create")
	b.see("It is shown this once")
	if l := w.want(200, "", "GET", "/agents", ""); !strings.Contains(l.raw, "research") {
		t.Errorf("agents = %s", l.raw)
	}
	b.click("Audit")
	b.see("Agent created")
	b.tick("Follow")
	b.seesLive(w)
	if where := b.eval("JSON.stringify([document.cookie, localStorage.length, sessionStorage.length])"); where != `["",0,0]` {
		t.Errorf("scripts see something in %s", where)
	}
	b.noComplaints()
	b.click("Sign out")
	b.see("Admin token")
	b.eval("location.reload()")
	b.see("Admin token")
}
