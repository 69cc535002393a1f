package operations

import "testing"

// TestTables reads every table that is built in, and holds what they come to.
func TestTables(t *testing.T) {
	c, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, key := range c.Keys() {
		x, err := load(c.Tables[key])
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		if n := len(x.Entries()); n != c.Tables[key].Operations || n == 0 {
			t.Errorf("%s has %d operations, and says %d", key, n, c.Tables[key].Operations)
		}
		total += len(x.Entries())
		if len(c.SourcesOf(key)) == 0 {
			t.Errorf("%s: nobody knows where its table comes from", key)
		}
		for _, e := range x.Entries() {
			if e.Effect == Unknown || e.Name == "" {
				t.Errorf("%s: %+v", key, e)
			}
		}
	}
	t.Logf("%d connectors, %d operations, %d bytes", len(c.Tables), total, len(tables))
	if len(c.Tables) < leastConnectors || total < leastOperations || len(tables) > mostBytes {
		t.Errorf("%d connectors, %d operations, %d bytes; want %d, %d, and at most %d", len(c.Tables), total, len(tables), leastConnectors, leastOperations, mostBytes)
	}
	if For("no-such-connector") != nil {
		t.Error("a connector that is not there has a table")
	}
}

const (
	leastConnectors = 150
	leastOperations = 20_000
	mostBytes       = 2_000_000
)

func TestFor(t *testing.T) {
	for _, tt := range []struct {
		key, host, method, path, query string
		want                           Operation
	}{
		{"github", "api.github.com", "POST", "/repos/acme/private/issues", "", Operation{"issues/create", Write, "acme/private"}},
		{"github", "api.github.com", "DELETE", "/repos/acme/private", "", Operation{"repos/delete", Delete, "acme/private"}},
		{"github", "api.github.com", "PUT", "/repos/acme/private/pulls/7/merge", "", Operation{"pulls/merge", Write, "acme/private"}},
		{"github", "api.github.com", "PUT", "/orgs/acme/memberships/mallory", "", Operation{"orgs/set-membership-for-user", Admin, "acme"}},
		{"github", "uploads.github.com", "POST", "/repos/acme/private/releases/7/assets", "name=x", Operation{"repos/upload-release-asset", Write, "acme/private"}},
		{"slack", "slack.com", "POST", "/api/chat.postMessage", "", Operation{"chat.postMessage", Write, ""}},
		{"slack", "slack.com", "POST", "/api/conversations.list", "", Operation{"conversations.list", Read, ""}},
		{"slack", "slack.com", "GET", "/api/chat.delete", "", Operation{"chat.delete", Delete, ""}},
		{"stripe", "api.stripe.com", "POST", "/v1/refunds", "", Operation{"PostRefunds", Money, ""}},
		{"aws", "bucket.s3.eu-central-1.amazonaws.com", "PUT", "/dir/key", "", Operation{"s3:PutObject", Write, "bucket/dir/key"}},
		{"aws", "s3.amazonaws.com", "GET", "/bucket", "list-type=2", Operation{"s3:ListBucket", Read, "bucket"}},
		{"cloudflare-r2", "0123.r2.cloudflarestorage.com", "DELETE", "/bucket/key", "", Operation{"s3:DeleteObject", Delete, "bucket/key"}},
		{"google-mail", "gmail.googleapis.com", "POST", "/gmail/v1/users/me/messages/send", "", Operation{"gmail.users.messages.send", Write, "me"}},
		{"gcp", "pubsub.googleapis.com", "POST", "/v1/projects/p/topics/t:publish", "", Operation{"pubsub.projects.topics.publish", Write, "p"}},
		{"microsoft", "graph.microsoft.com", "POST", "/v1.0/me/sendMail", "", Operation{"me.sendMail", Write, ""}},
	} {
		table, _ := For(tt.key).(Located)
		if table == nil {
			t.Errorf("%s has no table", tt.key)
			continue
		}
		if got, ok := table.At(tt.host, tt.method, tt.path, tt.query); got != tt.want || !ok {
			t.Errorf("%s %s%s is %+v, %v; want %+v", tt.method, tt.host, tt.path, got, ok, tt.want)
		}
	}
	for call, want := range map[string]Operation{"GetItem": {"dynamodb:GetItem", Read, ""}, "DeleteTable": {"dynamodb:DeleteTable", Delete, ""}} {
		if got, _ := For("aws").(Located).Action("dynamodb.eu-central-1.amazonaws.com", call); got != want {
			t.Errorf("%s is %+v, want %+v", call, got, want)
		}
	}
}

// BenchmarkFind looks operations of GitHub's up.
func BenchmarkFind(b *testing.B) {
	x := For("github").(Located)
	for _, path := range []string{"/repos/acme/private/issues/7/comments", "/user", "/repos/acme/private/actions/runs/7/attempts/1/jobs", "/nothing/like/it"} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x.At("api.github.com", "GET", path, "")
			}
		})
	}
}

// TestFindAllocatesNothing of a path without escapes.
func TestFindAllocatesNothing(t *testing.T) {
	x := For("github").(Located)
	if n := testing.AllocsPerRun(100, func() { x.At("api.github.com", "POST", "/repos/acme/private/issues/7/comments", "per_page=1") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
