package approval

import "time"

// Standing is what an agent is told of a question of its own.
type Standing struct {
	Approval    string    `json:"approval"`
	State       State     `json:"state"`
	Operation   string    `json:"operation,omitempty"`
	Resource    string    `json:"resource,omitempty"`
	Method      string    `json:"method,omitempty"`
	URL         string    `json:"url,omitempty"`
	Rule        string    `json:"rule,omitempty"`
	Scope       Scope     `json:"scope,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	RequestedAt time.Time `json:"requested_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	Next        string    `json:"next"`
}

// next is the one thing to do, by how it stands.
var next = map[State]string{
	Pending:   "Wait. Do not do it in any way until a person has decided; ask again later how it stands.",
	Approved:  "Send the request again, exactly as it was, one time.",
	Denied:    "Do not send the request again, and do not do the same in another way.",
	Expired:   "Nobody decided in time, or the yes was not used in time: it counts as a no. Tell the person; send the request again only when they ask for it.",
	Withdrawn: "The question was withdrawn. Tell the person; send the request again only if it is still needed.",
	Used:      "The yes was for one request and is used. The same once more would be asked about again.",
}

// proposed is the same of a proposal.
var proposed = map[State]string{
	Pending:  "Wait, and do nothing that the rule would permit. Ask again later how it stands; do not file it again.",
	Approved: "The rule is in the grant: the request may be sent.",
	Denied:   "Do not send the request, and do not do the same in another way. Go on without it.",
	Expired:  "Nobody decided in time: it counts as a no. Tell the person.",
}

// Told is what an agent is told of an approval.
func Told(a *Approval, now time.Time) *Standing {
	s := &Standing{Approval: a.ID, State: a.Stands(now), Operation: a.Operation, Resource: a.Resource, Method: a.Method, URL: a.URL, Scope: a.Scope, Reason: a.Reason,
		RequestedAt: a.RequestedAt, ExpiresAt: a.ExpiresAt}
	if a.Kind == Proposed {
		s.Rule, s.Scope, s.Next = a.Allow, "", proposed[s.State]
		return s
	}
	if s.Next = next[s.State]; s.State == Approved && !a.Single() {
		s.Next = "Send the request again."
	}
	return s
}
