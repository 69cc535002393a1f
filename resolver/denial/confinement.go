package denial

import (
	"fmt"

	"github.com/attache-proxy/attache/resolver/refusal"
)

// Unconfined refuses a grant for confined runs to who does not call in one. inRun says that
// it is a run, of which nobody has shown that it is confined.
func Unconfined(agent, connector, account string, inRun bool) *refusal.Refusal {
	ref := &refusal.Refusal{Code: "confinement_required",
		Detail: fmt.Sprintf("agent %s may use account %s of connector %s only in a confined run, and this request comes from none", agent, account, connector),
		Next:   "Do not repeat this request. Start the program with: attache exec --confine -- PROGRAM."}
	if inRun {
		ref.Detail = fmt.Sprintf("agent %s may use account %s of connector %s only in a confined run, and of this run nobody has shown that it is confined", agent, account, connector)
		ref.Next = "Do not repeat this request. Whoever starts the program does so with: attache exec --confine --launch-key FILE -- PROGRAM."
	}
	return ref
}
