package admin

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/resolver/vault"
)

// What the links do that agents are given.
const (
	// LinksOpen lets whoever opens one run the service's own authorization of
	// exactly that account.
	LinksOpen = "open"
	// LinksSignIn sends people to the dashboard, where they sign in first.
	LinksSignIn = "sign_in"
	// LinksOff gives agents no links.
	LinksOff = "off"
)

// KnownLinks reports whether s is one of the above, or empty.
func KnownLinks(s string) bool {
	return s == "" || s == LinksOpen || s == LinksSignIn || s == LinksOff
}

// origin is where people reach us: what was configured, else the host by which
// we are called now, which guard has looked at.
func (a *API) origin(r *http.Request) string {
	if a.c.PublicURL != "" {
		return a.c.PublicURL
	}
	if overSocket(r) {
		return "http://localhost"
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// secure reports whether the browser speaks HTTPS: to us, or to what stands in
// front of us where public_url or redirect_url says so.
func (a *API) secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(a.origin(r), "https://") || a.provider != nil && strings.HasPrefix(a.provider.c.RedirectURL, "https://")
}

// Loopback reports whether a host, perhaps with a port, is this machine.
func Loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// publicHost is the name in PublicURL, or empty.
func (c *Config) publicHost() string {
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// MoreParam is the parameter of an agent's link that says which further scopes
// are missing, sealed.
const MoreParam = "more"

// SealScopes seals the scopes that a service said were missing for an account.
func SealScopes(v *vault.Vault, accountID string, scopes []string) string {
	slices.Sort(scopes)
	return v.SealLink(accountID, strings.Join(slices.Compact(scopes), " "))
}
