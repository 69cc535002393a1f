package resolver

import (
	"net/http"
	"net/url"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/target"
)

// AskOf is what a request's head tells, with u for its URL. The caller adds who
// asks, and where to.
func AskOf(r *http.Request, u *url.URL) Ask {
	ask := Ask{Method: r.Method, Path: u.EscapedPath(), Query: u.RawQuery, Header: r.Header, Body: r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0}
	if ask.Path == "" && u.Opaque != "" {
		ask.Path = u.Opaque
	}
	if _, extended := r.Header[":protocol"]; extended && r.Method == http.MethodConnect {
		ask.Method, ask.Upgrade = http.MethodGet, true // as it would be in HTTP/1.1 (RFC 8441 §5)
	}
	ask.Upgrade = ask.Upgrade || len(r.Header["Upgrade"]) > 0
	return ask
}

// does is what the connector judges.
func (a *Ask) does(c *providers.Connector) providers.Does {
	return providers.Does{Methods: c.Methods(a.Method, a.Query, a.Header), Path: a.Path, Query: a.Query, Header: a.Header, Upgrade: a.Upgrade, Body: a.Body}
}

// Target is where a request is to go, in its normal form.
type Target = target.Target

// ParseTarget reads host or host:port; see target.Parse.
func ParseTarget(authority, defaultPort string) (Target, error) {
	return target.Parse(authority, defaultPort)
}
