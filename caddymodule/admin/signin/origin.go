package signin

import (
	"net/http"
	"strings"
)

// Origin is where people reach us: what was configured, else the host by which
// we are called now, which guard has looked at.
func (a *Guard) Origin(r *http.Request) string {
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

// Secure reports whether the browser speaks HTTPS: to us, or to what stands in
// front of us where public_url or redirect_url says so.
func (a *Guard) Secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(a.Origin(r), "https://") || a.provider != nil && strings.HasPrefix(a.provider.c.RedirectURL, "https://")
}
