// Package oauth obtains credentials: one file per grant type, over one function
// that sends token requests. What a service wants is data (Spec); what comes
// back is understood as declared or refused.
package oauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/oauth/spec"
	"github.com/attache-proxy/attache/providers/secret"
)

// Config is a Spec, compiled. It holds no secret and is safe for concurrent use.
type Config struct {
	spec     Spec
	grant    grant
	compiler *compiler

	authorize *authorize
	token     *step
	refresh   *step
	device    *step
	revoke    *step
	obtain    []*step
	then      []*step
	resolve   []*step

	assertion    *assertion
	certificate  *certificate
	exchange     *exchange8693
	google       *google
	aws          *awsIAM
	requestToken *step
}

// grant is one way to obtain a token.
type grant struct {
	// urls are the keys of Spec that must be there.
	urls []string
	// defaults fills in what the Spec leaves open; it may be nil.
	defaults func(*Spec)
	// compile prepares what only this grant type needs; it may be nil.
	compile func(*Config) error
	// token obtains a token.
	token func(context.Context, *run) (*Token, error)
	// refreshes says that answers bring refresh tokens, which are then used.
	refreshes bool
	// alone says that no person is needed: when a refresh token has died, the
	// grant starts over.
	alone bool
}

// grants is every grant type that a connector may name. To add one: write its
// file and its line here.
var grants = map[string]grant{
	"authorization_code": {urls: []string{"authorize_url", "token_url"}, token: exchangeCode, refreshes: true},
	"client_credentials": {urls: []string{"token_url"}, token: clientCredentials},
	"device_code":        {urls: []string{"device_url", "token_url"}, token: pollDevice, refreshes: true},
	"refresh_token":      {urls: []string{"token_url"}, token: refreshToken, refreshes: true},
	"obtain":             {compile: compileObtain, token: obtainChain, refreshes: true, alone: true},

	"jwt_bearer":     {urls: []string{"token_url"}, defaults: noClient, token: jwtBearer},
	"jwt":            {token: mintJWT},
	"token_exchange": {urls: []string{"token_url"}, compile: compileExchange, token: tokenExchange},
	"github_app":     {defaults: githubDefaults, token: githubApp},

	"gcs_service_account": {defaults: googleDefaults, compile: compileGoogle, token: gcsServiceAccount},
	"aws_iam":             {compile: compileAWS, token: awsCredential},

	"oauth1": {urls: []string{"request_token_url", "authorize_url", "token_url"}, defaults: oauth1Defaults, compile: compileOAuth1, token: oauth1Token},
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
	// Code, Verifier and RedirectURI are those of an authorization that came back.
	Code        secret.Value
	Verifier    secret.Value
	RedirectURI string
	// DeviceCode makes it one poll for a device's authorization.
	DeviceCode secret.Value
	// Token is the access token so far, {token}, for connectors that exchange
	// one token for the next.
	Token secret.Value
	// TokenSecret goes with Token in OAuth 1.0a.
	TokenSecret secret.Value
	// Ambient is the machine's own identity, for accounts that the operator made;
	// nil otherwise.
	Ambient Ambient
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
	// RefreshTokenGone says that the old refresh token has ended and none came.
	RefreshTokenGone bool
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
//
// Where a step after a refresh fails, the Token comes with the error: its
// RefreshToken has replaced the old one already, and must be saved.
func (c *Config) Token(ctx context.Context, r Request) (*Token, error) {
	run, err := c.start(&r)
	if err != nil {
		return nil, err
	}
	t, first, err := c.first(ctx, run)
	if err != nil {
		return nil, err
	}
	if err := run.chain(ctx, c.then, t); err != nil {
		if first {
			t = nil
		}
		return t, err
	}
	if first {
		if err := run.chain(ctx, c.resolve, t); err != nil {
			return nil, err
		}
	}
	run.mergeFields(t)
	return t, nil
}

// first is Token without the steps that follow. first reports that the token
// does not come from a refresh.
func (c *Config) first(ctx context.Context, r *run) (t *Token, first bool, err error) {
	fresh := !r.Code.IsZero() || !r.DeviceCode.IsZero()
	if c.refresh != nil && !r.RefreshToken.IsZero() && !fresh {
		t, err = refreshToken(ctx, r)
		if !c.grant.alone || !errors.Is(err, ErrInvalidGrant) {
			return t, false, err
		}
	}
	t, err = c.grant.token(ctx, r)
	return t, true, err
}

// Margin is how long before expiry the connector wants a new token fetched;
// zero leaves it to the caller.
func (c *Config) Margin() time.Duration {
	if d := time.Duration(c.spec.Response.Margin); d > 0 || len(c.obtain) == 0 {
		return d
	}
	return c.obtain[len(c.obtain)-1].response.margin
}

// GrantType is the compiled Spec's, with the default filled in.
func (c *Config) GrantType() string { return c.spec.GrantType }

// credential is the part of the run's variables that {fields.…} and {token} read.
func (r *run) credential() *secret.Credential {
	fields := make(secret.Values, len(r.Fields)+4)
	for name, v := range r.Fields {
		fields[name] = v
	}
	for name, v := range map[string]secret.Value{
		"refresh_token": r.RefreshToken, "code": r.Code, "code_verifier": r.Verifier, "device_code": r.DeviceCode,
		"redirect_uri": secret.New(r.RedirectURI), "scope": secret.New(strings.Join(r.scopes(), r.c.spec.ScopeSeparator)),
	} {
		if !v.IsZero() {
			fields[name] = v
		}
	}
	return &secret.Credential{Token: r.Token, Fields: fields}
}

// mergeFields adds the account's fields to a credential that has some of its
// own, so that a signer finds all of them in one place.
func (r *run) mergeFields(t *Token) {
	if t.Credential.Fields == nil {
		return
	}
	for name, v := range r.Fields {
		if _, ok := t.Credential.Fields[name]; !ok {
			t.Credential.Fields[name] = v
		}
	}
}

// noClient is for grants whose assertion says who the client is.
func noClient(s *Spec) {
	if s.HeaderAsPayload == nil {
		s.TokenAuth = or(s.TokenAuth, "off")
	}
}

// newUUID is a random UUID (version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // does not fail, since Go 1.24
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// The parts of a Spec, as connectors write them.
type (
	Spec            = spec.Spec
	AuthorizeSpec   = spec.AuthorizeSpec
	CallbackSpec    = spec.CallbackSpec
	ResponseSpec    = spec.ResponseSpec
	StepSpec        = spec.StepSpec
	AssertionSpec   = spec.AssertionSpec
	CertificateSpec = spec.CertificateSpec
	ExchangeSpec    = spec.ExchangeSpec
	AWSSpec         = spec.AWSSpec
	GoogleSpec      = spec.GoogleSpec
	List            = spec.List
	Duration        = spec.Duration
	Steps           = spec.Steps
	Params          = spec.Params
)

// Ambient is the identity of the machine that we run on: instance metadata,
// files and variables of the clouds' own tools. Only accounts that the operator
// made may use it; those that a person made over the API must not reach it.
type Ambient interface {
	// AWS returns access_key_id, secret_access_key and session_token; expiry is
	// zero for keys that do not expire.
	AWS(ctx context.Context, region string) (fields secret.Values, expiry time.Time, err error)
	// Google returns an access token with these scopes.
	Google(ctx context.Context, scopes []string) (token secret.Value, expiry time.Time, err error)
}
