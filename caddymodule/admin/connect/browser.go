package connect

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/vault"
)

// browserCookie begins the names of the cookies that tell the browser which began
// an attempt from others. They open nothing.
const browserCookie = "attache_browser"

// newBrowser gives the browser that begins a session's attempt a cookie of its
// own, and returns what the session keeps of it. Each attempt has a new one, made
// by us and bound to its session: nobody can plant one that they know, and two
// attempts in one browser do not disturb each other.
func (a *Pages) newBrowser(w http.ResponseWriter, r *http.Request, session string, life time.Duration) (name, hash string) {
	nonce := connect.NewState().Reveal()
	name = a.guard.CookieName(r, browserCookie) + "-" + nonce[:8]
	value := nonce + "." + a.v.MAC("browser", session+" "+nonce)
	// Lax: it must come along when the service sends the person back.
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: a.guard.Secure(r), SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds())})
	return name, browserHash(value)
}

// forgetBrowser takes the cookie of an attempt away: it is over.
func (a *Pages) forgetBrowser(w http.ResponseWriter, r *http.Request, s vault.Session) {
	if name := s.Data.Cookie; name != "" {
		http.SetCookie(w, &http.Cookie{Name: name, Path: "/", HttpOnly: true, Secure: a.guard.Secure(r), SameSite: http.SameSiteLaxMode, MaxAge: -1})
	}
}

func browserHash(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return hex.EncodeToString(sum[:])
}

// sameBrowser reports whether the browser that came back is the one that began.
// Sessions that our caller began have no browser: their authorization_url goes
// where the caller sends it.
func (a *Pages) sameBrowser(r *http.Request, s vault.Session) bool {
	want := s.Data.Browser
	if want == "" {
		return connect.ReachOf(s) == connect.ReachAPI
	}
	name := s.Data.Cookie
	if !strings.HasPrefix(name, a.guard.CookieName(r, browserCookie)+"-") {
		return false // begun over plain HTTP or at another port, where others may set cookies
	}
	sent := r.CookiesNamed(name)
	if len(sent) != 1 {
		return false
	}
	nonce, mac, _ := strings.Cut(sent[0].Value, ".")
	return subtle.ConstantTimeCompare([]byte(mac), []byte(a.v.MAC("browser", s.ID+" "+nonce))) == 1 &&
		subtle.ConstantTimeCompare([]byte(browserHash(sent[0].Value)), []byte(want)) == 1
}

// visitorCookie tells browsers apart that were at a page before.
const visitorCookie = "attache_visitor"

// countsAs is whom a begin counts against: the browser, where it has a cookie of
// ours, else where it comes from. Nobody else's begins count against a browser.
func (a *Pages) countsAs(r *http.Request) string {
	if c, err := r.Cookie(a.guard.CookieName(r, visitorCookie)); err == nil {
		nonce, mac, _ := strings.Cut(c.Value, ".")
		if subtle.ConstantTimeCompare([]byte(mac), []byte(a.v.MAC("visitor", nonce))) == 1 {
			return "browser " + nonce
		}
	}
	return "source " + source(r.RemoteAddr)
}

// greet gives a browser that has none the visitor's cookie, as often as one
// source may have new browsers.
func (a *Pages) greet(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(a.countsAs(r), "browser ") || !a.greeted.allow(source(r.RemoteAddr), greetsAllowed, time.Now()) {
		return
	}
	nonce := connect.NewState().Reveal()
	http.SetCookie(w, &http.Cookie{Name: a.guard.CookieName(r, visitorCookie), Value: nonce + "." + a.v.MAC("visitor", nonce), Path: "/",
		HttpOnly: true, Secure: a.guard.Secure(r), SameSite: http.SameSiteLaxMode, MaxAge: 24 * 60 * 60})
}
