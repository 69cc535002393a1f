package admin

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Where people sign in. These two are for browsers, and no part of the document
// that describes the API.
const (
	SignInPath     = Base + "/session/sign-in"
	SignInCallback = Base + "/session/callback"
)

// CSRFHeader carries what GET /me says in csrf_token, in each request that
// changes something and is made with a session's cookie.
const CSRFHeader = "X-CSRF-Token"

// Names of cookies. Over HTTPS they begin with __Host-, so that no neighbouring
// host name can set them.
const (
	sessionCookie = "attache_session"
	attemptCookie = "attache_sign_in"
	attemptLife   = 10 * time.Minute
)

func (a *API) cookieName(r *http.Request, name string) string {
	if a.secure(r) {
		return "__Host-" + name
	}
	return name
}

func (a *API) setCookie(w http.ResponseWriter, r *http.Request, name, value string, mode http.SameSite, life time.Duration) {
	c := &http.Cookie{Name: a.cookieName(r, name), Value: value, HttpOnly: true, SameSite: mode, Secure: a.secure(r), MaxAge: int(life.Seconds()), Path: Base}
	if c.Secure {
		c.Path = "/" // __Host- asks for it
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// serveSignIn answers the two addresses of signing in.
func (a *API) serveSignIn(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		writeProblem(w, problem(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "This path takes GET."))
		return
	}
	w.Header().Set("Referrer-Policy", "no-referrer") // the code stands in the address
	if r.URL.Path == SignInPath {
		a.beginSignIn(w, r)
	} else {
		a.endSignIn(w, r)
	}
}

// redirectURL is where the provider sends people back to. The host is one that
// guard knows.
func (a *API) redirectURL(r *http.Request) string {
	if u := a.provider.c.RedirectURL; u != "" {
		return u
	}
	return a.origin(r) + SignInCallback
}

func (a *API) beginSignIn(w http.ResponseWriter, r *http.Request) {
	t := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
	to, err := a.provider.begin(t, a.redirectURL(r))
	if err != nil {
		a.log.Warn("signing in", "error", err)
		refuseSignIn(w, r, problem(http.StatusBadGateway, "SIGN_IN_UNAVAILABLE", "The provider that people sign in with cannot be reached; the log has the cause."))
		return
	}
	// Lax: the provider's redirect comes from another site.
	a.setCookie(w, r, attemptCookie, t.State+"."+t.Nonce+"."+t.Verifier, http.SameSiteLaxMode, attemptLife)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// endSignIn is where the provider sends people back to.
func (a *API) endSignIn(w http.ResponseWriter, r *http.Request) {
	t, ok := a.attemptOf(r)
	a.setCookie(w, r, attemptCookie, "", http.SameSiteLaxMode, 0) // works once
	q := r.URL.Query()
	if !ok || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(t.State)) != 1 {
		a.countSignIn(w, r, problem(http.StatusForbidden, "SIGN_IN_MISMATCH", "This browser did not begin this sign-in, or began it more than ten minutes ago. Sign in again."), "state")
		return
	}
	// RFC 9207: an answer of another provider is not for us.
	if iss := q.Get("iss"); iss != "" && iss != a.provider.c.Issuer {
		a.countSignIn(w, r, problem(http.StatusForbidden, "SIGN_IN_MISMATCH", "The answer came from another provider."), "issuer")
		return
	}
	if q.Get("code") == "" {
		a.countSignIn(w, r, problem(http.StatusForbidden, "SIGN_IN_REFUSED", "The provider did not sign you in."), "no code")
		return
	}
	who, err := a.provider.finish(r.Context(), t, a.redirectURL(r), q.Get("code"))
	switch {
	case errors.Is(err, errNotVouched):
		a.log.Warn("signing in", "error", err)
		a.countSignIn(w, r, problem(http.StatusForbidden, "SIGN_IN_REFUSED", "The provider did not vouch for you; the log has the cause."), "not vouched for")
		return
	case err != nil:
		a.log.Warn("signing in", "error", err)
		refuseSignIn(w, r, problem(http.StatusBadGateway, "SIGN_IN_UNAVAILABLE", "The provider that people sign in with did not answer; the log has the cause."))
		return
	}
	x, ok := a.provider.admit(who, time.Now())
	if !ok {
		a.countSignIn(w, r, problem(http.StatusForbidden, "SIGN_IN_NOT_ALLOWED", "You signed in, but nothing here is open to you. Ask the operator for an allow line that fits you."), "nothing allows "+who.name(a.provider.c.NameClaim))
		return
	}
	x, token, err := a.v.CreateSignIn(r.Context(), x)
	if err != nil {
		var p *Problem
		if errors.As(a.explain(err, "SESSION", nil), &p) {
			refuseSignIn(w, r, p)
		}
		return
	}
	// Strict: only our own page sends it, from the first request on.
	a.setCookie(w, r, sessionCookie, token.Reveal(), http.SameSiteStrictMode, time.Until(x.ExpiresAt))
	http.Redirect(w, r, UI+"/", http.StatusSeeOther)
}

func (a *API) attemptOf(r *http.Request) (attempt, bool) {
	c, err := r.Cookie(a.cookieName(r, attemptCookie))
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
func (a *API) countSignIn(w http.ResponseWriter, r *http.Request, p *Problem, why string) {
	if wait := a.failures.count(r.RemoteAddr, time.Now()); wait > 0 {
		refuseSignIn(w, r, problem(http.StatusTooManyRequests, "TOO_MANY_FAILURES", "Too many sign-ins failed from this address. Try again in a minute."))
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
<p><a href="` + UI + `/">Back</a></p>
`))

func refuseSignIn(w http.ResponseWriter, r *http.Request, p *Problem) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		writeProblem(w, p)
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
func (a *API) bySession(r *http.Request) (*Caller, error) {
	if a.provider == nil {
		return nil, errNoToken
	}
	c, err := r.Cookie(a.cookieName(r, sessionCookie))
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
	caller := &Caller{View: a.v.As(actor, x.Organisation), Role: x.Role, Name: x.Name, TokenID: x.ID, session: &x, csrf: csrfOf(token)}
	if changes(r.Method) && subtle.ConstantTimeCompare([]byte(r.Header.Get(CSRFHeader)), []byte(caller.csrf)) != 1 {
		return nil, errCSRF
	}
	return caller, nil
}

// errCSRF means that a request which changes something was not made by our page.
var errCSRF = problem(http.StatusForbidden, "CSRF_TOKEN_MISSING", "Send the csrf_token of GET "+Base+"/me in the header "+CSRFHeader+".")

func changes(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}

// csrfOf follows from the session's token, which no page can read.
func csrfOf(token secret.Value) string {
	h := hmac.New(sha256.New, []byte(token.Reveal()))
	h.Write([]byte("csrf"))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func mountSession(a *API) {
	register(a, operation{id: "get-session", method: http.MethodGet, path: "/session", open: true, noun: "SESSION", summary: "How people sign in",
		detail: "Needs no token."}, a.getSession)
	register(a, operation{id: "end-session", method: http.MethodDelete, path: "/session", role: vault.RoleViewer, noun: "SESSION", status: http.StatusNoContent, summary: "Sign out",
		detail: "Ends the session of the cookie that came, on every replica. Admin tokens have no session."}, a.endSession)
}

type sessionOut struct {
	Body struct {
		SignInURL string `json:"sign_in_url,omitempty" doc:"Where a browser begins to sign in; absent where only admin tokens open the API."`
		Issuer    string `json:"issuer,omitempty" doc:"The OpenID provider."`
	}
}

func (a *API) getSession(context.Context, *Caller, *struct{}) (*sessionOut, error) {
	out := &sessionOut{}
	if a.provider != nil {
		out.Body.SignInURL, out.Body.Issuer = SignInPath, a.provider.c.Issuer
	}
	return out, nil
}

type endSessionOut struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
}

func (a *API) endSession(ctx context.Context, c *Caller, _ *struct{}) (*endSessionOut, error) {
	if c.session == nil {
		return nil, problem(http.StatusConflict, "NO_SESSION", "This is an admin token, not a session. DELETE "+Base+"/tokens/{id} ends it.")
	}
	if err := c.SignOut(ctx, c.session.ID); err != nil && !errors.Is(err, vault.ErrNotFound) {
		return nil, err
	}
	out := &endSessionOut{}
	for _, name := range []string{sessionCookie, "__Host-" + sessionCookie} {
		k := http.Cookie{Name: name, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: -1, Path: Base}
		if name != sessionCookie {
			k.Path, k.Secure = "/", true
		}
		out.SetCookie = append(out.SetCookie, k)
	}
	return out, nil
}
