package rule

import "testing"

// A rule is proposed as it is in a refusal, and as nothing wider.
func TestProposed(t *testing.T) {
	for _, p := range []Proposal{
		{Name: "issues/create", Resource: "acme/site"}, {Name: "mutation createIssue"}, {Name: "tools/call search"}, {Name: "grpc a.B/C"}, {Name: "s3:PutObject", Resource: "bucket/key"},
		{Method: "POST", Path: "/v1/things"}, {Method: "DELETE", Path: "/a/b%20c"}, {Name: "tools/list"}, {Name: "on x", Resource: "y"},
	} {
		line, ok := Smallest(p)
		if !ok {
			if p.Name != "on x" {
				t.Errorf("%+v: no rule", p)
			}
			continue
		}
		got, ok := Proposed(line)
		if !ok || got != p {
			t.Errorf("%q is read as %+v, %v, want %+v", line, got, ok, p)
		}
	}
	for _, p := range []Proposal{
		{}, {Name: "*"}, {Name: "issues/*"}, {Name: "read"}, {Name: "write"}, {Name: "effect:delete"}, {Name: "upgrade"}, {Name: "a\u202eb"}, {Name: `a"b`}, {Name: "issues/create", Resource: "acme/*"}, {Name: "when"}, {Name: "GET /x"},
		{Method: "*", Path: "/x"}, {Method: "POST", Path: "/x/*"}, {Method: "POST", Path: "/x/**"}, {Method: "POST", Path: "/{id}"}, {Method: "POST", Path: "/a/../b"}, {Method: "POST", Path: "/{$HOME}"}, {Method: "post", Path: "/x"}, {Method: "POST", Path: "x"}, {Method: "POST", Path: "/a;b"}, {Method: "POST", Path: "/%2a%2A"}, {Method: "DELETE", Path: "/v1/x%2Ay"},
	} {
		if line, ok := Smallest(p); ok {
			t.Errorf("%+v makes %q", p, line)
		}
	}
	for _, line := range []string{
		"", "allow", "allow *", "allow read", "allow write", "allow effect:delete", "deny issues/create", "ask issues/create", "learn", "allow issues/*", "allow issues/create issues/delete", "allow issues/create on *", "allow issues/create on a b",
		"allow issues/create when true", "allow issues/create  ", "allow  issues/create", `allow "issues/create"`, "allow GET /x/**", "allow * /x", "allow upgrade", "allow tools/call *", "allow GET /x on y", "allow POST /x POST /y", "allow x on on y",
	} {
		if p, ok := Proposed(line); ok {
			t.Errorf("%q may be proposed: %+v", line, p)
		}
	}
}
