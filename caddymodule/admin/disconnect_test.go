package admin_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// Deleting an account takes its tokens back at the service, unless it is told not
// to, or there are none, or the service has no way to. The audit has each outcome.
func TestDeleteRevokes(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		f := newFlows(t, c, oauthtest.Options{})
		for _, tt := range []struct {
			name, option, query string
			connect             bool
			says, audit         string
			revoked             int
		}{
			{"connected", "oauth", "", true, "revoked", "revoked: ", 1},
			{"not to be asked", "oauth", "?revoke=false", true, "skipped", "skipped: ", 0},
			{"never connected", "oauth", "", false, "", "", 0},
			{"no way to", "tenant", "", true, "cannot_revoke", "cannot_revoke: ", 0},
			{"no tokens", "key", "", false, "", "", 0},
		} {
			t.Run(tt.name, func(t *testing.T) {
				id, before := f.newAccount(tt.option), len(f.revoked)
				if tt.connect {
					cred := vault.Credentials{Token: secret.New("at_x"), RefreshToken: secret.New("rt_x")}
					if _, err := f.v.System().Connect(t.Context(), id, 0, vault.Connection{Credentials: &cred}); err != nil {
						t.Fatal(err)
					}
				}
				a := f.want(204, "", "DELETE", "/accounts/"+id+tt.query, "")
				if got := a.header.Get("Attache-At-Service"); got != tt.says {
					t.Errorf("Attache-At-Service = %q, want %q", got, tt.says)
				}
				f.want(404, "ACCOUNT_NOT_FOUND", "GET", "/accounts/"+id, "")
				if n := len(f.revoked) - before; n != tt.revoked {
					t.Errorf("%d accounts were revoked at the service, want %d", n, tt.revoked)
				}
				said := ""
				l := f.want(200, "", "GET", "/audit?kind=admin&account_id="+id, "")
				for i := range l.len("items") {
					if item := l.get("items").([]any)[i].(map[string]any); item["code"] == "account.service_revocation" {
						said, _ = item["detail"].(string)
					}
				}
				if !strings.HasPrefix(said, tt.audit) || tt.audit == "" && said != "" {
					t.Errorf("the audit has %q, want %q…", said, tt.audit)
				}
			})
		}
		f.want(422, "INVALID_INPUT", "DELETE", "/accounts/"+f.account+"?revoke=perhaps", "")
	})
}

// Who deletes another version than the one they saw deletes and revokes nothing.
func TestDeleteOldVersion(t *testing.T) {
	f := newFlows(t, vaulttest.SQLite(t), oauthtest.Options{})
	f.connect(f.account, "ann")
	tag := f.want(200, "", "GET", "/accounts/"+f.account, "").header.Get("ETag")
	f.want(200, "", "PATCH", "/accounts/"+f.account, `{"metadata":{"a":1}}`)
	f.want(412, "PRECONDITION_FAILED", "DELETE", "/accounts/"+f.account, "", "If-Match", tag)
	f.wantAccount(f.account, "active", "ann")
	if len(f.revoked) != 0 {
		t.Errorf("revoked %d accounts at the service", len(f.revoked))
	}
}
