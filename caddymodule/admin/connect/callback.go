package connect

import (
	"net/http"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// callback is the end of a redirect flow. The state finds the session, by its
// hash, and is used up; the browser must be the one that began, where one of our
// pages began.
func (a *Pages) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	states := q["state"]
	if len(states) != 1 {
		states = []string{""}
	}
	s, sealed, err := a.v.TakeState(r.Context(), secret.New(states[0]))
	if err != nil {
		a.pageProblem(w, r, connect.BadState(err))
		return
	}
	var link secret.Value // only the browser that began sees it again
	switch {
	case s.Flow != vault.FlowRedirect: // it was to be exchanged by our caller
		s, err = a.turns.Settle(r.Context(), s, problem.New(http.StatusBadRequest, "BAD_CALLBACK", "This sign-in ends at another address."))
	case !a.sameBrowser(r, s):
		s, err = a.turns.Settle(r.Context(), s, problem.New(http.StatusForbidden, "OTHER_BROWSER", "This sign-in was begun in another browser. Open the link here, and begin again."))
	default:
		a.forgetBrowser(w, r, s)
		link = sealed.Get(connect.SealedLink)
		s, err = a.turns.ComeBack(r.Context(), s, sealed, q)
	}
	a.showResult(w, r, s, link, err)
}
