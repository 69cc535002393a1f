// Package presented finds what could be an agent's token in a request. At the proxy's
// own doors SDKs send it as the service's key: in each way that services have.
package presented

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
)

// Token is what a client sends to say who it is.
type Token struct {
	// User is agent or agent+account; empty where the token stands alone.
	User string
	Text string
}

// Parse reads Basic and Bearer (RFC 7617, RFC 6750), as proxies know them.
func Parse(value string) (Token, bool) {
	scheme, rest, ok := strings.Cut(value, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case !ok || rest == "":
		return Token{}, false
	case strings.EqualFold(scheme, "Bearer"):
		return Token{Text: rest}, true
	case strings.EqualFold(scheme, "Basic"):
		raw, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return Token{}, false
		}
		user, token, _ := strings.Cut(string(raw), ":")
		if u, err := url.PathUnescape(user); err == nil {
			user = u
		}
		return Token{user, token}, true
	}
	return Token{}, false
}

// headers are those in which services take their keys, beside those that the
// connector names.
var headers = []string{"Authorization", "Proxy-Authorization", "X-Api-Key", "Api-Key", "Apikey", "X-Goog-Api-Key", "X-Auth-Token", "X-Access-Token",
	"Private-Token", "Ocp-Apim-Subscription-Key", "X-Functions-Key"}

// parameters are the like in a query; in lower case.
var parameters = []string{"key", "api_key", "apikey", "api-key", "access_token", "token", "auth_token", "apitoken", "api_token", "subscription-key", "code", "skn",
	"x-amz-credential", "x-goog-credential", "awsaccesskeyid", "googleaccessid"}

// most is how many are tried of one request.
const most = 16

// Find tries what could be a token until one is taken, in the connector's headers and
// parameters and in the usual ones, and takes that one off h and u. It reports whether
// there was anything to try. An error of try ends the search.
func Find(h http.Header, u *url.URL, header, query []string, try func(Token) (taken bool, err error)) (seen bool, err error) {
	s := search{try: try}
	for _, names := range [...][]string{headers, header} {
		for _, name := range names {
			values := h[name]
			if len(values) == 0 || values[0] == "" {
				continue
			}
			rest, taken := s.header(values[0])
			if taken && rest == "" {
				delete(h, name)
			} else if taken {
				h[name] = []string{rest}
			}
			if taken {
				s.dropElsewhere(h, name, header)
			}
			if taken || s.err != nil {
				return true, s.err
			}
		}
	}
	if u.RawQuery == "" {
		return s.n > 0, nil
	}
	for name, value := range pairs(u.RawQuery) {
		if !named(name, parameters) && !named(name, query) {
			continue
		}
		id, scope, scoped := strings.Cut(value, "/")
		taken := s.one(Token{Text: id})
		if !taken && s.err == nil {
			continue
		}
		if left := placeholder + "/" + scope; taken && (scoped || signs(name)) {
			u.RawQuery = replaced(u.RawQuery, name, strings.TrimSuffix(left, "/"))
		} else if taken {
			u.RawQuery = expr.QueryWithout(u.RawQuery, name)
		}
		return true, s.err
	}
	return s.n > 0, nil
}

// placeholder stands where a token was the id of a key with which something is signed:
// who signs it anew still finds there for what.
const placeholder = "attache"

type search struct {
	try   func(Token) (bool, error)
	n     int
	found string
	err   error
}

// dropElsewhere takes the token off the other headers in which an SDK sent it, too.
func (s *search) dropElsewhere(h http.Header, at string, more []string) {
	for _, names := range [...][]string{headers, more} {
		for _, name := range names {
			if name != at && slices.ContainsFunc(h[name], func(v string) bool { return strings.Contains(v, s.found) }) {
				delete(h, name)
			}
		}
	}
}

func (s *search) one(t Token) (taken bool) {
	if t.Text == "" || s.n == most || s.err != nil {
		return false
	}
	s.n++
	taken, s.err = s.try(t)
	s.found = t.Text
	return taken && s.err == nil
}

// header tries what a header's value may hold. What is to be left of it is empty where
// the token was all that it said.
func (s *search) header(value string) (rest string, taken bool) {
	if p, ok := Parse(value); ok { // some SDKs put the key into Basic's user name
		if s.one(p) || p.User != "" && s.one(Token{Text: p.User}) {
			return "", true
		}
		return "", false
	}
	if s.one(Token{Text: value}) {
		return "", true
	}
	_, said, _ := strings.Cut(value, " ") // token T, Bot T, and the like
	said = strings.TrimSpace(said)
	if s.one(Token{Text: said}) {
		return "", true
	}
	if id, _, ok := strings.Cut(said, ":"); ok && !strings.ContainsAny(id, "= ") { // AWS ID:SIGNATURE, SharedKey and GOOG1 alike
		if s.one(Token{Text: id}) {
			return strings.Replace(value, id, placeholder, 1), true
		}
	}
	if said == "" {
		said = value
	}
	for part := range strings.FieldsFuncSeq(said, func(c rune) bool { return c == ',' || c == ' ' || c == '&' || c == ';' }) {
		name, v, ok := strings.Cut(part, "=")
		if !ok || !slices.Contains(members, strings.ToLower(name)) {
			continue
		}
		id, _, scoped := strings.Cut(strings.Trim(v, `"'`), "/")
		if decoded, err := url.PathUnescape(id); err == nil && s.one(Token{Text: decoded}) {
			if scoped || strings.Contains(strings.ToLower(said), "signature") {
				return strings.Replace(value, id, placeholder, 1), true
			}
			return "", true
		}
	}
	return "", false
}

// members of a header's value that hold a key or its id: Token token="T", SigV4's
// Credential=T/20260101/…, OAuth 1's oauth_consumer_key, key=T.
var members = []string{"credential", "token", "key", "api_key", "apikey", "access_token", "oauth_token", "oauth_consumer_key", "keyid", "id", "username", "skn"}

// pairs are a raw query's parameters, decoded.
func pairs(raw string) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		for part := range strings.FieldsFuncSeq(raw, func(c rune) bool { return c == '&' || c == ';' }) {
			name, value, _ := strings.Cut(part, "=")
			n, err := url.QueryUnescape(name)
			v, err2 := url.QueryUnescape(value)
			if err == nil && err2 == nil && !yield(n, v) {
				return
			}
		}
	}
}

func named(name string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// signs reports a parameter that is part of a signature.
func signs(name string) bool {
	return named(name, []string{"x-amz-credential", "x-goog-credential", "awsaccesskeyid", "googleaccessid", "skn"})
}

// replaced is a raw query with another value for the first parameter of that name.
func replaced(raw, name, value string) string {
	rest := raw
	for at := 0; at < len(raw); {
		part, more := cutPart(rest)
		n, _, _ := strings.Cut(part, "=")
		if decoded, err := url.QueryUnescape(n); err == nil && decoded == name {
			return raw[:at] + n + "=" + url.QueryEscape(value) + raw[at+len(part):]
		}
		at, rest = at+len(part)+1, more
	}
	return raw
}

// cutPart takes the first parameter off a query.
func cutPart(s string) (part, rest string) {
	if i := strings.IndexAny(s, "&;"); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}
