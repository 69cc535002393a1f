package webhooks

import (
	"encoding/json"
	"strings"
	"testing"
)

// A message for Slack is one that it takes, and nothing that an agent chose is a mention,
// a link or a format in it.
func TestSlack(t *testing.T) {
	for payload, want := range map[string][]string{
		`{"type":"approval.requested","data":{"approval":{"id":"apr_1","state":"pending","agent":"research","connector":"github","account":"work","operation":"pulls/merge","effect":"write","resource":"acme/<!channel>*x*","method":"PUT","url":"https://api.github.com/a` + "`" + `b","rule":"ask pulls/merge","expires_at":"2026-11-30T10:00:00Z"}}}`: {"research", "pulls/merge", "&lt;!channel&gt;", "attache approvals approve apr_1", "<https://attache.example/ui#/approvals/apr_1|Decide", "10:00 UTC"},
		`{"type":"approval.decided","data":{"approval":{"id":"apr_1","state":"denied","agent":"research","operation":"pulls/merge","decided_by":"person:kim","reason":"no <@U1>"}}}`:                                                                                                                                                                      {"denied", "by person:kim", "no &lt;@U1&gt;"},
		`{"type":"account.expired","data":{"account":{"connector":"github","name":"work","state":"expired"}}}`:                                                                                                                                                                                                                                            {"github:work", "expired"},
		`{"type":"ping","data":{}}`: {"ping"},
	} {
		var m struct{ Text string }
		if err := json.Unmarshal([]byte(slack(payload, "https://attache.example/")), &m); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(m.Text, w) {
				t.Errorf("%s lacks %s", m.Text, w)
			}
		}
		if strings.Contains(m.Text, "<!") || strings.Contains(m.Text, "<@") || strings.Contains(m.Text, "*x*") || strings.Contains(m.Text, "a`b") {
			t.Errorf("%s has what the agent chose as it is", m.Text)
		}
	}
}
