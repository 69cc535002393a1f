package oauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
)

// doer is a Doer in a function.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// reply is an answer in JSON.
func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
}

// nobody fails the test when a request is sent.
func nobody(t *testing.T) oauth.Doer {
	return doer(func(r *http.Request) (*http.Response, error) {
		t.Errorf("a request to %s, want none", r.URL.Host)
		return nil, errors.New("nobody is there")
	})
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func pkcs8(k crypto.Signer) string {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func ecKey(c elliptic.Curve) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

// mint makes a token with grant_type jwt, the shortest way to an assertion.
func mint(t *testing.T, a oauth.AssertionSpec, app, fields secret.Values) (string, error) {
	t.Helper()
	c, err := oauth.Compile(oauth.Spec{GrantType: "jwt", Assertion: a})
	if err != nil {
		return "", err
	}
	tok, err := c.Token(context.Background(), oauth.Request{HTTP: nobody(t), App: app, Fields: fields, Now: clock})
	if err != nil {
		return "", err
	}
	return tok.Credential.Token.Reveal(), nil
}

// open verifies a JWT and returns its header and claims.
func open(t *testing.T, token string, key any, alg jose.SignatureAlgorithm) (jose.Header, map[string]any) {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{alg})
	if err != nil {
		t.Fatalf("the JWT does not parse as %s: %v", alg, err)
	}
	var claims map[string]any
	if err := parsed.Claims(key, &claims); err != nil {
		t.Fatalf("the JWT's signature: %v", err)
	}
	return parsed.Headers[0], claims
}

func TestKeyForms(t *testing.T) {
	p256, p384 := ecKey(elliptic.P256()), ecKey(elliptic.P384())
	edPub, ed, _ := ed25519.GenerateKey(rand.Reader)
	sec1, _ := x509.MarshalECPrivateKey(p256)
	jwk, _ := jose.JSONWebKey{Key: p256, KeyID: "jwk-1"}.MarshalJSON()
	for name, c := range map[string]struct {
		pem  string
		alg  string
		want jose.SignatureAlgorithm
		key  any
		kid  string
	}{
		"PKCS 8 RSA":            {pkcs8(rsaKey()), "", jose.RS256, rsaKey().Public(), ""},
		"PKCS 1 RSA":            {string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey())})), "", jose.RS256, rsaKey().Public(), ""},
		"escaped line breaks":   {strings.ReplaceAll(pkcs8(rsaKey()), "\n", `\n`), "", jose.RS256, rsaKey().Public(), ""},
		"PS256":                 {pkcs8(rsaKey()), "PS256", jose.PS256, rsaKey().Public(), ""},
		"P-256":                 {pkcs8(p256), "", jose.ES256, p256.Public(), ""},
		"SEC 1":                 {string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})), "", jose.ES256, p256.Public(), ""},
		"P-384":                 {pkcs8(p384), "", jose.ES384, p384.Public(), ""},
		"Ed25519":               {pkcs8(ed), "", jose.EdDSA, edPub, ""},
		"JWK":                   {string(jwk), "", jose.ES256, p256.Public(), "jwk-1"},
		"HMAC":                  {"0123456789abcdef0123456789abcdef", "HS256", jose.HS256, []byte("0123456789abcdef0123456789abcdef"), ""},
		"HMAC in hex (Ghost)":   {strings.Repeat("3031323334353637", 4), "HS256 hex", jose.HS256, []byte(strings.Repeat("01234567", 4)), ""},
		"PKCS 8 with spaces on": {"  \n" + pkcs8(p256) + "\n", "ES256", jose.ES256, p256.Public(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			alg, encoding, _ := strings.Cut(c.alg, " ")
			tok, err := mint(t, oauth.AssertionSpec{Alg: alg, KeyEncoding: encoding}, secret.Values{"client_id": secret.New("me"), "private_key": secret.New(c.pem)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			h, claims := open(t, tok, c.key, c.want)
			if h.KeyID != c.kid {
				t.Errorf("kid = %q, want %q", h.KeyID, c.kid)
			}
			if claims["iss"] != "me" || claims["sub"] != "me" || claims["exp"].(float64)-claims["iat"].(float64) != 300 {
				t.Errorf("claims = %v", claims)
			}
		})
	}
}

func TestBadKeys(t *testing.T) {
	pub, _ := x509.MarshalPKIXPublicKey(rsaKey().Public())
	pubJWK, _ := json.Marshal(jose.JSONWebKey{Key: rsaKey().Public()})
	for name, c := range map[string]struct{ key, alg, want string }{
		"none":         {"", "", "there is no private_key"},
		"text":         {"hunter2-hunter2", "", "neither PEM nor JWK"},
		"public":       {string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})), "", "holds no private key"},
		"public JWK":   {string(pubJWK), "", "not a private key"},
		"broken JWK":   {`{"kty":"RSA"}`, "", "not a JWK"},
		"encrypted":    {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "", "encrypted"},
		"cut off":      {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "", "cannot be read"},
		"other kind":   {pkcs8(ecKey(elliptic.P256())), "RS256", "RS256"},
		"other curve":  {pkcs8(ecKey(elliptic.P256())), "ES384", "ES384"},
		"not hex":      {"hunter2", "HS256 hex", "key_encoding"},
		"no encoding":  {"hunter2", "HS256 octal", "assertion.key_encoding \"octal\" is not one of base64, hex"},
		"no algorithm": {pkcs8(rsaKey()), "none", `assertion.alg "none" is not one of`},
	} {
		t.Run(name, func(t *testing.T) {
			alg, encoding, _ := strings.Cut(c.alg, " ")
			_, err := mint(t, oauth.AssertionSpec{Alg: alg, KeyEncoding: encoding}, secret.Values{"client_id": secret.New("me"), "private_key": secret.New(c.key)}, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error = %v, want one with %q", err, c.want)
			}
			if c.key != "" && strings.Contains(err.Error(), "AAAA") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error holds the key: %v", err)
			}
		})
	}
}

func TestAssertionClaims(t *testing.T) {
	cert := "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	tok, err := mint(t, oauth.AssertionSpec{
		KeyID: "{fields.key_id}", Certificate: "{app.certificate}", Issuer: "{fields.issuer}", Subject: "{fields.user}", Audience: "https://aud.example",
		Claims:  oauth.Params{"scope": "a b", "jti": nil, "bid?": "{fields.none}", "n": 7},
		Headers: oauth.Params{"typ2": "x"},
	}, secret.Values{"private_key": secret.New(pkcs8(rsaKey())), "certificate": secret.New(cert)},
		secret.Values{"key_id": secret.New("K1"), "issuer": secret.New("I1"), "user": secret.New("u@x")})
	if err != nil {
		t.Fatal(err)
	}
	h, claims := open(t, tok, rsaKey().Public(), jose.RS256)
	want := map[string]any{"iss": "I1", "sub": "u@x", "aud": "https://aud.example", "scope": "a b", "n": 7.0, "iat": float64(now.Unix()), "exp": float64(now.Unix() + 300)}
	for name, v := range want {
		if claims[name] != v {
			t.Errorf("claim %s = %v, want %v", name, claims[name], v)
		}
	}
	if len(claims) != len(want) {
		t.Errorf("claims = %v, want only %v", claims, want)
	}
	if h.KeyID != "K1" || h.ExtraHeaders["typ2"] != "x" || h.ExtraHeaders["typ"] != "JWT" || h.ExtraHeaders["x5t"] == nil || h.ExtraHeaders["x5t#S256"] == nil {
		t.Errorf("header = %+v", h)
	}
}

// form reads a request's body as a form.
func form(t *testing.T, r *http.Request) url.Values {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	v, err := url.ParseQuery(string(b))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPrivateKeyJWT(t *testing.T) {
	c, err := oauth.Compile(oauth.Spec{GrantType: "client_credentials", TokenURL: "https://auth.example/t?x=1", TokenAuth: "private_key_jwt", Assertion: oauth.AssertionSpec{Alg: "ES256"}})
	if err != nil {
		t.Fatal(err)
	}
	key := ecKey(elliptic.P256())
	var seen []string
	send := doer(func(r *http.Request) (*http.Response, error) {
		f := form(t, r)
		if f.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || f.Get("client_id") != "me" || f.Has("client_secret") {
			t.Errorf("form = %v", f)
		}
		_, claims := open(t, f.Get("client_assertion"), key.Public(), jose.ES256)
		if claims["aud"] != "https://auth.example/t" || claims["iss"] != "me" || claims["sub"] != "me" {
			t.Errorf("claims = %v", claims)
		}
		seen = append(seen, claims["jti"].(string))
		return reply(200, `{"access_token":"t1"}`), nil
	})
	for range 2 {
		if _, err := c.Token(t.Context(), oauth.Request{HTTP: send, App: secret.Values{"client_id": secret.New("me"), "private_key": secret.New(pkcs8(key))}, Now: clock}); err != nil {
			t.Fatal(err)
		}
	}
	if seen[0] == seen[1] {
		t.Error("two assertions have the same jti")
	}
}

func TestJWTBearer(t *testing.T) {
	c, err := oauth.Compile(oauth.Spec{
		GrantType: "jwt_bearer", TokenURL: "https://login.example/token", Scopes: oauth.List{"api"},
		Assertion: oauth.AssertionSpec{Subject: "{fields.user}", Audience: "https://login.example", Lifetime: oauth.Duration(180e9)},
	})
	if err != nil {
		t.Fatal(err)
	}
	send := doer(func(r *http.Request) (*http.Response, error) {
		f := form(t, r)
		if f.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || f.Get("scope") != "api" || len(f) != 3 || r.Header.Get("Authorization") != "" {
			t.Errorf("form = %v", f)
		}
		_, claims := open(t, f.Get("assertion"), rsaKey().Public(), jose.RS256)
		if claims["sub"] != "me@acme" || claims["aud"] != "https://login.example" || claims["exp"].(float64) != float64(now.Unix()+180) {
			t.Errorf("claims = %v", claims)
		}
		return reply(400, `{"error":"invalid_grant","error_description":"user hasn't approved this consumer"}`), nil
	})
	_, err = c.Token(t.Context(), oauth.Request{HTTP: send, App: secret.Values{"client_id": secret.New("id"), "private_key": secret.New(pkcs8(rsaKey()))}, Fields: secret.Values{"user": secret.New("me@acme")}, Now: clock})
	if !errors.Is(err, oauth.ErrInvalidGrant) || !strings.Contains(err.Error(), "approved") {
		t.Errorf("Token() = %v, want invalid_grant", err)
	}
}

func TestGitHubApp(t *testing.T) {
	c, err := oauth.Compile(oauth.Spec{GrantType: "github_app", TokenParams: oauth.Params{"repositories": []any{"{fields.repo}"}, "permissions": map[string]any{"contents": "read"}}})
	if err != nil {
		t.Fatal(err)
	}
	send := doer(func(r *http.Request) (*http.Response, error) {
		if got := r.Method + " " + r.URL.String(); got != "POST https://api.github.com/app/installations/42/access_tokens" {
			t.Errorf("request = %s", got)
		}
		_, claims := open(t, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), rsaKey().Public(), jose.RS256)
		if len(claims) != 3 || claims["iss"] != "Iv1.abc" || claims["iat"].(float64) != float64(now.Unix()-60) || claims["exp"].(float64) > float64(now.Unix()+600) {
			t.Errorf("claims = %v", claims)
		}
		body, _ := io.ReadAll(r.Body)
		if string(body) != `{"permissions":{"contents":"read"},"repositories":["octo"]}` {
			t.Errorf("body = %s", body)
		}
		return reply(201, `{"token":"ghs_1","expires_at":"2026-08-01T13:00:00Z","permissions":{"contents":"read"}}`), nil
	})
	tok, err := c.Token(t.Context(), oauth.Request{
		HTTP: send, Now: clock, App: secret.Values{"client_id": secret.New("Iv1.abc"), "private_key": secret.New(pkcs8(rsaKey()))},
		Fields: secret.Values{"installation_id": secret.New("42"), "repo": secret.New("octo")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if tok.Credential.Token.Reveal() != "ghs_1" || !tok.Credential.Expiry.Equal(now.Add(3600e9)) {
		t.Errorf("token = %q until %v", tok.Credential.Token.Reveal(), tok.Credential.Expiry)
	}
}

func TestTokenExchange(t *testing.T) {
	c, err := oauth.Compile(oauth.Spec{
		GrantType: "token_exchange", TokenURL: "https://auth.example/t", TokenAuth: "post", Scopes: oauth.List{"read"},
		Exchange: oauth.ExchangeSpec{
			SubjectTokenType: "jwt", ActorToken: "{fields.actor}", RequestedTokenType: "access_token",
			Audience: oauth.List{"a1", "a2"}, Resource: oauth.List{"https://{fields.host}/"},
		},
		Response: oauth.ResponseSpec{TokenType: oauth.List{"N_A"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	send := doer(func(r *http.Request) (*http.Response, error) {
		const u = "urn:ietf:params:oauth:token-type:"
		want := url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {"user-token"}, "subject_token_type": {u + "jwt"},
			"actor_token": {"me"}, "actor_token_type": {u + "access_token"}, "requested_token_type": {u + "access_token"},
			"audience": {"a1", "a2"}, "resource": {"https://h.example/"}, "scope": {"read"}, "client_id": {"id"}, "client_secret": {"s"},
		}
		if got := form(t, r); got.Encode() != want.Encode() {
			t.Errorf("form = %v\nwant %v", got, want)
		}
		return reply(200, `{"access_token":"narrow","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"N_A","expires_in":60}`), nil
	})
	r := oauth.Request{
		HTTP: send, Now: clock, App: secret.Values{"client_id": secret.New("id"), "client_secret": secret.New("s")},
		Fields: secret.Values{"actor": secret.New("me"), "host": secret.New("h.example")}, Token: secret.New("user-token"),
	}
	tok, err := c.Token(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if tok.Credential.Token.Reveal() != "narrow" {
		t.Errorf("token = %q", tok.Credential.Token.Reveal())
	}
	r.Token = secret.Value{}
	if _, err := c.Token(t.Context(), r); err == nil || !strings.Contains(err.Error(), "exchange.subject_token: {token} is missing") {
		t.Errorf("Token() without a subject = %v", err)
	}
}

// recorder tells f which URL was asked, and answers with a token.
func recorder(f func(string)) oauth.Doer {
	return doer(func(r *http.Request) (*http.Response, error) {
		f(r.URL.String())
		return reply(200, `{"access_token":"t1"}`), nil
	})
}
