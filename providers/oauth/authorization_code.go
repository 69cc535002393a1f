package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
)

// authorize is the authorization request (RFC 6749 §4.1.1), compiled.
type authorize struct {
	url    *endpoint
	params map[string]*tree
	raw    *expr.Template
}

func (k *compiler) authorize(s *Spec) (*authorize, error) {
	var a authorize
	var err error
	src := s.AuthorizeURL
	if s.Authorize.Fragment {
		// The endpoint's own fragment is the route: https://host/#/oauth.
		src = strings.Replace(src, "#", "%23", 1)
	}
	if a.url, err = k.endpoint("authorize_url", src); err != nil {
		return nil, err
	}
	if a.params, err = k.params("authorize", s.AuthorizeParams, false); err != nil {
		return nil, err
	}
	if a.raw, err = k.template(s.Authorize.Raw); err != nil {
		return nil, fmt.Errorf("authorize.raw: %w", err)
	}
	return &a, nil
}

// Authorization is what an authorization request to a person's browser needs.
type Authorization struct {
	App         secret.Values
	Fields      secret.Values
	Account     map[string]string
	RedirectURI string
	// State binds the callback to the session; it must not be guessable.
	State string
	// Verifier is that of PKCE, from NewVerifier; it is not used where the
	// connector switches PKCE off.
	Verifier secret.Value
	// Scopes instead of the connector's, when not nil.
	Scopes []string
	// Params are added, for example resource (RFC 8707) or login_hint.
	Params map[string]string
}

// NewVerifier makes a code verifier (RFC 7636 §4.1) of 43 characters.
func NewVerifier() secret.Value {
	var b [32]byte
	_, _ = rand.Read(b[:]) // does not fail, since Go 1.24
	return secret.New(base64.RawURLEncoding.EncodeToString(b[:]))
}

// AuthorizeURL returns the URL that a person's browser must open. It works for
// every grant type whose connector has an authorize_url.
func (c *Config) AuthorizeURL(a Authorization) (string, error) {
	if c.authorize == nil {
		return "", fmt.Errorf("grant_type %s has no authorize_url", c.spec.GrantType)
	}
	if a.State == "" {
		return "", errors.New("oauth: Authorization.State is empty")
	}
	r := &run{Request: &Request{App: a.App, Fields: a.Fields, Account: a.Account, Scopes: a.Scopes, RedirectURI: a.RedirectURI}, c: c}
	r.vars = expr.Vars{App: clientOf(r.Request), Account: a.Account}
	r.vars.Cred = r.credential()
	u, err := c.authorize.url.eval(&r.vars, false)
	if err != nil {
		return "", err
	}
	params, err := c.authorizeParams(r, &a)
	if err != nil {
		return "", err
	}
	return c.authorize.write(&c.spec.Authorize, u, params, r)
}

func (c *Config) authorizeParams(r *run, a *Authorization) ([]param, error) {
	s := &c.spec
	id := r.vars.App.Get("client_id").Reveal()
	if id == "" {
		return nil, errors.New("the app has no client_id")
	}
	std := []param{{"response_type", "code"}, {"client_id", id}, {"redirect_uri", or(s.Authorize.RedirectURI, a.RedirectURI)}}
	if p, ok := r.scopeParam(); ok {
		std = append(std, p)
	}
	std = append(std, param{"state", a.State})
	if s.PKCE != "off" && !a.Verifier.IsZero() {
		std = append(std, param{"code_challenge", c.challenge(a.Verifier)}, param{"code_challenge_method", "S256"})
	} else if s.PKCE == "required" {
		return nil, errors.New("oauth: Authorization.Verifier is empty, but the connector requires PKCE")
	}
	names := &step{key: "authorize", rename: s.Authorize.Rename, drop: s.Authorize.Drop, params: c.authorize.params}
	params, err := names.added(names.renamed(std), &r.vars)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(a.Params)) {
		params = append(params, param{name, a.Params[name]})
	}
	return slices.DeleteFunc(params, func(p param) bool { return fmt.Sprint(p.value) == "" }), nil
}

// challenge is the S256 challenge (RFC 7636 §4.2), in hex where a provider
// misread the RFC (TikTok for desktops).
func (c *Config) challenge(verifier secret.Value) string {
	sum := sha256.Sum256([]byte(verifier.Reveal()))
	if c.spec.PKCEEncoding == "hex" {
		return hex.EncodeToString(sum[:])
	}
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// write puts params into u.
func (a *authorize) write(s *AuthorizeSpec, u *url.URL, params []param, r *run) (string, error) {
	query := &url.URL{}
	if !s.Fragment {
		query.RawQuery = u.RawQuery
	}
	for _, p := range params {
		addQuery(query, p.name, fmt.Sprint(p.value))
	}
	clean := true
	raw, err := a.raw.Append(nil, &r.vars, func(dst []byte, s string) []byte {
		clean = clean && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '&' || r == '#' || r == 0x7f })
		return append(dst, s...)
	})
	if err != nil {
		return "", fmt.Errorf("authorize.raw: %w", err)
	}
	if !clean {
		return "", fmt.Errorf("authorize.raw: %w", errURL)
	}
	if len(raw) > 0 {
		query.RawQuery += "&" + string(raw)
	}
	if !s.Fragment {
		u.RawQuery = query.RawQuery
		return u.String(), nil
	}
	base, route, _ := strings.Cut(u.String(), "%23")
	return base + "#" + route + "?" + query.RawQuery, nil
}

// exchangeCode trades the code for a token (RFC 6749 §4.1.3).
func exchangeCode(ctx context.Context, r *run) (*Token, error) {
	if r.Code.IsZero() {
		return nil, ErrNeedsConsent
	}
	std := []param{
		{"grant_type", "authorization_code"},
		{"code", r.Code.Reveal()},
	}
	if uri := or(r.c.spec.Authorize.RedirectURI, r.RedirectURI); uri != "" {
		std = append(std, param{"redirect_uri", uri})
	}
	if r.c.spec.PKCE != "off" && !r.Verifier.IsZero() {
		std = append(std, param{"code_verifier", r.Verifier.Reveal()})
	}
	return r.ask(ctx, r.c.token, std)
}

// Callback is what a provider's redirect to us brought.
type Callback struct {
	Code secret.Value
	// State must be compared with the session's before anything else is done.
	State    string
	Metadata map[string]string
}

// DeniedError is a callback that says no (RFC 6749 §4.1.2.1).
type DeniedError struct {
	Code        string // access_denied, …
	Description string // cleaned
	State       string
}

func (e *DeniedError) Error() string {
	if e.Description == "" {
		return "authorization refused: " + e.Code
	}
	return "authorization refused: " + e.Code + ": " + e.Description
}

// Callback reads the query of the provider's redirect. Parameters that stand
// twice, an answer of no, and another issuer than the connector's (RFC 9207) are
// errors.
func (c *Config) Callback(q url.Values) (*Callback, error) {
	for name, vs := range q {
		if len(vs) > 1 && (name == "state" || name == "error" || name == "iss" || name == c.codeParam()) {
			return nil, fmt.Errorf("callback: %s stands twice", name)
		}
	}
	// Before everything else: a refusal from another provider is none of ours.
	if iss := q.Get("iss"); iss != "" && c.spec.Issuer != "" && iss != c.spec.Issuer {
		return nil, fmt.Errorf("callback: iss is not that of the connector; the answer is from another provider")
	}
	var hide redactor
	if code := q.Get("error"); code != "" {
		return nil, &DeniedError{Code: hide.code(code), Description: hide.clean(q.Get("error_description")), State: q.Get("state")}
	}
	if q.Get("iss") == "" && c.spec.Callback.IssRequired {
		return nil, fmt.Errorf("callback: iss is missing; the answer may be from another provider")
	}
	cb := &Callback{Code: secret.New(q.Get(c.codeParam())), State: q.Get("state")}
	if cb.Code.IsZero() {
		return nil, fmt.Errorf("callback: there is no %s", c.codeParam())
	}
	for name, param := range c.spec.Callback.Capture {
		if v := q.Get(param); v != "" {
			if cb.Metadata == nil {
				cb.Metadata = map[string]string{}
			}
			cb.Metadata[name] = v
		}
	}
	return cb, nil
}

func (c *Config) codeParam() string { return or(c.spec.Callback.Code, "code") }
