package approval

import (
	"strings"

	"github.com/attache-proxy/attache/providers/printable"
)

// MaxSaid is how long what an agent says may be, in bytes.
const MaxSaid = 500

// Propose makes a proposal of what is known of whose it is, the rule that it is for and
// the one that is in its way; said is the agent's reason.
func Propose(r Request, said string) *Request {
	r.Kind = Proposed
	d := newSum("proposal")
	d.add(r.AgentID, r.AccountID, r.GrantID, r.Allow)
	r.Digest = d.String()
	r.Preview = Preview{Said: printable.Line(strings.Join(strings.Fields(said), " ")), Bytes: 0}
	return &r
}
