// Package carried finds credentials of a client's own on its requests.
package carried

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/sign"
)

// Request is what is looked at: its path is escaped, its query raw, and Token is what the
// agent presented to us; zero where it is known otherwise.
type Request struct {
	Path, Query string
	Header      http.Header
	Token       secret.Value
}

// Own reports a request with a credential of the client's own in a place where
// the account's would go, at a path where the connector lets it stay. One that holds
// our placeholder or the agent's token in any of them has none: that is for us to
// replace, and must not reach the service.
func Own(c *providers.Connector, places sign.Places, r Request) bool {
	if !c.LeavesOwn(r.Path) {
		return false
	}
	headers := append(slices.Clone(places.Headers), c.Removes...)
	found, ours := false, false
	look := func(value string) {
		for _, word := range words(value) {
			found = true
			ours = ours || c.IsPlaceholder(word) || !r.Token.IsZero() && word == r.Token.Reveal()
		}
	}
	hops := r.Header["Connection"] // what is named there goes no further, and leaves the request without any
	for name, values := range r.Header {
		if sign.IsNamed(name, headers) && !strings.EqualFold(name, "Cookie") && !httpguts.HeaderValuesContainsToken(hops, name) {
			for _, v := range values {
				look(v)
			}
		}
	}
	for part := range strings.FieldsFuncSeq(r.Query, func(c rune) bool { return c == '&' || c == ';' }) {
		name, value, _ := strings.Cut(part, "=")
		if decoded, err := url.QueryUnescape(name); err == nil && slices.ContainsFunc(places.Query, func(p string) bool { return strings.EqualFold(p, decoded) }) {
			if v, err := url.QueryUnescape(value); err == nil {
				value = v
			}
			look(value)
		}
	}
	return found && !ours
}

// schemes may stand alone, where a client had no key to put behind.
var schemes = []string{"Bearer", "Basic", "Token", "Bot", "Key", "ApiKey", "Api-Key", "Digest", "OAuth", "DPoP"}

// words are what a value says that could be a key: itself, what follows a scheme, and
// the two halves of Basic; for AWS's signatures the id of the key.
func words(value string) (out []string) {
	add := func(s string) {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	scheme, rest, ok := strings.Cut(strings.TrimSpace(value), " ")
	if !ok {
		if !slices.ContainsFunc(schemes, func(s string) bool { return strings.EqualFold(s, scheme) }) {
			add(value)
		}
		return out
	}
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest)); err == nil && strings.EqualFold(scheme, "Basic") {
		user, password, _ := strings.Cut(string(raw), ":")
		add(user)
		add(password)
		return out
	}
	if _, after, ok := strings.Cut(rest, "Credential="); ok {
		id, _, _ := strings.Cut(after, "/")
		add(id)
		return out
	}
	add(rest)
	return out
}
