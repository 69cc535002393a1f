package head

import (
	"net/url"
	"strings"

	"github.com/attache-proxy/attache/resolver"
)

// linkHere is one URI reference as the agent is to see it.
func linkHere(v string, call *resolver.Call) string {
	v = strings.TrimSpace(v)
	if strings.HasPrefix(v, "/") && !strings.HasPrefix(v, "//") {
		return call.Prefix + v
	}
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || u.User != nil || !sameService(u, call) {
		return v
	}
	path := u.EscapedPath()
	switch {
	case path == "":
		path = "/"
	case strings.HasPrefix(path, "//") && call.Prefix == "":
		path = "/." + path // or it would name a host
	}
	out := call.Prefix + path
	if u.RawQuery != "" || u.ForceQuery {
		out += "?" + u.RawQuery
	}
	if u.Fragment != "" {
		out += "#" + u.EscapedFragment()
	}
	return out
}

// sameService reports a URL of the host that was called: with the default port
// or without, over either scheme, or relative to it (//host).
func sameService(u *url.URL, call *resolver.Call) bool {
	usual := map[string]string{"https": "443", "http": "80", "": call.Target.Port}[strings.ToLower(u.Scheme)]
	if usual == "" {
		return false
	}
	t, err := resolver.ParseTarget(u.Host, usual)
	if err != nil || t.Host != call.Target.Host {
		return false
	}
	return t.Port == call.Target.Port || t.Port == usual && (call.Target.Port == "443" || call.Target.Port == "80")
}

// linksHere is a Link header (RFC 8288): <URI>; parameters, <URI>; …
func linksHere(v string, call *resolver.Call) string {
	var out strings.Builder
	quoted := false
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case quoted && c == '\\' && i+1 < len(v):
			out.WriteByte(c)
			i++
			c = v[i]
		case c == '"':
			quoted = !quoted
		case !quoted && c == '<':
			if end := strings.IndexByte(v[i:], '>'); end > 0 {
				out.WriteString("<" + linkHere(v[i+1:i+end], call) + ">")
				i += end
				continue
			}
		}
		out.WriteByte(c)
	}
	return out.String()
}
