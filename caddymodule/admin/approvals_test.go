package admin_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/vault"
)

// People answer within their roles and organisations, the first wins, and what is in a
// request is shown to who may answer, and nowhere else.
func TestApprovals(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ask := func(digest string) string {
			t.Helper()
			a, _, err := w.v.FileApproval(t.Context(), &approval.Request{Organisation: "default", Connector: "hub", AgentID: "file:research", Agent: "research", AccountID: "acc_1", Account: "work",
				Operation: "pulls/merge", Effect: "write", Resource: "acme/site", Method: "PUT", URL: "https://api.hub.example/merge", Rule: "ask pulls/merge", Allow: "allow pulls/merge on acme/site",
				Digest: digest, Act: "act " + digest, Place: "place", Preview: approval.Preview{Body: "canary-in-the-body", Bytes: 18, Query: []approval.Pair{{Name: "force", Value: "true"}}}})
			if err != nil {
				t.Fatal(err)
			}
			return a.ID
		}
		hook := w.want(201, "", "POST", "/webhooks", `{"url":"https://hooks.example.com/a","events":["approval.*"],"format":"slack"}`).str("id")
		id := ask("one")
		viewer, other := w.admin("viewer", vault.RoleViewer, vault.All), w.admin("other", vault.RoleOperator, "other")
		got := w.want(200, "", "GET", "/approvals/"+id, "")
		if got.str("preview.body") != "canary-in-the-body" || got.str("state") != "pending" || !strings.Contains(got.raw, `"scopes":["once","minutes","resource"]`) {
			t.Errorf("an approval = %s", got.raw)
		}
		if l := w.want(200, "", "GET", "/approvals?state=pending", ""); l.len("items") != 1 || strings.Contains(l.raw, "canary") {
			t.Errorf("the list = %s", l.raw)
		}
		as := func(token string, f func()) {
			t.Helper()
			defer w.as(token)()
			f()
		}
		as(viewer, func() {
			if got := w.want(200, "", "GET", "/approvals/"+id, ""); strings.Contains(got.raw, "canary") {
				t.Errorf("a viewer sees %s", got.raw)
			}
			w.want(403, "INVALID_PERMISSIONS", "POST", "/approvals/"+id+"/approve", `{}`)
			w.want(403, "INVALID_PERMISSIONS", "POST", "/approvals/"+id+"/deny", `{}`)
		})
		as(other, func() {
			w.want(404, "APPROVAL_NOT_FOUND", "GET", "/approvals/"+id, "")
			w.want(404, "APPROVAL_NOT_FOUND", "POST", "/approvals/"+id+"/approve", `{}`)
			w.want(404, "APPROVAL_NOT_FOUND", "POST", "/approvals/"+id+"/take-back", `{}`)
			if l := w.want(200, "", "GET", "/approvals", ""); l.len("items") != 0 {
				t.Errorf("another organisation lists %s", l.raw)
			}
		})
		w.want(422, "INVALID_INPUT", "POST", "/approvals/"+id+"/approve", `{"scope":"for ever"}`)
		w.want(422, "INVALID_INPUT", "POST", "/approvals/"+id+"/approve", `{"scope":"rule"}`)
		w.want(409, "APPROVAL_DECIDED", "POST", "/approvals/"+id+"/take-back", `{}`)
		if got := w.want(200, "", "POST", "/approvals/"+id+"/approve", `{"scope":"minutes"}`); got.str("state") != "approved" || got.str("scope") != "minutes" || got.str("decided_by") == "" {
			t.Errorf("a yes = %s", got.raw)
		}
		if got := w.want(409, "APPROVAL_DECIDED", "POST", "/approvals/"+id+"/deny", `{"reason":"late"}`); !strings.Contains(got.raw, "approved, by ") {
			t.Errorf("the second answer = %s", got.raw)
		}
		w.want(200, "", "POST", "/approvals/"+id+"/take-back", `{"reason":"a mistake"}`)
		w.want(404, "APPROVAL_NOT_FOUND", "GET", "/approvals/apr_x", "")
		w.want(422, "INVALID_INPUT", "GET", "/approvals?state=nonsense", "")

		if d := w.want(200, "", "GET", "/webhooks/"+hook+"/deliveries", ""); d.len("items") != 3 || strings.Contains(d.raw, "canary") {
			t.Errorf("webhooks hear %s", d.raw)
		}
		if a := w.want(200, "", "GET", "/audit?code=approval.approved", ""); a.len("items") != 1 || strings.Contains(a.raw, "canary") || !strings.Contains(a.raw, id) || !strings.Contains(a.raw, `"actor"`) {
			t.Errorf("the audit has %s", a.raw)
		}
	})
}
