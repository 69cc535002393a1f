package connect

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
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
	switch {
	case s.Flow != vault.FlowRedirect: // it was to be exchanged by our caller
		s, err = a.turns.Settle(r.Context(), s, problem.New(http.StatusBadRequest, "BAD_CALLBACK", "This sign-in ends at another address."))
	case !sameBrowser(r, s):
		s, err = a.turns.Settle(r.Context(), s, problem.New(http.StatusForbidden, "OTHER_BROWSER", "This sign-in was begun in another browser. Open the link here, and begin again."))
	default:
		s, err = a.turns.ComeBack(r.Context(), s, sealed, q)
	}
	a.showResult(w, r, s, sealed.Get(connect.SealedLink), err)
}

// browserCookie names the cookie that tells the browser which began from others.
// It opens nothing.
func browserCookie(secure bool) string {
	if secure {
		return "__Host-attache_browser"
	}
	return "attache_browser"
}

// ownBrowser returns what a session keeps of this browser, and sees to it that
// the browser has a cookie.
func (a *Pages) ownBrowser(w http.ResponseWriter, r *http.Request) string {
	secure := a.guard.Secure(r)
	c, err := r.Cookie(browserCookie(secure))
	if err != nil || len(c.Value) != len(connect.NewState().Reveal()) {
		// Lax: it must come along when the service sends the person back.
		c = &http.Cookie{Name: browserCookie(secure), Value: connect.NewState().Reveal(), Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode}
		http.SetCookie(w, c)
	}
	return browserHash(c.Value)
}

func browserHash(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return hex.EncodeToString(sum[:])
}

// sameBrowser reports whether the browser that came back is the one that began.
// Sessions that our caller began have no browser: their authorization_url goes
// where the caller sends it.
func sameBrowser(r *http.Request, s vault.Session) bool {
	want := s.Data[connect.DataBrowser]
	if want == "" {
		return connect.ReachOf(s) == connect.ReachAPI
	}
	for _, secure := range []bool{true, false} {
		if c, err := r.Cookie(browserCookie(secure)); err == nil && subtle.ConstantTimeCompare([]byte(browserHash(c.Value)), []byte(want)) == 1 {
			return true
		}
	}
	return false
}
