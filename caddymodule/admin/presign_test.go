package admin_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin"
	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// storage presigns everything but what a reader's grant forbids.
type storage struct {
	last   api.Presigning
	access api.BucketAccess
}

const canaryURL = "https://bucket.example/k?X-Amz-Signature=canary-signature"

func (s *storage) Presign(_ context.Context, p api.Presigning) (api.Presigned, error) {
	s.last = p
	out := api.Presigned{Connector: "hub", Host: "bucket.example", Path: "/k"}
	if p.Agent != "" && p.Method == http.MethodPut {
		return out, &resolver.Refusal{Code: "not_permitted", Detail: "agent " + p.Agent + " may only read"}
	}
	out.URL, out.ExpiresAt = canaryURL, time.Now().Add(p.Expires)
	return out, nil
}

func (s *storage) SetAccess(_ context.Context, b api.BucketAccess) (bool, error) {
	s.access = b
	if !strings.HasSuffix(b.Email, ".gserviceaccount.com") {
		return false, &resolver.Refusal{Code: "invalid_input", Status: 422, Detail: "want a service account"}
	}
	return true, nil
}

func TestPresign(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		s := &storage{}
		w := newWorld(t, c, func(c *admin.Config) { c.Storage = s })
		id, agent := w.account("one"), w.agent("worker")
		path := "/accounts/" + id + "/presign"
		got := w.want(200, "", "POST", path, `{"url":"https://bucket.example/k?a=1","method":"PUT","expires_in":60,"headers":{"Content-Type":"text/plain"}}`)
		if got.str("url") != canaryURL || got.str("method") != "PUT" || got.str("expires_at") == "" || s.last.Expires != time.Minute || s.last.Headers["Content-Type"] != "text/plain" {
			t.Errorf("presign = %s of %+v", got.raw, s.last)
		}
		w.want(200, "", "POST", path, `{"url":"/k","agent_id":"`+agent+`"}`)
		if s.last.Agent != "worker" || s.last.AgentID != agent || s.last.Method != "GET" || s.last.Expires != 0 {
			t.Errorf("presign for an agent asks for %+v", s.last)
		}
		w.want(200, "", "POST", path, `{"url":"/k","agent_id":"file:local"}`)
		w.want(403, "NOT_PERMITTED", "POST", path, `{"url":"/k","method":"PUT","agent_id":"`+agent+`"}`)
		w.want(200, "", "POST", "/accounts/file:hub:default/presign", `{"url":"/k"}`)

		w.want(404, "ACCOUNT_NOT_FOUND", "POST", "/accounts/acc_nobody/presign", `{"url":"/k"}`)
		w.want(404, "AGENT_NOT_FOUND", "POST", path, `{"url":"/k","agent_id":"agt_nobody"}`)
		w.want(422, "INVALID_INPUT", "POST", path, `{"url":"/k","expires_in":3601}`)
		w.want(422, "INVALID_INPUT", "POST", path, `{"url":"/k","method":"PATCH"}`)
		w.want(200, "", "PATCH", "/agents/"+agent, `{"disabled":true}`)
		w.want(409, "AGENT_DISABLED", "POST", path, `{"url":"/k","agent_id":"`+agent+`"}`)
		trial := w.want(201, "", "POST", "/accounts", `{"connector":"hub","name":"trial","test_mode":true}`).str("id")
		w.want(409, "TEST_MODE", "POST", "/accounts/"+trial+"/presign", `{"url":"/k"}`)
		done := w.as(w.admin("viewer", vault.RoleViewer, vault.All))
		w.want(403, "INVALID_PERMISSIONS", "POST", path, `{"url":"/k"}`)
		done()
		done = w.as(w.admin("other", vault.RoleAdmin, "other"))
		w.want(404, "ACCOUNT_NOT_FOUND", "POST", path, `{"url":"/k"}`)
		w.want(404, "ACCOUNT_NOT_FOUND", "POST", "/accounts/file:hub:default/presign", `{"url":"/k"}`)
		done()

		// The URL is shown once, and is in no audit.
		first := w.want(200, "", "POST", path, `{"url":"/k"}`, "Idempotency-Key", "one")
		again := w.want(200, "", "POST", path, `{"url":"/k"}`, "Idempotency-Key", "one")
		if first.str("url") != canaryURL || strings.Contains(again.raw, "canary") {
			t.Errorf("a repetition = %s, want no URL", again.raw)
		}
		audit := w.eventually(t, "/audit?account_id="+id+"&code=account.presigned", 5)
		if strings.Contains(audit.raw, "canary") || !strings.Contains(audit.raw, `"path":"/k"`) || !strings.Contains(audit.raw, "may only read") {
			t.Errorf("the audit is %s, want the path, the refusal, and no signature", audit.raw)
		}
	})
}

// eventually reads a list until it has that many items.
func (w *world) eventually(t *testing.T, path string, n int) *answer {
	t.Helper()
	for range 100 {
		if a := w.want(200, "", "GET", path, ""); a.len("items") >= n {
			return a
		}
		time.Sleep(20 * time.Millisecond)
	}
	a := w.do("GET", path, "")
	t.Errorf("%s has %d items, want %d: %s", path, a.len("items"), n, a.raw)
	return a
}

func TestBucketAccess(t *testing.T) {
	s := &storage{}
	w := newWorld(t, vaulttest.SQLite(t), func(c *admin.Config) { c.Storage = s })
	path := "/accounts/" + w.account("one") + "/bucket-access"
	got := w.want(200, "", "POST", path, `{"bucket":"data","email":"r@p.iam.gserviceaccount.com","access":"read"}`)
	if got.get("changed") != true || s.access.Bucket != "data" || s.access.Access != "read" {
		t.Errorf("bucket-access = %s of %+v", got.raw, s.access)
	}
	w.want(422, "INVALID_INPUT", "POST", path, `{"bucket":"data","email":"allUsers","access":"read"}`)
	w.want(422, "INVALID_INPUT", "POST", path, `{"email":"r@p.iam.gserviceaccount.com","access":"read"}`)
	w.want(422, "INVALID_INPUT", "POST", path, `{"bucket":"data","email":"r@p.iam.gserviceaccount.com","access":"owner"}`)
	w.eventually(t, "/audit?code=account.bucket_access", 2)
	none := newWorld(t, vaulttest.SQLite(t), nil)
	none.want(501, "NOT_AVAILABLE", "POST", "/accounts/"+none.account("one")+"/bucket-access", `{"bucket":"data","email":"r@p.iam.gserviceaccount.com","access":"read"}`)
}
