package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// CallbackPath is where services send people back to.
const CallbackPath = "/oauth/callback"

var errOtherSession = problem(http.StatusBadRequest, "STATE_MISMATCH", "This state belongs to another session. Neither goes on; begin again.")

// badState says why a state opens nothing.
func badState(err error) error {
	switch {
	case errors.Is(err, vault.ErrNotFound):
		return problem(http.StatusBadRequest, "STATE_UNKNOWN", "This sign-in is not known here, or its answer came before. Begin again.")
	case errors.Is(err, vault.ErrExpired), errors.Is(err, vault.ErrUsed):
		return problem(http.StatusGone, "STATE_EXPIRED", "This sign-in took too long, or it has ended. Begin again.")
	}
	return err
}

// callback is the end of a redirect flow. The state finds the session, by its
// hash, and is used up; the browser must be the one that began, where one of our
// pages began.
func (a *API) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	states := q["state"]
	if len(states) != 1 {
		states = []string{""}
	}
	s, sealed, err := a.v.TakeState(r.Context(), secret.New(states[0]))
	if err != nil {
		a.pageProblem(w, r, badState(err))
		return
	}
	switch {
	case s.Flow != vault.FlowRedirect: // it was to be exchanged by our caller
		s, err = a.settle(r.Context(), s, problem(http.StatusBadRequest, "BAD_CALLBACK", "This sign-in ends at another address."))
	case !sameBrowser(r, s):
		s, err = a.settle(r.Context(), s, problem(http.StatusForbidden, "OTHER_BROWSER", "This sign-in was begun in another browser. Open the link here, and begin again."))
	default:
		s, err = a.comeBack(r.Context(), s, sealed, q)
	}
	a.showResult(w, r, s, sealed.Get(sealedLink), err)
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
func (a *API) ownBrowser(w http.ResponseWriter, r *http.Request) string {
	secure := a.secure(r)
	c, err := r.Cookie(browserCookie(secure))
	if err != nil || len(c.Value) != len(newState().Reveal()) {
		// Lax: it must come along when the service sends the person back.
		c = &http.Cookie{Name: browserCookie(secure), Value: newState().Reveal(), Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode}
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
	want := s.Data[dataBrowser]
	if want == "" {
		return reachOf(s) == reachAPI
	}
	for _, secure := range []bool{true, false} {
		if c, err := r.Cookie(browserCookie(secure)); err == nil && subtle.ConstantTimeCompare([]byte(browserHash(c.Value)), []byte(want)) == 1 {
			return true
		}
	}
	return false
}
