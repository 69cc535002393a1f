package oauth

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/attache-proxy/attache/providers/expr"
)

// clientAuth is how a client proves itself at an endpoint (RFC 6749 §2.3).
type clientAuth int

const (
	authNone       clientAuth = iota // client_id alone, if there is one
	authBasic                        // RFC 6749 §2.3.1: both form-encoded first
	authBasicPlain                   // for endpoints that do not decode them
	authPost                         // client_id and client_secret as parameters
	authJWT                          // private_key_jwt, RFC 7523 §2.2
	authBearerJWT                    // Authorization: Bearer and a JWT of the app, as GitHub Apps do
	authBearer                       // Authorization: Bearer and the token so far
	authDefault                      // post, or none for an app without a secret
	authHeader                       // basic, or none for an app without a secret
	authOff                          // no client at all
)

// inHeader is what header_as_payload: true means.
const inHeader = "basic_or_none"

// clientAuths are the words of token_auth.
var clientAuths = map[string]clientAuth{
	"":                authDefault,
	inHeader:          authHeader,
	"off":             authOff,
	"bearer":          authBearer,
	"bearer_jwt":      authBearerJWT,
	"basic":           authBasic,
	"basic_plain":     authBasicPlain,
	"post":            authPost,
	"none":            authNone,
	"private_key_jwt": authJWT,
}

// signAssertion makes the JWT for private_key_jwt with the given audience.
type signAssertion func(audience string) (string, error)

// apply sets headers, or returns parameters to send.
func (a clientAuth) apply(v *expr.Vars, u *url.URL, h http.Header, sign signAssertion) ([]param, error) {
	id, secret := v.App.Get("client_id").Reveal(), v.App.Get("client_secret").Reveal()
	switch {
	case secret == "" && (a == authDefault || a == authHeader):
		a = authNone
	case a == authDefault:
		a = authPost
	case a == authHeader:
		a = authBasic
	}
	if id == "" && (a == authBasic || a == authBasicPlain || a == authPost) {
		return nil, errors.New("the app has no client_id")
	}
	switch a {
	case authBasic:
		id, secret = url.QueryEscape(id), url.QueryEscape(secret)
		fallthrough
	case authBasicPlain:
		r := http.Request{Header: h}
		r.SetBasicAuth(id, secret)
	case authPost:
		if secret == "" {
			return nil, errors.New("the app has no client_secret; public clients need token_auth none")
		}
		return []param{{"client_id", id}, {"client_secret", secret}}, nil
	case authNone:
		if id != "" {
			return []param{{"client_id", id}}, nil
		}
	case authJWT:
		jwt, err := sign(u.Scheme + "://" + u.Host + u.EscapedPath())
		if err != nil {
			return nil, err
		}
		return []param{
			{"client_id", id},
			{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			{"client_assertion", jwt},
		}, nil
	case authBearerJWT:
		jwt, err := sign(u.Scheme + "://" + u.Host + u.EscapedPath())
		if err != nil {
			return nil, err
		}
		h.Set("Authorization", "Bearer "+jwt)
	case authBearer:
		token := v.Cred.Token.Reveal()
		if token == "" {
			return nil, errors.New("auth bearer: there is no token yet")
		}
		h.Set("Authorization", "Bearer "+token)
	}
	return nil, nil
}
