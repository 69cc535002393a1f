package oauth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// response is a ResponseSpec, compiled.
type response struct {
	format format
	status []int
	ok     []condition

	accessToken, refreshToken, scope, tokenType path
	tokenTypes                                  []string

	expiresIn, expiresAt, refreshExpiresIn path
	unit                                   string
	zeroNever                              bool
	lifetime, margin                       time.Duration

	err, errDescription path
	codes               map[string]string
	capture, fields     map[string]path
}

// condition is one entry of response.ok.
type condition struct {
	path path
	want []string
}

func compileResponse(key string, s ResponseSpec) (*response, error) {
	p := &response{
		status: s.Status, tokenTypes: s.TokenType, unit: s.ExpiresUnit, codes: s.Errors,
		lifetime: time.Duration(s.Lifetime), margin: time.Duration(s.Margin),
		accessToken:      parsePath(or(s.AccessToken, "access_token")),
		refreshToken:     parsePath(or(s.RefreshToken, "refresh_token")),
		scope:            parsePath(or(s.Scope, "scope")),
		tokenType:        parsePath("token_type"),
		expiresIn:        parsePath(or(s.ExpiresIn, "expires_in")),
		expiresAt:        parsePath(s.ExpiresAt),
		refreshExpiresIn: parsePath(s.RefreshExpiresIn),
		err:              parsePath(or(s.Error, "error")),
		errDescription:   parsePath(or(s.ErrorDescription, "error_description")),
		capture:          paths(s.Capture),
		fields:           paths(s.Fields),
	}
	var ok bool
	if p.format, ok = formats[s.Format]; !ok {
		return nil, fmt.Errorf("%s: response.format %q is not one of %s", key, s.Format, words(formats))
	}
	if p.format == formatString && s.AccessToken == "" {
		p.accessToken = path{whole: true}
	}
	if len(p.status) == 0 {
		p.status = []int{200}
	}
	for _, status := range p.status {
		if status < 200 || status > 299 {
			return nil, fmt.Errorf("%s: response.status %d is not a status of success (200 to 299)", key, status)
		}
	}
	if _, ok := units[s.ExpiresUnit]; !ok {
		return nil, fmt.Errorf("%s: response.expires_unit %q is not one of %s", key, s.ExpiresUnit, words(units))
	}
	switch s.ExpiresZero {
	case "":
	case "never":
		p.zeroNever = true
	default:
		return nil, fmt.Errorf("%s: response.expires_zero %q is not never", key, s.ExpiresZero)
	}
	for _, name := range slices.Sorted(maps.Keys(s.OK)) {
		p.ok = append(p.ok, condition{parsePath(name), strings.Split(s.OK[name], "|")})
	}
	return p, nil
}

func paths(m map[string]string) map[string]path {
	out := make(map[string]path, len(m))
	for name, p := range m {
		out[name] = parsePath(p)
	}
	return out
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// accept is the request's Accept header.
func (p *response) accept() string {
	switch p.format {
	case formatXML:
		return "application/xml"
	case formatForm, formatString, formatNone:
		return "*/*"
	}
	return "application/json"
}

// maxTokenBytes is more than headers of other servers take.
const maxTokenBytes = 64 << 10

// token reads a Token from an answer of success. scopes are those that were
// asked for: RFC 6749 §5.1 lets an answer omit the scope when it is the same.
func (p *response) token(a *answer, now time.Time, scopes []string, separator string) (*Token, error) {
	access, err := secretText(p.accessToken.find(a))
	if err != nil || access.IsZero() {
		return nil, a.refuse("no access token where one was expected; declare response.access_token if it is elsewhere")
	}
	if kind, ok := text(p.tokenType.find(a)); ok && !p.accepts(kind) {
		return nil, a.refuse(fmt.Sprintf("its token_type %q is neither Bearer nor declared in response.token_type", a.hide.code(kind)))
	}
	refresh, err := secretText(p.refreshToken.find(a))
	if err != nil {
		return nil, a.refuse("its refresh token is not a string")
	}
	t := &Token{RefreshToken: refresh}
	t.Credential.Token = access
	if t.Credential.Expiry, err = p.expiry(a, now); err != nil {
		return nil, a.refuse(err.Error())
	}
	if s, ok := text(p.refreshExpiresIn.find(a)); ok {
		if d, err := parseSeconds(s); err == nil && d > 0 {
			t.RefreshExpiry = now.Add(d)
		}
	}
	t.Credential.Scopes = grantedScopes(p.scope.find(a), scopes, separator)
	return t, p.keep(a, t)
}

// keep adds captured metadata and fields to t.
func (p *response) keep(a *answer, t *Token) error {
	for name, path := range p.capture {
		if s, ok := text(path.find(a)); ok && s != "" {
			if t.Metadata == nil {
				t.Metadata = map[string]string{}
			}
			t.Metadata[name] = s
		}
	}
	for name, path := range p.fields {
		v, err := secretText(path.find(a))
		if err != nil || v.IsZero() {
			return a.refuse("response.fields: there is no " + name + " in the answer")
		}
		if t.Credential.Fields == nil {
			t.Credential.Fields = secret.Values{}
		}
		t.Credential.Fields[name] = v
	}
	return nil
}

// accepts reports whether a token of this type may be used. Bearer is case-blind
// (RFC 6749 §5.1).
func (p *response) accepts(kind string) bool {
	if kind == "" || strings.EqualFold(kind, "bearer") {
		return true
	}
	return slices.ContainsFunc(p.tokenTypes, func(t string) bool {
		return t == "any" || strings.EqualFold(t, kind)
	})
}

// secretText is a string or number that can stand in a header, or zero for
// null and what is not there.
func secretText(v any) (secret.Value, error) {
	if v == nil {
		return secret.Value{}, nil
	}
	s, ok := text(v)
	if _, isBool := v.(bool); !ok || isBool || len(s) > maxTokenBytes {
		return secret.Value{}, errors.New("not a string")
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return secret.Value{}, errors.New("control characters")
		}
	}
	return secret.New(s), nil
}

// grantedScopes reads the scope of an answer: a string with the connector's
// separator, spaces or commas, or an array.
func grantedScopes(v any, asked []string, separator string) []string {
	switch v := v.(type) {
	case string:
		if strings.TrimSpace(v) == "" {
			return asked
		}
		return strings.FieldsFunc(v, func(r rune) bool {
			return r == ' ' || r == ',' || strings.ContainsRune(separator, r)
		})
	case []any:
		var out []string
		for _, e := range v {
			if s, ok := text(e); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return asked
}
