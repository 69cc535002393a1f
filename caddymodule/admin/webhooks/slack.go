package webhooks

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/providers/printable"
)

// told is what there is in any of our payloads.
type told struct {
	Type string `json:"type"`
	Data struct {
		Account *struct {
			Connector, Name, State string
			Reason                 any
		} `json:"account"`
		Approval *struct {
			ID, State, Agent, Connector, Account, Operation, Effect, Resource, Method, URL, Rule, Scope, Reason string
			Proposed                                                                                            string    `json:"proposed_rule"`
			By                                                                                                  string    `json:"decided_by"`
			Ends                                                                                                time.Time `json:"expires_at"`
		} `json:"approval"`
	} `json:"data"`
}

// slack is a payload as a message of Slack's incoming webhooks: mrkdwn in which nothing
// that an agent chose is a link, a mention or a format.
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
func slack(payload, publicURL string) string {
	var t told
	_ = json.Unmarshal([]byte(payload), &t)
	lines := []string{"Attaché: " + plain(t.Type)}
	switch a := t.Data.Approval; {
	case a != nil && a.Proposed != "" && a.State == "pending":
		lines = []string{"*" + plain(a.Agent) + " proposes* the rule " + code(a.Proposed) + " (" + plain(a.Effect) + ")", "for " + code(a.Connector+":"+a.Account),
			code("attache proposals accept "+a.ID) + " or " + code("attache proposals refuse "+a.ID)}
		if publicURL != "" {
			lines = append(lines, "<"+strings.TrimSuffix(publicURL, "/")+paths.UI+"#/approvals/"+plain(a.ID)+"|Decide in the dashboard>")
		}
	case a != nil && a.State == "pending":
		lines = []string{"*" + plain(a.Agent) + " asks* to do " + code(cmp.Or(a.Operation, a.Method+" "+a.URL)) + " (" + plain(a.Effect) + ")"}
		if a.Resource != "" {
			lines[0] += " on " + code(a.Resource)
		}
		lines = append(lines, "with "+code(a.Connector+":"+a.Account)+", "+code(a.Method+" "+a.URL), "asked by the rule "+code(a.Rule)+"; open until "+a.Ends.UTC().Format("15:04 UTC"),
			code("attache approvals approve "+a.ID)+" or "+code("attache approvals deny "+a.ID))
		if publicURL != "" {
			lines = append(lines, "<"+strings.TrimSuffix(publicURL, "/")+paths.UI+"#/approvals/"+plain(a.ID)+"|Decide in the dashboard>")
		}
	case a != nil:
		lines = []string{code(cmp.Or(a.Proposed, a.Operation, a.Method+" "+a.URL)) + " of *" + plain(a.Agent) + "* is " + plain(a.State)}
		if a.Scope != "" {
			lines[0] += " (" + plain(a.Scope) + ")"
		}
		if a.By != "" {
			lines[0] += " by " + plain(a.By)
		}
		if a.Reason != "" {
			lines = append(lines, plain(a.Reason))
		}
	case t.Data.Account != nil:
		lines = []string{"Account " + code(t.Data.Account.Connector+":"+t.Data.Account.Name) + " is " + plain(t.Data.Account.State) + " (" + plain(t.Type) + ")"}
	}
	text := strings.Join(lines, "\n")
	out, _ := json.Marshal(map[string]any{"text": text, "blocks": []any{map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": text, "verbatim": true}}}})
	return string(out)
}

const longest = 500 // characters of one text; a section has room for 3 000

// plain takes from a text what Slack gives a meaning.
func plain(text string) string {
	text = printable.Line(text)
	if r := []rune(text); len(r) > longest {
		text = string(r[:longest]) + "…"
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'", "*", "∗", "~", "∼").Replace(text)
}

func code(text string) string { return "`" + plain(text) + "`" }
