package integration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
)

// oidcRedirect is a redirect URI that nobody fetches in these tests.
const oidcRedirect = "http://localhost:1/callback"

// spec is a connector's option for the provider; change alters it.
func (s *oidcServer) spec(change func(*oauth.Spec)) oauth.Spec {
	spec := oauth.Spec{
		AuthorizeURL: s.Authorize, TokenURL: s.Token, DeviceURL: s.Device, RevokeURL: s.Revocation, Issuer: s.Issuer,
		Callback: oauth.CallbackSpec{IssRequired: true}, Scopes: oauth.List{"openid", "read", "write"}, PKCE: "required", AllowHTTP: true,
	}
	if change != nil {
		change(&spec)
	}
	if spec.TokenAuth == "" { // the provider's clients prove themselves by header, or not at all
		header := true
		spec.HeaderAsPayload = &header
	}
	return spec
}

// app is one of the provider's clients.
func (s *oidcServer) app(id string) secret.Values {
	app := secret.Values{"client_id": secret.New(id)}
	if v := s.Secrets[id]; v != "" {
		app["client_secret"] = secret.New(v)
	}
	if id == "jwt" {
		app["private_key"], app["key_id"] = secret.New(s.ClientKey), secret.New("client-key")
	}
	return app
}

func mustCompile(t testing.TB, spec oauth.Spec) *oauth.Config {
	t.Helper()
	c, err := oauth.Compile(spec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// signIn goes through the whole flow and returns what a token request needs.
func (s *oidcServer) signIn(t testing.TB, c *oauth.Config, app secret.Values, as string) oauth.Request {
	t.Helper()
	verifier := oauth.NewVerifier()
	at, err := c.AuthorizeURL(oauth.Authorization{App: app, RedirectURI: oidcRedirect, State: "a state", Verifier: verifier})
	if err != nil {
		t.Fatal(err)
	}
	back, page := newPerson(t, as).approve(at)
	if back == nil {
		t.Fatalf("the sign-in ends on a page: %s", clip(page))
	}
	cb, err := c.Callback(back.Query())
	if err != nil || cb.State != "a state" {
		t.Fatalf("Callback(%s) = %+v, %v", back, cb, err)
	}
	return oauth.Request{HTTP: http.DefaultClient, App: app, Code: cb.Code, Verifier: verifier, RedirectURI: oidcRedirect}
}

// whose asks the provider's service with a token. It returns the status, and
// what the service says.
func (s *oidcServer) whose(t testing.TB, token secret.Value) (status int, m map[string]any) {
	t.Helper()
	req, err := http.NewRequest("GET", s.Service, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&m); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, m
}

// A certified provider takes our authorization code flow in every way that a
// client may prove itself, and our refreshes; it says when one is wrong.
func TestCodeFlowWithOIDCProvider(t *testing.T) {
	s := newOIDC(t, "--redirect", oidcRedirect)
	for client, auth := range map[string]string{"basic": "basic", "post": "post", "jwt": "private_key_jwt", "public": "none"} {
		t.Run(auth, func(t *testing.T) {
			c := mustCompile(t, s.spec(func(spec *oauth.Spec) {
				spec.TokenAuth, spec.Assertion = auth, oauth.AssertionSpec{Alg: "ES256", KeyID: "client-key"}
			}))
			r := s.signIn(t, c, s.app(client), "alice")
			tok, err := c.Token(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(tok.Credential.Expiry); left < 59*time.Minute || left > time.Hour {
				t.Errorf("the token lives %v, want an hour", left)
			}
			if status, m := s.whose(t, tok.Credential.Token); status != 200 || m["sub"] != "alice" || m["client_id"] != client || !strings.Contains(fmt.Sprint(m["scope"]), "write") {
				t.Errorf("the service says %d %v", status, m)
			}
			// The code works once.
			if _, err := c.Token(t.Context(), r); !errors.Is(err, oauth.ErrInvalidGrant) {
				t.Errorf("the code again: %v, want invalid_grant", err)
			}
		})
	}
}

// The provider refuses a code whose verifier is another's, and a person's no
// comes back as one.
func TestCodeFlowRefusals(t *testing.T) {
	s := newOIDC(t, "--redirect", oidcRedirect)
	c := mustCompile(t, s.spec(nil))
	r := s.signIn(t, c, s.app("basic"), "alice")
	r.Verifier = oauth.NewVerifier()
	if _, err := c.Token(t.Context(), r); !errors.Is(err, oauth.ErrInvalidGrant) {
		t.Errorf("with another verifier: %v, want invalid_grant", err)
	}
	at, err := c.AuthorizeURL(oauth.Authorization{App: s.app("basic"), RedirectURI: oidcRedirect, State: "s", Verifier: oauth.NewVerifier()})
	if err != nil {
		t.Fatal(err)
	}
	p := newPerson(t, "alice")
	p.Deny = true
	back, _ := p.approve(at)
	var denied *oauth.DeniedError
	if _, err := c.Callback(back.Query()); !errors.As(err, &denied) || denied.Code != "access_denied" {
		t.Errorf("Callback of a refusal = %v, want access_denied", err)
	}
	// RFC 9207: the same answer under another issuer is none.
	other := mustCompile(t, s.spec(func(spec *oauth.Spec) { spec.Issuer = "https://other.example" }))
	if _, err := other.Callback(back.Query()); err == nil || errors.As(err, &denied) {
		t.Errorf("Callback from another issuer = %v, want an error about iss", err)
	}
}

// Refresh tokens rotate; one that was used before ends the family, and that is
// told from an endpoint that is out of order. Revoking ends it, too.
func TestRefreshWithOIDCProvider(t *testing.T) {
	s := newOIDC(t, "--redirect", oidcRedirect, "--access-ttl", "120")
	c := mustCompile(t, s.spec(nil))
	first, err := c.Token(t.Context(), s.signIn(t, c, s.app("basic"), "alice"))
	if err != nil {
		t.Fatal(err)
	}
	refresh := func(rt secret.Value, scopes ...string) (*oauth.Token, error) {
		return c.Token(t.Context(), oauth.Request{HTTP: http.DefaultClient, App: s.app("basic"), RefreshToken: rt, Scopes: scopes})
	}
	second, err := refresh(first.RefreshToken, "openid", "read")
	if err != nil {
		t.Fatal(err)
	}
	if second.RefreshToken.IsZero() || second.RefreshToken.Equal(first.RefreshToken) {
		t.Error("the refresh token was not rotated")
	}
	if _, m := s.whose(t, second.Credential.Token); fmt.Sprint(m["scope"]) != "openid read" {
		t.Errorf("scope after narrowing = %v, want openid read", m["scope"])
	}
	s.fault(t, "500", 1)
	var e *oauth.Error
	if _, err := refresh(second.RefreshToken); !errors.As(err, &e) || !e.Temporary || errors.Is(err, oauth.ErrInvalidGrant) {
		t.Errorf("an endpoint out of order: %v, want a temporary error", err)
	}
	s.fault(t, "drop", 1)
	if _, err := refresh(second.RefreshToken); !errors.As(err, &e) || e.Status != 0 {
		t.Errorf("an answer that was dropped: %v, want no answer", err)
	}
	// The provider has rotated although we heard nothing: what we have is used up.
	if _, err := refresh(second.RefreshToken); !errors.Is(err, oauth.ErrInvalidGrant) {
		t.Errorf("after the dropped answer: %v, want invalid_grant", err)
	}
	if status, _ := s.whose(t, second.Credential.Token); status != 401 {
		t.Errorf("the family's access token: %d, want 401", status)
	}
	if n := s.Events(t).RevokedFamilies; n != 1 {
		t.Errorf("families ended = %d, want 1", n)
	}

	third, err := c.Token(t.Context(), s.signIn(t, c, s.app("basic"), "alice"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Revoke(t.Context(), oauth.Request{HTTP: http.DefaultClient, App: s.app("basic"), RefreshToken: third.RefreshToken, Token: third.Credential.Token}); err != nil {
		t.Fatal(err)
	}
	if _, err := refresh(third.RefreshToken); !errors.Is(err, oauth.ErrInvalidGrant) {
		t.Errorf("a revoked refresh token: %v, want invalid_grant", err)
	}
	if status, _ := s.whose(t, third.Credential.Token); status != 401 {
		t.Errorf("the access token beside a revoked refresh token: %d, want 401", status)
	}
}

// Refresh tokens that stay are kept.
func TestKeptRefreshWithOIDCProvider(t *testing.T) {
	s := newOIDC(t, "--redirect", oidcRedirect, "--no-rotation", "--no-iss")
	c := mustCompile(t, s.spec(func(spec *oauth.Spec) { spec.Callback.IssRequired, spec.TokenAuth = false, "post" }))
	tok, err := c.Token(t.Context(), s.signIn(t, c, s.app("post"), "alice"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		next, err := c.Token(t.Context(), oauth.Request{HTTP: http.DefaultClient, App: s.app("post"), RefreshToken: tok.RefreshToken})
		if err != nil {
			t.Fatal(err)
		}
		if !next.RefreshToken.IsZero() || next.RefreshTokenGone {
			t.Errorf("the answer replaces the refresh token, which stays")
		}
	}
}

// The device flow, with everything that the service may say to a poll.
func TestDeviceFlowWithOIDCProvider(t *testing.T) {
	t.Parallel()
	s := newOIDC(t, "--device-interval", "1", "--device-ttl", "3")
	c := mustCompile(t, s.spec(func(spec *oauth.Spec) { spec.GrantType, spec.AuthorizeURL, spec.TokenAuth = "device_code", "", "none" }))
	r := oauth.Request{HTTP: http.DefaultClient, App: s.app("public")}
	begin := func() *oauth.Device {
		t.Helper()
		d, err := c.AuthorizeDevice(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if d.Interval != time.Second || d.UserCode == "" || !strings.Contains(d.VerificationURIComplete, d.UserCode) {
			t.Errorf("device = %+v", d)
		}
		return d
	}
	// decided polls until the person has decided, or the code has expired.
	decided := func(d *oauth.Device) (*oauth.Token, error) {
		poll, interval := r, d.Interval
		poll.DeviceCode = d.Code
		for {
			tok, err := c.Token(t.Context(), poll)
			wait, pending := oauth.Pending(err, interval)
			if !pending {
				return tok, err
			}
			interval = wait
			time.Sleep(wait)
		}
	}
	d := begin()
	poll := r
	poll.DeviceCode = d.Code
	var waits []time.Duration
	for range 2 {
		_, err := c.Token(t.Context(), poll)
		wait, pending := oauth.Pending(err, d.Interval)
		if !pending {
			t.Fatalf("poll = %v, want pending", err)
		}
		waits = append(waits, wait)
	}
	if want := []time.Duration{time.Second, 6 * time.Second}; !slices.Equal(waits, want) {
		t.Errorf("waits = %v, want %v: the second poll came too soon", waits, want)
	}

	d = begin()
	go newPerson(t, "bob").approve(d.VerificationURIComplete)
	tok, err := decided(d)
	if err != nil {
		t.Fatal(err)
	}
	if status, m := s.whose(t, tok.Credential.Token); status != 200 || m["sub"] != "bob" {
		t.Errorf("the service says %d %v, want bob", status, m)
	}
	if tok.RefreshToken.IsZero() {
		t.Error("no refresh token came")
	}

	d = begin()
	p := newPerson(t, "bob")
	p.Deny = true
	p.approve(d.VerificationURIComplete)
	var e *oauth.Error
	if _, err := decided(d); !errors.As(err, &e) || e.Code != "access_denied" {
		t.Errorf("denied: %v, want access_denied", err)
	}

	d = begin()
	time.Sleep(3500 * time.Millisecond)
	poll.DeviceCode = d.Code
	if _, err := c.Token(t.Context(), poll); !errors.As(err, &e) || e.Code != "expired_token" && e.Code != "invalid_grant" {
		t.Errorf("expired: %v, want expired_token", err)
	}
}

// A user's token is exchanged for one with fewer scopes and for one resource
// (RFC 8693), never for more.
func TestTokenExchangeWithOIDCProvider(t *testing.T) {
	s := newOIDC(t, "--redirect", oidcRedirect)
	code := mustCompile(t, s.spec(nil))
	tok, err := code.Token(t.Context(), s.signIn(t, code, s.app("basic"), "alice"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		scopes oauth.List
		want   string // of the error
	}{{oauth.List{"read"}, ""}, {oauth.List{"read", "tools"}, "invalid_scope"}} {
		x := mustCompile(t, oauth.Spec{GrantType: "token_exchange", TokenURL: s.Token, TokenAuth: "basic", Scopes: c.scopes, AllowHTTP: true,
			Exchange: oauth.ExchangeSpec{SubjectToken: "{fields.user_token}", Resource: oauth.List{"https://api.example"}}})
		got, err := x.Token(t.Context(), oauth.Request{HTTP: http.DefaultClient, App: s.app("basic"), Fields: secret.Values{"user_token": tok.Credential.Token}})
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("exchange for %v = %v, want %s", c.scopes, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if status, m := s.whose(t, got.Credential.Token); status != 200 || m["sub"] != "alice" || m["scope"] != "read" || m["aud"] != "https://api.example" {
			t.Errorf("the service says %d %v, want alice, read, for https://api.example", status, m)
		}
	}
}

// A resource (RFC 8707) is asked for in every request, and the tokens are for it.
func TestResourceWithOIDCProvider(t *testing.T) {
	const api = "https://api.example/v1"
	s := newOIDC(t, "--redirect", oidcRedirect, "--resource", api)
	c := mustCompile(t, s.spec(func(spec *oauth.Spec) { spec.Resource = api }))
	tok, err := c.Token(t.Context(), s.signIn(t, c, s.app("basic"), "alice"))
	if err != nil {
		t.Fatal(err)
	}
	next, err := c.Token(t.Context(), oauth.Request{HTTP: http.DefaultClient, App: s.app("basic"), RefreshToken: tok.RefreshToken})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []secret.Value{tok.Credential.Token, next.Credential.Token} {
		if status, m := s.whose(t, token); status != 200 || m["aud"] != api {
			t.Errorf("the service says %d %v, want a token for %s", status, m, api)
		}
	}
	c = mustCompile(t, s.spec(func(spec *oauth.Spec) { spec.Resource = "https://elsewhere.example" }))
	at, err := c.AuthorizeURL(oauth.Authorization{App: s.app("basic"), RedirectURI: oidcRedirect, State: "s", Verifier: oauth.NewVerifier()})
	if err != nil {
		t.Fatal(err)
	}
	if back, _ := newPerson(t, "alice").approve(at); back == nil || back.Query().Get("error") != "invalid_target" {
		t.Errorf("for another resource: sent to %v, want invalid_target", back)
	}
}

// Client credentials through the proxy, in every option of the form, and by a
// signed JWT; and a user's token narrowed on its way.
func TestCredentialsThroughProxy(t *testing.T) {
	s := newOIDC(t, "--redirect", oidcRedirect)
	code := mustCompile(t, s.spec(nil))
	user, err := code.Token(t.Context(), s.signIn(t, code, s.app("basic"), "alice"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var blocks, keys []string
	add := func(key, option, use string) {
		writeFile(t, filepath.Join(dir, key+".yaml"), fmt.Sprintf("key: %s\nhosts: [%s.test]\nauth: {oauth: {type: oauth2, token_url: %s, %s}}\n", key, key, s.Token, option))
		origin, _ := url.Parse(s.Issuer)
		blocks = append(blocks, fmt.Sprintf("connector %s {\n\tupstream http://%s\n\tuse {\n%s\n}\n}", key, origin.Host, use))
		keys = append(keys, key)
	}
	const basicUse, postUse = "client_id basic\nclient_secret {env.BASIC}", "client_id post\nclient_secret {env.POST}"
	add("header", "grant_type: client_credentials, scopes: [read], header_as_payload: true", basicUse)
	add("header-json", "grant_type: client_credentials, scopes: [read], content_type: application/json, header_as_payload: true", basicUse)
	add("payload", "grant_type: client_credentials, scopes: [read], header_as_payload: false", postUse)
	add("payload-json", "grant_type: client_credentials, scopes: [read], header_as_payload: false, content_type: application/json", postUse)
	add("signed", "grant_type: client_credentials, scopes: [read], token_auth: private_key_jwt, assertion: {alg: ES256, kid: client-key}", "client_id jwt\nprivate_key {env.KEY}")
	add("narrowed", `grant_type: token_exchange, scopes: [read], header_as_payload: true, fields: {user_token: {secret: true}}, exchange: {subject_token: "{fields.user_token}"}`, basicUse+"\nuser_token {env.USER_TOKEN}")
	a := newAttache(t, setup{
		Attache: fmt.Sprintf("allow_address 127.0.0.1\nconnectors %s\n%s\n%s", dir, strings.Join(blocks, "\n"), agentLocal(keys...)),
		Env:     []string{"BASIC=" + s.Secrets["basic"], "POST=" + s.Secrets["post"], "KEY=" + s.ClientKey, "USER_TOKEN=" + user.Credential.Token.Reveal()},
	})
	for _, key := range keys {
		t.Run(key, func(t *testing.T) {
			client := map[string]string{"payload": "post", "payload-json": "post", "signed": "jwt"}[key]
			if client == "" {
				client = "basic"
			}
			want := fmt.Sprintf(`{"client_id":%q,"scope":"read"}`+"\n200 1.1", client)
			if key == "narrowed" {
				want = `{"sub":"alice","client_id":"basic","scope":"read"}` + "\n200 1.1"
			}
			checkCurl(t, a.curl(t, a.URL+"/"+key+"/api/whoami"), want)
			r := a.curl(t, "-o", "/dev/null", a.URL+"/"+key+"/api/needs/write")
			checkCurl(t, r, "403 1.1") // nobody can give a machine more by a link: the service's own words
		})
	}
	e := s.Events(t)
	if e.Token["client_credentials"] != 5 || e.Token["urn:ietf:params:oauth:grant-type:token-exchange"] != 1 {
		t.Errorf("token requests %v, want one for each connector", e.Token)
	}
	for _, v := range []string{s.Secrets["basic"], s.Secrets["post"], "PRIVATE KEY", user.Credential.Token.Reveal()} {
		if strings.Contains(a.Log.String(), v) {
			t.Errorf("the log holds a secret")
		}
	}
}
