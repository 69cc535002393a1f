package admin_test

import (
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/vault"
)

// TestExpiresAt: what would never work is not made, and null takes an end away.
func TestExpiresAt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		agent, acct := w.agent("bot"), w.account("x")
		defer w.as(w.admin("boss", vault.RoleAdmin, vault.All))()
		grants := "/agents/" + agent + "/grants"
		const past, later = `"expires_at":"2020-01-01T00:00:00Z"`, `"expires_at":"2099-01-01T00:00:00Z"`
		w.want(422, "INVALID_INPUT", "POST", "/agents", `{"name":"late",`+past+`}`)
		w.want(422, "INVALID_INPUT", "POST", "/agents/"+agent+"/tokens", `{"name":"late",`+past+`}`)
		w.want(422, "INVALID_INPUT", "POST", "/tokens", `{"name":"late","role":"viewer",`+past+`}`)
		w.want(422, "INVALID_INPUT", "POST", grants, `{"account_id":"`+acct+`","scopes":["read"],`+past+`}`)
		grant := grants + "/" + w.want(201, "", "POST", grants, `{"account_id":"`+acct+`","scopes":["read"],`+later+`}`).str("id")
		for _, path := range []string{"/agents/" + agent, grant} {
			w.want(422, "INVALID_INPUT", "PATCH", path, `{`+past+`}`)
			w.want(200, "", "PATCH", path, `{`+later+`}`)
			if a := w.want(200, "", "PATCH", path, `{}`); a.str("expires_at") != "2099-01-01T00:00:00Z" {
				t.Errorf("PATCH %s with nothing: %s, want expires_at to stay", path, a.raw)
			}
			if a := w.want(200, "", "PATCH", path, `{"expires_at":null}`); a.get("expires_at") != nil {
				t.Errorf("PATCH %s with null: %s, want no expires_at", path, a.raw)
			}
		}
		soon := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		if a := w.want(201, "", "POST", "/agents", `{"name":"soon","expires_at":"`+soon+`"}`); a.str("expires_at") != soon {
			t.Errorf("an agent until %s = %s", soon, a.raw)
		}
	})
}
