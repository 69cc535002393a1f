package resolver_test

import (
	"io"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
)

// An account of the Caddyfile has nowhere to keep a refresh token that replaced
// its own. It must not use the old one again all the same: that would end the
// family, and the account with it.
func TestRotatedWithoutStore(t *testing.T) {
	// A life under two seconds is renewed in its second half at the latest.
	e := oauthtest.New(oauthtest.Options{Rotate: true, Lifetime: time.Second})
	srv := httptest.NewServer(e)
	defer srv.Close()
	refresh, _ := e.Issue("ann")
	yaml := "key: svc\nhosts: [svc.example]\nauth: {o: {type: oauth2, grant_type: refresh_token, token_url: '" + srv.URL + "/token', fields: {refresh_token: {secret: true}}}}\n"
	acct := &resolver.Account{Name: "a", App: secret.Values{"client_id": secret.New("id")}, Fields: secret.Values{"refresh_token": secret.New(refresh)}}
	w := newWorld(t, worldConfig{yaml: yaml, accounts: []*resolver.Account{acct}, service: e})
	for n := range 4 {
		res, err := w.do("GET", "/resource", nil)
		if err != nil {
			t.Fatalf("call %d: %v", n+1, err)
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != 200 {
			t.Fatalf("call %d = %d %s, want 200: the refresh token that was replaced must be used", n+1, res.StatusCode, b)
		}
		time.Sleep(1100 * time.Millisecond)
	}
	if got := e.Stats(); got.Refreshes < 4 || got.Reuses != 0 {
		t.Errorf("refreshes = %d, of which with an old token = %d; want one for each call, and none", got.Refreshes, got.Reuses)
	}
}
