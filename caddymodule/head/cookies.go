package head

import (
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/resolver"
)

// narrowCookies leaves cookies to the host that was called: without Domain a
// client sends them to no other name of the vendor's, which may be another
// connector's or another customer's. At the base-URL door they are for the path
// of the connector (and account), which is the agent's own there.
func narrowCookies(res *http.Response, call *resolver.Call, here bool) {
	plain := here && res.Request != nil && res.Request.TLS == nil
	for i, v := range res.Header["Set-Cookie"] {
		res.Header["Set-Cookie"][i] = narrow(v, call, plain)
	}
}

// narrow is one Set-Cookie (RFC 6265 §4.1). Over plain HTTP to ourselves clients
// keep no Secure cookie.
func narrow(v string, call *resolver.Call, plain bool) string {
	pair, attributes, _ := strings.Cut(v, ";")
	out, path := pair, ""
	for a := range strings.SplitSeq(attributes, ";") {
		name, value, _ := strings.Cut(a, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "":
		case "domain":
		case "secure":
			if !plain {
				out += ";" + a
			}
		case "path":
			path = strings.TrimSpace(value) // the last one counts
		default:
			out += ";" + a
		}
	}
	switch {
	case !strings.HasPrefix(path, "/") && call.Prefix == "":
		return out
	case !strings.HasPrefix(path, "/"):
		path = defaultPath(call.Path)
	}
	return out + "; Path=" + call.Prefix + path
}

// defaultPath is that of a cookie without a Path (RFC 6265 §5.1.4).
func defaultPath(path string) string {
	path, _, _ = strings.Cut(path, "?")
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}
