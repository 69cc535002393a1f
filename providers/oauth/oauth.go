// Package oauth obtains credentials: one file per grant type, over one function
// that sends token requests. What a service wants is data (Spec); what comes
// back is understood as declared or refused.
package oauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// Config is a Spec, compiled. It holds no secret and is safe for concurrent use.
type Config struct {
	spec  Spec
	grant grant

	token   *step
	refresh *step
}

// grant is one way to obtain a token.
type grant struct {
	// urls are the keys of Spec that must be there.
	urls []string
	// compile prepares what only this grant type needs; it may be nil.
	compile func(*Config) error
	// token obtains a token.
	token func(context.Context, *run) (*Token, error)
}

// grants is every grant type that a connector may name. To add one: write its
// file and its line here.
var grants = map[string]grant{
	"client_credentials": {urls: []string{"token_url"}, token: clientCredentials},
}

// Request is what one token request needs besides the Config.
type Request struct {
	// HTTP sends the requests.
	HTTP Doer
	// App is the OAuth client: client_id, client_secret, private_key.
	App secret.Values
	// Fields are the account's.
	Fields secret.Values
	// Account is the account's metadata, {account.NAME} in templates.
	Account map[string]string
	// RefreshToken makes it a refresh, where the grant type has one.
	RefreshToken secret.Value
	// Token is the access token so far, {token}, for connectors that exchange
	// one token for the next.
	Token secret.Value
	// Scopes are asked for instead of the connector's, when not nil.
	Scopes []string
	// Now is time.Now when nil.
	Now func() time.Time
}

// Token is an answer that brought one.
type Token struct {
	// Credential is ready to use; its Generation is 0, for the caller to set.
	Credential secret.Credential
	// RefreshToken replaces the old one and must be saved before Credential is
	// used. Zero: keep the old one.
	RefreshToken secret.Value
	// RefreshExpiry is when the refresh token ends; zero when that is not known.
	RefreshExpiry time.Time
	// Metadata was captured from the answer.
	Metadata map[string]string
}

// Token obtains a token: by refresh when there is a refresh token and the
// grant type uses them, else in the way of the grant type.
//
// An answer without a token is an *Error. ErrNeedsConsent means that only a
// person can start this grant type.
func (c *Config) Token(ctx context.Context, r Request) (*Token, error) {
	run, err := c.start(&r)
	if err != nil {
		return nil, err
	}
	return c.grant.token(ctx, run)
}

// Margin is how long before expiry the connector wants a new token fetched;
// zero leaves it to the caller.
func (c *Config) Margin() time.Duration { return c.token.response.margin }

// GrantType is the compiled Spec's, with the default filled in.
func (c *Config) GrantType() string { return c.spec.GrantType }

// Compile checks s and prepares it. Its errors say which key is wrong and what
// to write instead.
func Compile(s Spec) (*Config, error) {
	s.GrantType = or(s.GrantType, "authorization_code")
	g, ok := grants[s.GrantType]
	if !ok {
		return nil, fmt.Errorf("grant_type %q is not one of %s", s.GrantType, words(grants))
	}
	c := &Config{spec: s, grant: g}
	if err := c.checkWords(); err != nil {
		return nil, err
	}
	for _, key := range g.urls {
		if s.url(key) == "" {
			return nil, fmt.Errorf("%s is missing: grant_type %s needs it", key, s.GrantType)
		}
	}
	if err := c.compileSteps(); err != nil {
		return nil, err
	}
	if g.compile != nil {
		if err := g.compile(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// url returns the Spec's URL by its key.
func (s *Spec) url(key string) string {
	return map[string]string{
		"authorize_url": s.AuthorizeURL, "token_url": s.TokenURL, "refresh_url": s.RefreshURL,
		"device_url": s.DeviceURL, "revoke_url": s.RevokeURL, "request_token_url": s.RequestTokenURL,
	}[key]
}

func (c *Config) checkWords() error {
	s := &c.spec
	if s.HeaderAsPayload {
		if s.TokenAuth != "" && s.TokenAuth != "post" {
			return fmt.Errorf("header_as_payload means token_auth post, but token_auth is %q; leave one out", s.TokenAuth)
		}
		s.TokenAuth = "post"
	}
	s.TokenAuth = or(s.TokenAuth, "basic")
	switch s.PKCE {
	case "", "supported", "required", "off":
	default:
		return fmt.Errorf("pkce %q is not one of required, supported, off", s.PKCE)
	}
	switch s.PKCEEncoding {
	case "", "base64url", "hex":
	default:
		return fmt.Errorf("pkce_encoding %q is not one of base64url, hex", s.PKCEEncoding)
	}
	s.ScopeSeparator = or(s.ScopeSeparator, " ")
	return nil
}

// tokenStep is the token request as a step.
func (s *Spec) tokenStep() StepSpec {
	return StepSpec{
		URL: s.TokenURL, Method: s.TokenMethod, ContentType: s.ContentType, Auth: s.TokenAuth,
		Headers: s.TokenHeaders, Params: s.TokenParams, Rename: s.Rename, Drop: s.Drop, Response: s.Response,
	}
}

func (c *Config) compileSteps() (err error) {
	if c.spec.TokenURL == "" {
		return nil
	}
	c.token, err = compileStep("token", c.spec.tokenStep(), c.spec.AllowHTTP)
	return err
}

// credential is the part of the run's variables that {fields.…} and {token} read.
func (r *run) credential() *secret.Credential {
	fields := make(secret.Values, len(r.Fields)+4)
	for name, v := range r.Fields {
		fields[name] = v
	}
	if !r.RefreshToken.IsZero() {
		fields["refresh_token"] = r.RefreshToken
	}
	return &secret.Credential{Token: r.Token, Fields: fields}
}

// newNonce is a random UUID, the form that most services with a request id want.
func newNonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // does not fail, since Go 1.24
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

var errNoAssertion = errors.New("private_key_jwt needs the app's private_key")

func (r *run) signClientAssertion(audience string) (string, error) { return "", errNoAssertion }
