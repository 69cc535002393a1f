package live_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/providerstest"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/vault"
)

// TestRevokeMeetsRefresh: an account is revoked on one replica while another one
// waits for the answer of a refresh. The new refresh token is revoked too, and
// whoever revoked hears of it.
func TestRevokeMeetsRefresh(t *testing.T) {
	for name, tt := range map[string]struct {
		refuses string // the token that the service does not revoke
		told    bool
	}{"the service revokes": {told: true}, "it refuses the old one": {refuses: "refresh-0"}, "it refuses the new one": {refuses: "refresh-1"}} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var revoked []string
			asked, answer := make(chan struct{}), make(chan struct{})
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.URL.Path == "/revoke" {
					if r.FormValue("token") == tt.refuses {
						w.WriteHeader(http.StatusServiceUnavailable)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					revoked = append(revoked, r.FormValue("token"))
					return
				}
				close(asked)
				<-answer
				fmt.Fprint(w, `{"access_token":"access-1","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-1"}`)
			}))
			defer srv.Close()
			c := providerstest.Connector(t, "key: svc\nhosts: [svc.example]\nauth: {oauth: {type: oauth2, authorize_url: '"+srv.URL+"/a', token_url: '"+srv.URL+"/t', revoke_url: '"+srv.URL+"/revoke'}}\n")
			path, ring := filepath.Join(t.TempDir(), "v.db"), keys(t)
			v := openVault(t, path, ring)
			r, other := newReplica(t, v, c, srv.Client()), newReplica(t, openVault(t, path, ring), c, srv.Client())
			id := newAccount(t, v, "oauth", "one", vault.Credentials{Token: secret.New("access-0"), RefreshToken: secret.New("refresh-0"), ExpiresAt: time.Now().Add(-time.Minute)}).ID
			waiting := make(chan error)
			go func() {
				a := must[*resolver.Account](t)(other.Account(t.Context(), id))
				_, err := other.creds.For(t.Context(), a, nil)
				waiting <- err
			}()
			<-asked
			a := must[*resolver.Account](t)(r.Account(t.Context(), id))
			was := must[vault.Revocation](t)(v.System().Revoke(t.Context(), id, 0, vault.Reason{Code: vault.ReasonRevoked}))
			told := make(chan error)
			go func() {
				told <- r.creds.Revoke(t.Context(), a, resolver.Stored{Credential: was.Had.Credential, RefreshToken: was.Had.RefreshToken})
			}()
			select {
			case err := <-told:
				t.Errorf("Revoke() = %v before the refresh was over", err)
			case <-time.After(200 * time.Millisecond):
			}
			close(answer)
			if err := <-told; (err == nil) != tt.told {
				t.Errorf("Revoke() = %v, want nil: %v", err, tt.told)
			}
			var ref *resolver.Refusal
			if err := <-waiting; !errors.As(err, &ref) || ref.Code != "account_revoked" {
				t.Errorf("the request that waited for a token got %v, want account_revoked", err)
			}
			want := slices.DeleteFunc([]string{"refresh-0", "refresh-1"}, func(s string) bool { return s == tt.refuses })
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(revoked, want) {
				t.Errorf("the service revoked %v, want %v", revoked, want)
			}
			if u := must[vault.Unsealed](t)(v.Unseal(t.Context(), id)); u.Account.State != vault.Revoked || !u.RefreshToken.IsZero() || !u.Credential.Token.IsZero() {
				t.Errorf("the account is %s, with tokens: %v", u.Account.State, !u.Credential.Token.IsZero())
			}
		})
	}
}
