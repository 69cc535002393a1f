package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/admin"
	"github.com/attache-proxy/attache/providers/providerstest"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// oauth1Service is a service of OAuth 1.0a that checks PLAINTEXT signatures (RFC
// 5849 §3.4.4) on both token requests.
type oauth1Service struct {
	mu        sync.Mutex
	callback  string
	confirmed bool
	wrong     []string
}

var oauth1Param = regexp.MustCompile(`(oauth_[a-z_]+)="([^"]*)"`)

func (s *oauth1Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := map[string]string{}
	for _, m := range oauth1Param.FindAllStringSubmatch(r.Header.Get("Authorization"), -1) {
		p[m[1]], _ = url.QueryUnescape(m[2])
	}
	want := func(name, value string) {
		if p[name] != value {
			s.wrong = append(s.wrong, fmt.Sprintf("%s: %s is %q, want %q", r.URL.Path, name, p[name], value))
		}
	}
	switch r.URL.Path {
	case "/request":
		want("oauth_signature", "consumer-secret-77&")
		s.callback = p["oauth_callback"]
		fmt.Fprintf(w, "oauth_token=request-token-1&oauth_token_secret=request-secret-1&oauth_callback_confirmed=%t", s.confirmed)
	case "/access":
		want("oauth_signature", "consumer-secret-77&request-secret-1")
		want("oauth_token", "request-token-1")
		if p["oauth_verifier"] != "verifier-1" {
			http.Error(w, "oauth_problem=verifier_invalid", http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "oauth_token=access-token-1&oauth_token_secret=access-secret-1")
	default:
		http.NotFound(w, r)
	}
}

// The three legs of OAuth 1.0a, by the calls of a pop-up.
func TestOAuth1Legs(t *testing.T) {
	s := &oauth1Service{confirmed: true}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	con := providerstest.Connector(t, strings.ReplaceAll(`
key: old
title: Old
hosts: [api.old.example]
auth:
  oauth1:
    type: oauth1
    request_token_url: SRV/request
    authorize_url: SRV/authorize
    token_url: SRV/access
    oauth1_signature: plaintext
    sign: {oauth1: {consumer_key: "{app.client_id}", consumer_secret: "{app.client_secret}", token: "{token}", token_secret: "{fields.token_secret}"}}
test: {get: /me, expect: 200}
`, "SRV", server.URL))
	cat := newCatalogue(t)
	cat.list = append(cat.list, con)
	var tried connect.Trial
	f := &flows{}
	f.world = newWorld(t, vaulttest.SQLite(t), func(cfg *admin.Config) {
		cfg.Catalogue, cfg.Connections = cat, f
		cfg.Tester = tester(func(t connect.Trial) (connect.Verdict, error) {
			tried = t
			return connect.Verdict{Tested: true, OK: true, Provider: vault.ProviderAccount{ID: "1", Label: "ann"}}, nil
		})
	})
	f.want(201, "", "POST", "/apps", `{"connector":"old","mode":"managed","client_id":"consumer-1","secrets":{"client_secret":"consumer-secret-77"}}`)
	id := f.want(201, "", "POST", "/accounts", `{"connector":"old"}`).str("id")
	begin := func() *url.URL {
		a := f.want(200, "", "POST", "/accounts/"+id+"/authorize", "")
		if a.str("flow") != "popup_oauth" || a.str("authorization_url") != server.URL+"/authorize?oauth_token=request-token-1" {
			t.Errorf("authorize = %s", a.raw)
		}
		back, err := url.Parse(s.callback)
		if err != nil || !strings.HasPrefix(s.callback, f.server.URL+"/oauth/callback?state=") {
			t.Fatalf("the callback is %q", s.callback)
		}
		return back
	}
	back := func(u *url.URL, more string) seen {
		return f.visit(visitor(), "GET", u.String()+more, nil)
	}
	f.wantPage(back(begin(), "&oauth_token=request-token-2&oauth_verifier=verifier-1"), 400, "another request token")
	f.wantPage(back(begin(), "&oauth_token=request-token-1"), 400, "there is no oauth_verifier")
	f.wantPage(back(begin(), "&oauth_token=request-token-1&oauth_verifier=verifier-2"), 502)
	f.wantAccount(id, "pending", "")
	u := begin()
	f.wantPage(back(u, "&oauth_token=request-token-1&oauth_verifier=verifier-1"), 200, "Old is connected")
	f.wantPage(back(u, "&oauth_token=request-token-1&oauth_verifier=verifier-1"), 400, "not known here")
	f.wantAccount(id, "active", "ann")
	if tried.Credential == nil || tried.Credential.Token.Reveal() != "access-token-1" || tried.Credential.Fields.Get("token_secret").Reveal() != "access-secret-1" {
		t.Error("the test request had other tokens than those that came")
	}
	got, err := f.v.Unseal(t.Context(), id)
	if err != nil || got.Credential.Token.Reveal() != "access-token-1" || got.Credential.Fields.Get("token_secret").Reveal() != "access-secret-1" || !got.Credential.Expiry.IsZero() {
		t.Errorf("what is stored is not what came: %v", err)
	}
	if len(s.wrong) > 0 {
		t.Errorf("the token requests were wrong: %v", s.wrong)
	}
	// A service that does not confirm the callback speaks OAuth 1.0, which can be hijacked.
	s.confirmed = false
	f.want(502, "AUTHORIZATION_FAILED", "POST", "/accounts/"+id+"/authorize", "")
	for _, secret := range []string{"request-secret-1", "access-secret-1", "access-token-1", "verifier-1", "consumer-secret-77"} {
		if strings.Contains(f.world.seen.String(), secret) {
			t.Errorf("an answer or a page shows %s", secret)
		}
	}
}

// tester is a Tester in a function.
type tester func(connect.Trial) (connect.Verdict, error)

func (f tester) Test(_ context.Context, t connect.Trial) (connect.Verdict, error) { return f(t) }
