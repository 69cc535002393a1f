// Package spec is what a connector says about obtaining a credential: the words of
// its YAML, and nothing that runs.
package spec

import "maps"

// Spec is what a connector's option says about obtaining a credential: plain
// data, no secrets. It is inlined in the option, so its keys stand there.
//
// Every string that is sent is a template: {fields.NAME} is a field of the
// account, {app.client_id} one of the OAuth client, {account.NAME} metadata that
// was captured, {token} the access token so far. In token requests {fields.code},
// {fields.refresh_token}, {fields.redirect_uri}, {fields.scope} and
// {fields.code_verifier} are the values of that request.
type Spec struct {
	// GrantType says how the credential is obtained; it is authorization_code
	// when empty. See grants for the others.
	GrantType string `yaml:"grant_type"`

	AuthorizeURL    string `yaml:"authorize_url"`
	TokenURL        string `yaml:"token_url"`
	RefreshURL      string `yaml:"refresh_url"` // TokenURL when empty
	DeviceURL       string `yaml:"device_url"`
	RevokeURL       string `yaml:"revoke_url"`
	RequestTokenURL string `yaml:"request_token_url"` // OAuth 1.0a only

	// Scopes are asked for by default, joined by ScopeSeparator (a space when
	// empty).
	Scopes         List   `yaml:"scopes"`
	ScopeSeparator string `yaml:"scope_separator"`

	// Resource is the API that tokens are for (RFC 8707). It is sent with
	// authorization, device, token and refresh requests.
	Resource string `yaml:"resource"`

	// PKCE is supported when empty; required means the same for us (S256 is
	// always sent), off sends none.
	PKCE string `yaml:"pkce"`
	// PKCEEncoding of the challenge: base64url (RFC 7636) when empty, or hex.
	PKCEEncoding string `yaml:"pkce_encoding"`

	// TokenAuth is how the client proves itself: basic, post, none (client_id
	// alone), private_key_jwt, bearer_jwt, basic_plain (not form-encoded first),
	// basic_or_none (basic, or none for an app without a secret) or off. When empty it is as HeaderAsPayload says, or none for an app without a
	// secret: client id and secret in the body (false, or not given), or in an
	// Authorization: Basic header (true).
	TokenAuth       string `yaml:"token_auth"`
	HeaderAsPayload *bool  `yaml:"header_as_payload"`
	// ContentType of the token request: form (when empty), json or query, or the
	// media type of the first two.
	ContentType string `yaml:"content_type"`
	// TokenMethod is POST when empty.
	TokenMethod string `yaml:"token_method"`

	// AuthorizeParams, DeviceParams, TokenParams and RefreshParams are added to
	// the respective request. A refresh gets RefreshParams alone.
	AuthorizeParams Params `yaml:"authorize_params"`
	DeviceParams    Params `yaml:"device_params"`
	TokenParams     Params `yaml:"token_params"`
	RefreshParams   Params `yaml:"refresh_params"`
	// TokenHeaders are set on token, refresh and device requests.
	TokenHeaders map[string]string `yaml:"token_headers"`

	// Rename and Drop change the names of the standard parameters of token and
	// refresh requests: {client_id: client_key}, [grant_type].
	Rename map[string]string `yaml:"rename"`
	Drop   List              `yaml:"drop"`

	Authorize AuthorizeSpec `yaml:"authorize"`
	Callback  CallbackSpec  `yaml:"callback"`
	Response  ResponseSpec  `yaml:"response"`

	// Refresh, Device and Revoke say where these requests differ from the token
	// request; what they leave out is as there.
	Refresh *StepSpec `yaml:"refresh"`
	Device  *StepSpec `yaml:"device"`
	Revoke  *StepSpec `yaml:"revoke"`
	// Obtain is a login of the provider's own shape, for grant_type obtain.
	Obtain Steps `yaml:"obtain"`
	// Then are steps after each token request that consume its token. Resolve are
	// steps after the first one only: to learn about the account, or to trade a
	// short token for a long one.
	Then    Steps `yaml:"then"`
	Resolve Steps `yaml:"resolve"`

	// OAuth1Signature is hmac-sha1 (when empty), hmac-sha256, rsa-sha1 or plaintext.
	OAuth1Signature string `yaml:"oauth1_signature"`

	// Issuer is what the callback's iss must be, if it has one (RFC 9207).
	Issuer string `yaml:"issuer"`

	// ClientCertificate is presented on connections to the endpoints.
	ClientCertificate CertificateSpec `yaml:"client_certificate"`

	Assertion AssertionSpec `yaml:"assertion"`
	Exchange  ExchangeSpec  `yaml:"exchange"`
	AWS       AWSSpec       `yaml:"aws"`
	Google    GoogleSpec    `yaml:"google"`

	// AllowHTTP lets endpoints be http:// URLs: where the operator allowed it by
	// name, and in tests. It is not part of the file.
	AllowHTTP bool `yaml:"-"`
}

// AuthorizeSpec bends the authorization request (RFC 6749 §4.1.1) to what a
// provider wants.
type AuthorizeSpec struct {
	Rename map[string]string `yaml:"rename"` // {client_id: client_key}
	Drop   List              `yaml:"drop"`   // [response_type]
	// Raw is appended to the query as it is, unencoded: "scope=a+b". {fields.scope}
	// and the other values of the request may stand in it.
	Raw string `yaml:"raw"`
	// Fragment puts the parameters after the URL's #, for single-page routes.
	Fragment bool `yaml:"fragment"`
	// RedirectURI is sent instead of our own: an alias that the provider gave
	// (eBay's RuName).
	RedirectURI string `yaml:"redirect_uri"`
}

// CallbackSpec says what the provider's redirect to us brings.
type CallbackSpec struct {
	// Code is the name of the parameter with the code; "code" when empty.
	Code string `yaml:"code"`
	// Capture keeps query parameters as metadata: {realm_id: realmId}.
	Capture map[string]string `yaml:"capture"`
	// IssRequired refuses callbacks without iss.
	IssRequired bool `yaml:"iss_required"`
}

// ResponseSpec says how to read an answer. Paths are dotted (data.token, an
// index for arrays), "." is the whole body, "header:NAME" and "cookie:NAME" are
// what they say.
type ResponseSpec struct {
	// Format is json, form, string (a bare token), or xml; when empty, JSON or form
	// as the answer's Content-Type says.
	Format string `yaml:"format"`
	// Status lists the statuses of success; 200 alone when empty.
	Status []int `yaml:"status"`
	// OK lists paths and the values that they must have: {ok: "true"}.
	OK map[string]string `yaml:"ok"`

	AccessToken  string `yaml:"access_token"`  // access_token when empty
	RefreshToken string `yaml:"refresh_token"` // refresh_token when empty
	Scope        string `yaml:"scope"`         // scope when empty
	// TokenType lists the token types to accept besides Bearer and none; [any] accepts all.
	TokenType List `yaml:"token_type"`

	ExpiresIn string `yaml:"expires_in"` // expires_in when empty
	// ExpiresAt is a path to an absolute time; it is used instead of ExpiresIn.
	ExpiresAt string `yaml:"expires_at"`
	// ExpiresUnit is s (when empty), ms, min, h or hms ("12:00:00"); for ExpiresAt
	// it is s or ms since 1970, or rfc3339 (when empty, whichever of these it looks like).
	ExpiresUnit string `yaml:"expires_unit"`
	// ExpiresZero says what 0 means: never. When empty, 0 is an error.
	ExpiresZero string `yaml:"expires_zero"`
	// Lifetime is that of tokens whose answer does not say it.
	Lifetime Duration `yaml:"lifetime"`
	// Margin is how long before expiry a new token is fetched; the proxy's own
	// rule when zero.
	Margin Duration `yaml:"margin"`
	// RefreshExpiresIn is a path to the lifetime of the refresh token, in seconds.
	RefreshExpiresIn string `yaml:"refresh_expires_in"`

	// Error and ErrorDescription are paths into an answer that says no, whatever
	// its status; error and error_description when empty.
	Error            string `yaml:"error"`
	ErrorDescription string `yaml:"error_description"`
	// Errors maps the provider's codes to those of RFC 6749 §5.2:
	// {bad_refresh_token: invalid_grant}.
	Errors map[string]string `yaml:"errors"`

	// Capture keeps values as metadata of the account: {instance_url: instance_url}.
	Capture map[string]string `yaml:"capture"`
	// Fields keeps values as secret fields of the credential.
	Fields map[string]string `yaml:"fields"`
}

// StepSpec is one request of a login chain, or the refresh, device or revoke
// request where it differs from the token request.
type StepSpec struct {
	URL    string `yaml:"url"`
	Method string `yaml:"method"` // POST when empty
	// Get is URL with method GET; Auth is then bearer when empty.
	Get string `yaml:"get"`
	// Pick is Response.Capture, for steps that want nothing else.
	Pick        map[string]string `yaml:"pick"`
	ContentType string            `yaml:"content_type"`
	// Auth is as TokenAuth, or bearer for the token so far. When empty it is off
	// in obtain, then and resolve.
	Auth    string            `yaml:"auth"`
	Headers map[string]string `yaml:"headers"`
	Params  Params            `yaml:"params"`
	// Body is sent as it is with ContentType; no Params then.
	Body string `yaml:"body"`
	// Query parameters, besides a body.
	Query  map[string]string `yaml:"query"`
	Rename map[string]string `yaml:"rename"`
	Drop   List              `yaml:"drop"`
	// Replace, in refresh, says that an answer without a refresh token ends the old one.
	Replace  bool         `yaml:"replace"`
	Response ResponseSpec `yaml:"response"`
}

// AssertionSpec describes a JWT that we sign: jwt_bearer (RFC 7523 §2.1),
// private_key_jwt (§2.2), jwt and github_app.
type AssertionSpec struct {
	// Alg is RS256 when empty; RS*, PS*, ES*, EdDSA or HS256.
	Alg string `yaml:"alg"`
	// Key is a template for the PEM or JWK private key; {app.private_key} when empty
	// and the app has one, else {fields.private_key}.
	Key string `yaml:"key"`
	// KeyEncoding of an HMAC key: hex or base64; as it is when empty.
	KeyEncoding string `yaml:"key_encoding"`
	// KeyID is the kid header. Certificate (PEM) gives x5t and x5t#S256.
	KeyID       string `yaml:"kid"`
	Certificate string `yaml:"certificate"`
	// Issuer and Subject are {app.client_id} when empty, Audience the token URL.
	Issuer   string   `yaml:"issuer"`
	Subject  string   `yaml:"subject"`
	Audience string   `yaml:"audience"`
	Lifetime Duration `yaml:"lifetime"` // five minutes when zero
	// Before is how long ago iat is put, for services whose clock is behind ours.
	Before  Duration `yaml:"before"`
	Claims  Params   `yaml:"claims"`
	Headers Params   `yaml:"headers"`
}

// CertificateSpec is a client certificate and its key, templates for PEM.
type CertificateSpec struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// ExchangeSpec describes a token exchange (RFC 8693).
type ExchangeSpec struct {
	SubjectToken       string `yaml:"subject_token"`      // template; {token} when empty
	SubjectTokenType   string `yaml:"subject_token_type"` // access_token when empty
	ActorToken         string `yaml:"actor_token"`
	ActorTokenType     string `yaml:"actor_token_type"`
	RequestedTokenType string `yaml:"requested_token_type"`
	Audience           List   `yaml:"audience"`
	Resource           List   `yaml:"resource"`
}

// AWSSpec describes aws_iam. Each value is a template.
type AWSSpec struct {
	Region      string            `yaml:"region"` // us-east-1 when empty
	RoleARN     string            `yaml:"role_arn"`
	SessionName string            `yaml:"session_name"`
	ExternalID  string            `yaml:"external_id"`
	Policy      string            `yaml:"policy"`
	Duration    Duration          `yaml:"duration"`
	Tags        map[string]string `yaml:"tags"`
	// WebIdentityToken makes it AssumeRoleWithWebIdentity.
	WebIdentityToken string `yaml:"web_identity_token"`
	// Endpoint of STS; the region's when empty.
	Endpoint string `yaml:"endpoint"`
}

// GoogleSpec describes gcs_service_account.
type GoogleSpec struct {
	// Key is a template for the service account's JSON; {fields.service_account} when empty.
	Key string `yaml:"key"`
	// Subject is the user to act for (domain-wide delegation).
	Subject string `yaml:"subject"`
	// SelfSigned sends a JWT of our own as the token, without a token request,
	// for this audience (https://storage.googleapis.com/) or, with scopes, for those.
	SelfSigned bool   `yaml:"self_signed"`
	Audience   string `yaml:"audience"`
}

// SendResource adds resource to every request that has a place for it.
func (s *Spec) SendResource() {
	if s.Resource == "" {
		return
	}
	for _, params := range []*Params{&s.AuthorizeParams, &s.DeviceParams, &s.TokenParams, &s.RefreshParams} {
		if *params = maps.Clone(*params); *params == nil {
			*params = Params{}
		}
		if _, own := (*params)["resource"]; !own {
			(*params)["resource"] = s.Resource
		}
	}
}

// URL returns the Spec's URL by its key.
func (s *Spec) URL(key string) string {
	return map[string]string{
		"authorize_url": s.AuthorizeURL, "token_url": s.TokenURL, "refresh_url": s.RefreshURL,
		"device_url": s.DeviceURL, "revoke_url": s.RevokeURL, "request_token_url": s.RequestTokenURL,
	}[key]
}
