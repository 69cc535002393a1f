package oauth_test

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/providers/secret"
)

// flow is a Config over an oauthtest.Endpoint.
type flow struct {
	*oauth.Config
	end *oauthtest.Endpoint
	srv *httptest.Server
	req oauth.Request
}

func newFlow(t *testing.T, grantType string, o oauthtest.Options) *flow {
	t.Helper()
	o.ClientID, o.ClientSecret = "my id", "s3&cr:t"
	end := oauthtest.New(o)
	srv := httptest.NewServer(end)
	t.Cleanup(srv.Close)
	cfg, err := oauth.Compile(oauth.Spec{
		GrantType: grantType, AllowHTTP: true, AuthorizeURL: srv.URL + "/authorize", TokenURL: srv.URL + "/token",
		DeviceURL: srv.URL + "/device", RevokeURL: srv.URL + "/revoke", AuthorizeParams: oauth.Params{"login_hint?": "{account.hint}"},
	})
	if err != nil {
		t.Fatal(err)
	}
	app := secret.Values{"client_id": secret.New("my id"), "client_secret": secret.New("s3&cr:t")}
	return &flow{cfg, end, srv, oauth.Request{HTTP: srv.Client(), App: app}}
}

// consent goes through the browser's part and returns the callback.
func (f *flow) consent(t *testing.T, verifier secret.Value, hint string) (*oauth.Callback, error) {
	t.Helper()
	u, err := f.AuthorizeURL(oauth.Authorization{App: f.req.App, Account: map[string]string{"hint": hint}, RedirectURI: "https://us.example/cb", State: "st", Verifier: verifier})
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	return f.Callback(back.Query())
}

func TestAuthorizationCodeFlow(t *testing.T) {
	f := newFlow(t, "authorization_code", oauthtest.Options{Rotate: true, Lifetime: time.Hour})
	verifier := oauth.NewVerifier()
	cb, err := f.consent(t, verifier, "alice")
	if err != nil || cb.State != "st" {
		t.Fatalf("callback = %+v, %v", cb, err)
	}
	r := f.req
	r.Code, r.Verifier, r.RedirectURI = cb.Code, verifier, "https://us.example/cb"
	first, err := f.Token(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if account, ok := f.end.Check(first.Credential.Token.Reveal()); !ok || account != "alice" {
		t.Errorf("the token is %q's, %v", account, ok)
	}
	if _, err := f.Token(t.Context(), r); !errors.Is(err, oauth.ErrInvalidGrant) {
		t.Errorf("the same code again = %v, want invalid_grant", err)
	}
	r = f.req
	r.RefreshToken = first.RefreshToken
	second, err := f.Token(t.Context(), r)
	if err != nil || second.RefreshToken.IsZero() || second.RefreshToken.Equal(first.RefreshToken) {
		t.Fatalf("refresh = %+v, %v, want a rotated refresh token", second, err)
	}
	if _, err := f.Token(t.Context(), r); !errors.Is(err, oauth.ErrInvalidGrant) {
		t.Errorf("the old refresh token = %v, want invalid_grant", err)
	}
}

func TestWrongVerifier(t *testing.T) {
	f := newFlow(t, "", oauthtest.Options{})
	cb, err := f.consent(t, oauth.NewVerifier(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	r := f.req
	r.Code, r.Verifier, r.RedirectURI = cb.Code, oauth.NewVerifier(), "https://us.example/cb"
	if _, err := f.Token(t.Context(), r); !errors.Is(err, oauth.ErrInvalidGrant) {
		t.Errorf("Token() with another verifier = %v, want invalid_grant", err)
	}
}

func TestConsentDenied(t *testing.T) {
	f := newFlow(t, "", oauthtest.Options{})
	_, err := f.consent(t, oauth.NewVerifier(), "nobody")
	var denied *oauth.DeniedError
	if !errors.As(err, &denied) || denied.Code != "access_denied" || denied.State != "st" {
		t.Errorf("callback = %v, want access_denied", err)
	}
}

func TestKeptRefreshToken(t *testing.T) {
	f := newFlow(t, "", oauthtest.Options{})
	refresh, _ := f.end.Issue("alice")
	f.req.RefreshToken = secret.New(refresh)
	for range 3 {
		tok, err := f.Token(t.Context(), f.req)
		if err != nil || !tok.RefreshToken.IsZero() || !tok.Credential.Expiry.IsZero() {
			t.Fatalf("Token() = %+v, %v, want one without refresh token and expiry", tok, err)
		}
	}
}

func TestLostAnswer(t *testing.T) {
	f := newFlow(t, "", oauthtest.Options{Rotate: true})
	refresh, _ := f.end.Issue("alice")
	f.req.RefreshToken = secret.New(refresh)
	f.end.SetFault(func(c *oauthtest.Call) oauthtest.Fault { return oauthtest.Fault{DropAfter: true} })
	_, err := f.Token(t.Context(), f.req)
	checkTemporary(t, err)
	// net/http repeats a request by itself only if it is sure that nobody saw it.
	if s := f.end.Stats(); s.TokenRequests != 1 {
		t.Errorf("token requests = %d, want 1: a rotating token must not be sent twice", s.TokenRequests)
	}
	f.end.SetFault(nil)
	if _, err := f.Token(t.Context(), f.req); !errors.Is(err, oauth.ErrInvalidGrant) {
		t.Errorf("Token() after a lost answer = %v, want invalid_grant", err)
	}
	if s := f.end.Stats(); s.KilledAfterLoss != 1 {
		t.Errorf("stats = %+v", s)
	}
}

// TestReusedConnectionIsNotResent: a kept connection that dies with the request
// on it must not make the client send the refresh token again by itself.
func TestReusedConnectionIsNotResent(t *testing.T) {
	f := newFlow(t, "", oauthtest.Options{Rotate: true})
	refresh, _ := f.end.Issue("alice")
	f.req.RefreshToken = secret.New(refresh)
	tok, err := f.Token(t.Context(), f.req)
	if err != nil {
		t.Fatal(err)
	}
	f.req.RefreshToken = tok.RefreshToken
	before := f.end.Stats().TokenRequests
	f.end.SetFault(func(c *oauthtest.Call) oauthtest.Fault { return oauthtest.Fault{DropAfter: true} })
	_, err = f.Token(t.Context(), f.req)
	checkTemporary(t, err)
	if got := f.end.Stats().TokenRequests - before; got != 1 {
		t.Errorf("token requests = %d, want 1", got)
	}
}

func TestDeviceFlow(t *testing.T) {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	f := newFlow(t, "device_code", oauthtest.Options{Rotate: true, Now: func() time.Time { return now }})
	f.req.Now = func() time.Time { return now }
	d, err := f.AuthorizeDevice(t.Context(), f.req)
	if err != nil {
		t.Fatal(err)
	}
	f.req.DeviceCode = d.Code
	poll := func() error {
		_, err := f.Token(t.Context(), f.req)
		return err
	}
	wait, pending := oauth.Pending(poll(), d.Interval)
	if !pending || wait != 5*time.Second {
		t.Errorf("first poll: wait %v, pending %v", wait, pending)
	}
	wait, pending = oauth.Pending(poll(), d.Interval) // too soon
	if !pending || wait != 10*time.Second {
		t.Errorf("hasty poll: wait %v, pending %v", wait, pending)
	}
	f.end.Approve(d.UserCode, "alice")
	now = now.Add(wait)
	tok, err := f.Token(t.Context(), f.req)
	if err != nil {
		t.Fatal(err)
	}
	if account, _ := f.end.Check(tok.Credential.Token.Reveal()); account != "alice" {
		t.Errorf("the token is %q's, want alice's", account)
	}
	if _, pending := oauth.Pending(errors.New("x"), time.Second); pending {
		t.Error("Pending() of another error = true")
	}
}

func TestRevokeFlow(t *testing.T) {
	f := newFlow(t, "", oauthtest.Options{})
	refresh, access := f.end.Issue("alice")
	f.req.RefreshToken, f.req.Token = secret.New(refresh), secret.New(access)
	if err := f.Revoke(t.Context(), f.req); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.end.Check(access); ok {
		t.Error("the token still works")
	}
	if !f.CanRevoke() {
		t.Error("CanRevoke() = false")
	}
	f.req.RefreshToken, f.req.Token = secret.Value{}, secret.Value{}
	if err := f.Revoke(t.Context(), f.req); err != nil {
		t.Errorf("Revoke() of nothing = %v", err)
	}
}

func TestBadAnswers(t *testing.T) {
	for _, bad := range oauthtest.BadAnswers {
		t.Run(bad.Name, func(t *testing.T) {
			f := newFlow(t, "client_credentials", oauthtest.Options{})
			f.end.SetFault(func(*oauthtest.Call) oauthtest.Fault { return oauthtest.Fault{Answer: &bad} })
			tok, err := f.Token(t.Context(), f.req)
			if err == nil {
				t.Fatalf("Token() = %+v, want a refusal", tok)
			}
			if s := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(s, "canary") || strings.Contains(s, "s3&cr") {
				t.Errorf("the error holds a secret: %s", s)
			}
			if errors.Is(err, oauth.ErrInvalidGrant) {
				t.Errorf("error = %v: nobody said invalid_grant", err)
			}
		})
	}
}

// TestReusedConnectionIsNotResentByGET is the same for endpoints that refresh by
// GET, which net/http takes for repeatable.
func TestReusedConnectionIsNotResentByGET(t *testing.T) {
	var calls atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 || r.TransferEncoding != nil {
			t.Errorf("a GET with Content-Length %d, Transfer-Encoding %v", r.ContentLength, r.TransferEncoding)
		}
		if calls.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"t1","refresh_token":"r2"}`)
	}))
	defer srv.Close()
	cfg, err := oauth.Compile(oauth.Spec{GrantType: "refresh_token", TokenURL: srv.URL, TokenMethod: "GET", TokenAuth: "off", AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	r := oauth.Request{HTTP: srv.Client(), RefreshToken: secret.New("r1")}
	if _, err := cfg.Token(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	_, err = cfg.Token(t.Context(), r)
	checkTemporary(t, err)
	if got := calls.Load(); got != 2 {
		t.Errorf("requests = %d, want 2: one each", got)
	}
}

// TestClientCertificate asks an endpoint that wants mutual TLS.
func TestClientCertificate(t *testing.T) {
	certPEM, keyPEM := selfSigned(t)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q}`, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	srv.StartTLS()
	defer srv.Close()
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	cfg, err := oauth.Compile(oauth.Spec{
		GrantType: "client_credentials", TokenURL: srv.URL, TokenAuth: "none",
		ClientCertificate: oauth.CertificateSpec{Certificate: "{fields.cert}", Key: "{fields.key}"},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := oauth.Request{HTTP: srv.Client(), Fields: secret.Values{"cert": secret.New(certPEM), "key": secret.New(strings.ReplaceAll(keyPEM, "\n", `\n`))}}
	tok, err := cfg.Token(t.Context(), r)
	if err != nil || tok.Credential.Token.Reveal() != "me" {
		t.Fatalf("Token() = %+v, %v, want me's", tok, err)
	}
	if _, ok, err := cfg.Certificate(r); !ok || err != nil {
		t.Errorf("Certificate() = %v, %v", ok, err)
	}
	for name, fields := range map[string]secret.Values{
		"no key":     {"cert": r.Fields["cert"]},
		"not a pair": {"cert": r.Fields["cert"], "key": secret.New(pkcs8(rsaKey()))},
	} {
		if _, err := cfg.Token(t.Context(), oauth.Request{HTTP: srv.Client(), Fields: fields}); err == nil || strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%s: error = %v", name, err)
		}
	}
	if _, err := cfg.Token(t.Context(), oauth.Request{HTTP: nobody(t), Fields: r.Fields}); err == nil {
		t.Error("a client that cannot present a certificate = no error")
	}
	bare, err := oauth.Compile(oauth.Spec{GrantType: "client_credentials", TokenURL: srv.URL, TokenAuth: "none"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bare.Token(t.Context(), r); err == nil {
		t.Error("Token() without the certificate = a token: the test checks nothing")
	}
}

// selfSigned makes a client certificate for "me".
func selfSigned(t *testing.T) (certPEM, keyPEM string) {
	t.Helper()
	key := ecKey(elliptic.P256())
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "me"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), pkcs8(key)
}
