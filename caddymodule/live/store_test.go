package live_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/providerstest"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/vault"
)

// TestWholeAnswerIsStored: fields that came with a token, the end of the refresh
// token and its going away are remembered, the secret ones sealed.
func TestWholeAnswerIsStored(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"access-1","token_type":"Bearer","expires_in":3600,"session":"session-secret-1","refresh_token_expires_in":7200}`)
	}))
	defer srv.Close()
	c := providerstest.Connector(t, "key: svc\nhosts: [svc.example]\nauth: {oauth: {type: oauth2, authorize_url: '"+srv.URL+"/a', token_url: '"+srv.URL+
		"/t', refresh: {replace: true}, response: {refresh_expires_in: refresh_token_expires_in, fields: {session: session}}}}\n")
	path, ring := filepath.Join(t.TempDir(), "v.db"), keys(t)
	v := openVault(t, path, ring)
	r, other := newReplica(t, v, c, srv.Client()), newReplica(t, openVault(t, path, ring), c, srv.Client())
	acct := newAccount(t, v, "oauth", "one", vault.Credentials{Token: secret.New("access-0"), RefreshToken: secret.New("refresh-0"), ExpiresAt: time.Now().Add(-time.Minute)})
	for name, rep := range map[string]*replica{"that refreshed": r, "that reads": other} {
		a := must[*resolver.Account](t)(rep.Account(t.Context(), acct.ID))
		cred, err := rep.creds.For(t.Context(), a, nil)
		if err != nil || cred.Fields.Get("session").Reveal() != "session-secret-1" || cred.Token.Reveal() != "access-1" {
			t.Errorf("the replica %s: %v, %v; want access-1 with its session", name, cred, err)
		}
	}
	u := must[vault.Unsealed](t)(v.Unseal(t.Context(), acct.ID))
	if !u.RefreshToken.IsZero() {
		t.Error("a refresh token that was replaced by none is still stored")
	}
	if _, plain := u.Account.Fields["session"]; plain {
		t.Error("a secret field of the answer is stored in plain")
	}
	ends, err := time.Parse(time.RFC3339, u.Account.Captured["refresh_token_expires_at"])
	if err != nil || time.Until(ends) < time.Hour || time.Until(ends) > 3*time.Hour {
		t.Errorf("the end of the refresh token = %v, %v; want in two hours", ends, err)
	}
}

// TestFailedRefreshesCount: they stand in the account's health.
func TestFailedRefreshesCount(t *testing.T) {
	var calls atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer srv.Close()
	c := providerstest.Connector(t, "key: svc\nhosts: [svc.example]\nauth: {oauth: {type: oauth2, authorize_url: '"+srv.URL+"/a', token_url: '"+srv.URL+"/t'}}\n")
	v := openVault(t, filepath.Join(t.TempDir(), "v.db"), keys(t))
	r := newReplica(t, v, c, srv.Client())
	acct := newAccount(t, v, "oauth", "one", vault.Credentials{Token: secret.New("access-0"), RefreshToken: secret.New("refresh-0"), ExpiresAt: time.Now().Add(-time.Minute)})
	a := must[*resolver.Account](t)(r.Account(t.Context(), acct.ID))
	if _, err := r.creds.For(t.Context(), a, nil); err == nil {
		t.Fatal("a token came from an endpoint that is down")
	}
	deadline := time.Now().Add(3 * time.Second) // the audit is written in batches
	for {
		h := must[vault.Health](t)(v.System().AccountHealth(t.Context(), acct.ID, time.Now().Add(-time.Hour)))
		if h.RefreshFailures == 1 && h.State == vault.Active {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after a failed refresh: %d failures, state %s; want 1, active", h.RefreshFailures, h.State)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestCorrectedIsAskedAtOnce: after a failure the endpoint is left in peace for a
// while, but not once the account was edited, or an app or a connector.
func TestCorrectedIsAskedAtOnce(t *testing.T) {
	var right atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if right.Load() {
			fmt.Fprint(w, `{"access_token":"access-1","token_type":"Bearer"}`)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_request"}`)
	}))
	defer srv.Close()
	c := providerstest.Connector(t, "key: svc\nhosts: [svc.example]\nauth: {oauth: {type: oauth2, authorize_url: '"+srv.URL+"/a', token_url: '"+srv.URL+"/t'}}\n")
	v := openVault(t, filepath.Join(t.TempDir(), "v.db"), keys(t))
	sys, now := v.System(), time.Now()
	for what, edit := range map[string]func(id string) error{
		"account": func(id string) error {
			_, err := sys.UpdateAccount(t.Context(), id, 0, vault.AccountEdit{Name: new("another")})
			return err
		},
		"app": func(string) error {
			_, err := sys.CreateApp(t.Context(), vault.App{Connector: "other", Mode: vault.AppOwn, Organisation: "default", ClientID: "c"}, nil)
			return err
		},
	} {
		right.Store(false)
		r := newReplica(t, v, c, srv.Client())
		r.creds.Now = func() time.Time { return now } // no time passes
		acct := newAccount(t, v, "oauth", what, vault.Credentials{Token: secret.New("access-0"), RefreshToken: secret.New("refresh-0"), ExpiresAt: now.Add(-time.Minute)})
		ask := func() error {
			_, err := r.creds.For(t.Context(), must[*resolver.Account](t)(r.Account(t.Context(), acct.ID)), nil)
			return err
		}
		if ask() == nil {
			t.Fatal("a token came from an endpoint that refuses")
		}
		right.Store(true)
		if ask() == nil {
			t.Error("the endpoint was asked again at once")
		}
		if err := edit(acct.ID); err != nil {
			t.Fatal(err)
		}
		if err := ask(); err != nil {
			t.Errorf("after an edit of the %s: %v", what, err)
		}
	}
}
