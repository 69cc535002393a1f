package admin

import (
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// guard refuses what a page in somebody's browser could make it send: requests
// by another host name (DNS rebinding), from another origin, and bodies in forms
// that need no preflight.
func (a *API) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := a.refuse(r); p != nil {
			writeProblem(w, p)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *API) refuse(r *http.Request) *Problem {
	if p := a.refuseHost(r); p != nil {
		return p
	}
	if !sameOrigin(r) && !a.arrives(r) {
		return problem(http.StatusForbidden, "ORIGIN_NOT_ALLOWED", "The API takes no requests from pages of other origins.")
	}
	if r.ContentLength != 0 && r.Method != http.MethodGet && r.Method != http.MethodHead {
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if kind != "application/json" && kind != "application/merge-patch+json" {
			return problem(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json.")
		}
	}
	return nil
}

func (a *API) refuseHost(r *http.Request) *Problem {
	if !overSocket(r) && !a.knownHost(r.Host) {
		return problem(http.StatusMisdirectedRequest, "HOST_NOT_ALLOWED", "The API is not called by this host name. Name it with host in attache_admin, or use localhost.")
	}
	return nil
}

// overSocket reports whether the request came through a unix socket.
func overSocket(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && strings.HasPrefix(addr.Network(), "unix")
}

// arrives reports whether a person comes from another site, as they do from a
// link to the dashboard and back from the provider that they sign in with. What
// they open needs no cookie, or the one of their own attempt.
func (a *API) arrives(r *http.Request) bool {
	if r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document" {
		return false
	}
	return r.URL.Path == UI || r.URL.Path == UI+"/" || a.provider != nil && r.URL.Path == SignInCallback
}

func (a *API) knownHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if Loopback(host) || name != "" && strings.EqualFold(name, a.c.publicHost()) {
		return true
	}
	return slices.ContainsFunc(a.c.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// sameOrigin reports whether a browser sent the request from one of our pages,
// or no browser sent it.
func sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}
