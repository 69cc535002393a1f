package signin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"html/template"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// CSRFHeader carries what GET /me says in csrf_token, in each request that
// changes something and is made with a session's cookie.
const CSRFHeader = "X-CSRF-Token"

// Names of cookies. Over HTTPS they begin with __Host-, so that no neighbouring
// host name can set them.
const (
	SessionCookie = "attache_session"
	attemptCookie = "attache_sign_in"
	attemptLife   = 10 * time.Minute
)

// CookieName is the name of one of our cookies. Over plain HTTP all ports of a host
// share their cookies, so that the name has the port, and a part that only this
// vault knows: whoever listens beside us can plant none.
func (a *Guard) CookieName(r *http.Request, name string) string {
	if a.Secure(r) {
		return "__Host-" + name
	}
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		port = "80"
	}
	return name + "_" + port + "_" + a.v.MAC("cookie", name)[:8]
}

func (a *Guard) setCookie(w http.ResponseWriter, r *http.Request, name, value string, mode http.SameSite, life time.Duration) {
	c := &http.Cookie{Name: a.CookieName(r, name), Value: value, HttpOnly: true, SameSite: mode, Secure: a.Secure(r), MaxAge: int(life.Seconds()), Path: paths.API}
	if c.Secure {
		c.Path = "/" // __Host- asks for it
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// ServeSignIn answers the two addresses of signing in.
func (a *Guard) ServeSignIn(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		problem.Write(w, problem.New(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "This path takes GET."))
		return
	}
	w.Header().Set("Referrer-Policy", "no-referrer") // the code stands in the address
	if r.URL.Path == paths.SignIn {
		a.beginSignIn(w, r)
	} else {
		a.endSignIn(w, r)
	}
}

// redirectURL is where the provider sends people back to. The host is one that
// guard knows.
func (a *Guard) redirectURL(r *http.Request) string {
	if u := a.provider.c.RedirectURL; u != "" {
		return u
	}
	return a.Origin(r) + paths.SignInCallback
}

func (a *Guard) beginSignIn(w http.ResponseWriter, r *http.Request) {
	t := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
	to, err := a.provider.begin(t, a.redirectURL(r))
	if err != nil {
		a.log.Warn("signing in", "error", err)
		refuseSignIn(w, r, problem.New(http.StatusBadGateway, "SIGN_IN_UNAVAILABLE", "The provider that people sign in with cannot be reached; the log has the cause."))
		return
	}
	// Lax: the provider's redirect comes from another site.
	a.setCookie(w, r, attemptCookie, t.State+"."+t.Nonce+"."+t.Verifier, http.SameSiteLaxMode, attemptLife)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// endSignIn is where the provider sends people back to.
func (a *Guard) endSignIn(w http.ResponseWriter, r *http.Request) {
	t, ok := a.attemptOf(r)
	a.setCookie(w, r, attemptCookie, "", http.SameSiteLaxMode, 0) // works once
	q := r.URL.Query()
	if !ok || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(t.State)) != 1 {
		a.countSignIn(w, r, problem.New(http.StatusForbidden, "SIGN_IN_MISMATCH", "This browser did not begin this sign-in, or began it more than ten minutes ago. Sign in again."), "state")
		return
	}
	// RFC 9207: an answer of another provider is not for us.
	if iss := q.Get("iss"); iss != "" && iss != a.provider.c.Issuer {
		a.countSignIn(w, r, problem.New(http.StatusForbidden, "SIGN_IN_MISMATCH", "The answer came from another provider."), "issuer")
		return
	}
	if q.Get("code") == "" {
		a.countSignIn(w, r, problem.New(http.StatusForbidden, "SIGN_IN_REFUSED", "The provider did not sign you in."), "no code")
		return
	}
	who, err := a.provider.finish(r.Context(), t, a.redirectURL(r), q.Get("code"))
	switch {
	case errors.Is(err, errNotVouched):
		a.log.Warn("signing in", "error", err)
		a.countSignIn(w, r, problem.New(http.StatusForbidden, "SIGN_IN_REFUSED", "The provider did not vouch for you; the log has the cause."), "not vouched for")
		return
	case err != nil:
		a.log.Warn("signing in", "error", err)
		refuseSignIn(w, r, problem.New(http.StatusBadGateway, "SIGN_IN_UNAVAILABLE", "The provider that people sign in with did not answer; the log has the cause."))
		return
	}
	x, ok := a.provider.admit(who, time.Now())
	if !ok {
		a.countSignIn(w, r, problem.New(http.StatusForbidden, "SIGN_IN_NOT_ALLOWED", "You signed in, but nothing here is open to you. Ask the operator for an allow line that fits you."), "nothing allows "+who.name(a.provider.c.NameClaim))
		return
	}
	x, token, err := a.v.CreateSignIn(r.Context(), x)
	if err != nil {
		p := problem.Of(err, "SESSION", a.log)
		refuseSignIn(w, r, p)
		return
	}
	// Strict: only our own page sends it, from the first request on.
	a.setCookie(w, r, SessionCookie, token.Reveal(), http.SameSiteStrictMode, time.Until(x.ExpiresAt))
	http.Redirect(w, r, paths.UI+"/", http.StatusSeeOther)
}

func (a *Guard) attemptOf(r *http.Request) (attempt, bool) {
	c, err := r.Cookie(a.CookieName(r, attemptCookie))
	if err != nil {
		return attempt{}, false
	}
	parts := strings.Split(c.Value, ".")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return attempt{}, false
	}
	return attempt{parts[0], parts[1], parts[2]}, true
}

// countSignIn refuses a sign-in, and counts it among the failures of its address.
func (a *Guard) countSignIn(w http.ResponseWriter, r *http.Request, p *problem.Problem, why string) {
	if wait := a.Failures.Count(r.RemoteAddr, time.Now()); wait > 0 {
		refuseSignIn(w, r, problem.New(http.StatusTooManyRequests, "TOO_MANY_FAILURES", "Too many sign-ins failed from this address. Try again in a minute."))
		return
	}
	_ = a.v.Record(r.Context(), vault.Event{Kind: vault.AuditRefusal, Code: "signin_refused", Actor: vault.Actor{Kind: "person"},
		Method: r.Method, Host: r.Host, Path: r.URL.Path, Status: p.Status, Detail: why + ", from " + r.RemoteAddr})
	refuseSignIn(w, r, p)
}

// refusalPage has no scripts, and nothing that came with the request.
var refusalPage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Attaché</title>
<h1>Not signed in</h1>
<p>{{.Detail}}</p>
<p><a href="` + paths.UI + `/">Back</a></p>
`))

func refuseSignIn(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		problem.Write(w, p)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.WriteHeader(p.Status)
	_ = refusalPage.Execute(w, p)
}

// bySession finds out which person calls. The provider must still be the one
// that vouched for them.
func (a *Guard) bySession(r *http.Request) (*Caller, error) {
	if a.provider == nil {
		return nil, errNoToken
	}
	c, err := r.Cookie(a.CookieName(r, SessionCookie))
	if err != nil {
		return nil, errNoToken
	}
	token := secret.New(c.Value)
	x, err := a.v.SignInByToken(r.Context(), token)
	if errors.Is(err, vault.ErrNotFound) || err == nil && !strings.HasPrefix(x.Subject, a.provider.c.Issuer+" ") {
		return nil, errNoToken
	}
	if err != nil {
		return nil, err
	}
	actor := vault.Actor{Kind: "person", Name: x.Name}
	caller := &Caller{View: a.v.As(actor, x.Organisation), Role: x.Role, Name: x.Name, TokenID: x.ID, SignIn: &x, CSRF: csrfOf(token), Cookie: c.Name}
	if changes(r.Method) && subtle.ConstantTimeCompare([]byte(r.Header.Get(CSRFHeader)), []byte(caller.CSRF)) != 1 {
		return nil, errCSRF
	}
	return caller, nil
}

// errCSRF means that a request which changes something was not made by our page.
var errCSRF = problem.New(http.StatusForbidden, "CSRF_TOKEN_MISSING", "Send the csrf_token of GET "+paths.API+"/me in the header "+CSRFHeader+".")

func changes(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}

// csrfOf follows from the session's token, which no page can read.
func csrfOf(token secret.Value) string {
	h := hmac.New(sha256.New, []byte(token.Reveal()))
	h.Write([]byte("csrf"))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
