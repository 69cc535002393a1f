// Package signin finds out who calls the administration, and keeps out what a
// page in somebody's browser could make it send: host names, origins, sessions
// by an OpenID provider, admin tokens, the CSRF token.
package signin

import (
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Config is what New needs. Vault and Log must be set.
type Config struct {
	Vault *vault.Vault
	// PublicURL is the origin at which people reach us; empty: the host by which
	// they came.
	PublicURL string
	// Hosts are names, without port, by which we may be called besides those of
	// the loopback interface.
	Hosts []string
	// TrustSocket lets whoever can open the unix socket do everything.
	TrustSocket bool
	// OIDC lets people sign in; nil means that only admin tokens open the API.
	OIDC *OIDC
	Log  *slog.Logger
}

// Guard lets requests in or not.
type Guard struct {
	c   Config
	v   *vault.Vault
	log *slog.Logger
	// Failures counts what failed, by address.
	Failures Failures
	provider *provider // nil where people cannot sign in
}

// New makes a guard.
func New(c Config) *Guard {
	a := &Guard{c: c, v: c.Vault, log: c.Log}
	if c.OIDC != nil {
		a.provider = &provider{c: c.OIDC}
	}
	return a
}

// Issuer is the OpenID provider that people sign in with; empty where only admin
// tokens open the API.
func (a *Guard) Issuer() string {
	if a.provider == nil {
		return ""
	}
	return a.provider.c.Issuer
}

// Guard refuses what a page in somebody's browser could make it send: requests
// by another host name (DNS rebinding), from another origin, and bodies in forms
// that need no preflight.
func (a *Guard) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := a.refuse(r); p != nil {
			problem.Write(w, p)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *Guard) refuse(r *http.Request) *problem.Problem {
	if p := a.RefuseHost(r); p != nil {
		return p
	}
	if !SameOrigin(r) && !a.arrives(r) {
		return problem.New(http.StatusForbidden, "ORIGIN_NOT_ALLOWED", "The API takes no requests from pages of other origins.")
	}
	if r.ContentLength != 0 && r.Method != http.MethodGet && r.Method != http.MethodHead {
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if kind != "application/json" && kind != "application/merge-patch+json" {
			return problem.New(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json.")
		}
	}
	return nil
}

func (a *Guard) RefuseHost(r *http.Request) *problem.Problem {
	if !overSocket(r) && !a.knownHost(r.Host) {
		return problem.New(http.StatusMisdirectedRequest, "HOST_NOT_ALLOWED", "The API is not called by this host name. Name it with host in attache_admin, or use localhost.")
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
func (a *Guard) arrives(r *http.Request) bool {
	if r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document" {
		return false
	}
	return r.URL.Path == paths.UI || r.URL.Path == paths.UI+"/" || a.provider != nil && r.URL.Path == paths.SignInCallback
}

func (a *Guard) knownHost(host string) bool {
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

// SameOrigin reports whether a browser sent the request from one of our pages,
// or no browser sent it.
func SameOrigin(r *http.Request) bool {
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
