// Package bearer reads what a resource server says about the token that it
// wants (RFC 6750 §3).
package bearer

import (
	"net/http"
	"slices"
	"strings"
)

// Challenge is a WWW-Authenticate challenge of the scheme Bearer.
type Challenge struct {
	// Error is invalid_token, insufficient_scope or another code; empty where the
	// request had no token.
	Error string
	// Scopes are those that the request needs; nil where the server does not say.
	Scopes []string
	// ResourceMetadata is the URL of the server's metadata (RFC 9728 §5.1).
	ResourceMetadata string
}

// maxHeader bounds what is read of a challenge, and maxScopes how many scopes
// one may name: both come from outside.
const (
	maxHeader = 8 << 10
	maxScopes = 50
)

// maxScopeLen is how long a scope may be.
const maxScopeLen = 256

// IsScope reports a scope-token of RFC 6749 §3.3, of any length.
func IsScope(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// Parse finds the Bearer challenge in the header fields of an answer. Scopes
// that are none are left out.
func Parse(h http.Header) (c Challenge, ok bool) {
	for _, line := range h.Values("WWW-Authenticate") {
		if len(line) > maxHeader {
			continue
		}
		for _, ch := range challenges(line) {
			if strings.EqualFold(ch.scheme, "Bearer") {
				return ch.bearer(), true
			}
		}
	}
	return Challenge{}, false
}

// challenge is one of RFC 9110 §11.6.1.
type challenge struct {
	scheme string
	params map[string]string // names in lower case; of two the first
}

func (c *challenge) bearer() Challenge {
	b := Challenge{Error: c.params["error"], ResourceMetadata: c.params["resource_metadata"]}
	for _, s := range strings.Fields(c.params["scope"]) {
		if len(b.Scopes) < maxScopes && len(s) <= maxScopeLen && IsScope(s) && !slices.Contains(b.Scopes, s) {
			b.Scopes = append(b.Scopes, s)
		}
	}
	return b
}

// challenges takes a header line apart: schemes, each with parameters or a
// token68, all separated by commas.
func challenges(line string) []challenge {
	var out []challenge
	for s := line; ; {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return out
		}
		word, rest := cutToken(s)
		if word == "" { // no token: what follows cannot be told
			return out
		}
		after := strings.TrimLeft(rest, " \t")
		if value, left, ok := cutValue(after); ok && len(out) > 0 {
			name := strings.ToLower(word)
			if _, twice := out[len(out)-1].params[name]; !twice {
				out[len(out)-1].params[name] = value
			}
			s = left
			continue
		}
		out = append(out, challenge{word, map[string]string{}})
		s = skip68(after)
	}
}

// cutToken cuts a token (RFC 9110 §5.6.2) off the front.
func cutToken(s string) (token, rest string) {
	i := strings.IndexFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i:]
}

// cutValue cuts "= value" off the front, a token or a quoted string.
func cutValue(s string) (value, rest string, ok bool) {
	s, ok = strings.CutPrefix(s, "=")
	if !ok {
		return "", "", false
	}
	s = strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, `"`) {
		value, rest = cutToken(s)
		return value, rest, value != ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
			fallthrough
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false // the quote never ends
}

// skip68 skips the token68 of a challenge such as "Negotiate YII/=", which is no
// parameter.
func skip68(s string) string {
	word, rest := cutToken(s)
	if _, _, param := cutValue(strings.TrimLeft(rest, " \t")); word != "" && param {
		return s
	}
	if i := strings.IndexAny(s, ", \t"); i >= 0 {
		return s[i:]
	}
	return ""
}
