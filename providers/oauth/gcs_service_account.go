package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/expr"
)

// googleTokenURL is what service accounts ask. The token_uri of their key file
// is not used: a file that somebody pastes does not choose whom we talk to.
const googleTokenURL = "https://oauth2.googleapis.com/token"

// googleLife is the longest that Google allows.
const googleLife = time.Hour

// google is a GoogleSpec, compiled.
type google struct{ key, subject, audience *expr.Template }

// serviceAccount is the part of Google's key file that we use.
type serviceAccount struct {
	Type         string `json:"type"`
	ClientEmail  string `json:"client_email"`
	PrivateKeyID string `json:"private_key_id"`
	PrivateKey   string `json:"private_key"`
}

func googleDefaults(s *Spec) {
	s.TokenURL = or(s.TokenURL, googleTokenURL)
	s.TokenAuth = or(s.TokenAuth, "off")
}

func compileGoogle(c *Config) error {
	s := c.spec.Google
	c.google = &google{}
	if s.SelfSigned && s.Subject != "" {
		return errors.New("google.subject needs a token request; take google.self_signed out")
	}
	if s.SelfSigned && s.Audience == "" && len(c.spec.Scopes) == 0 {
		return errors.New("google.self_signed needs google.audience or scopes")
	}
	for _, t := range []struct {
		key, src string
		to       **expr.Template
	}{{"key", s.Key, &c.google.key}, {"subject", s.Subject, &c.google.subject}, {"audience", s.Audience, &c.google.audience}} {
		if t.src == "" {
			continue
		}
		compiled, err := c.compiler.template(t.src)
		if err != nil {
			return fmt.Errorf("google.%s: %w", t.key, err)
		}
		*t.to = compiled
	}
	return nil
}

// gcsServiceAccount obtains an access token with scopes for a service account
// (https://developers.google.com/identity/protocols/oauth2/service-account), or
// signs the token itself where the API takes that, or asks the machine's own
// identity when the operator lets it and no account is named.
func gcsServiceAccount(ctx context.Context, r *run) (*Token, error) {
	key, err := evalOr(r.c.google.key, &r.vars, r.vars.Cred.Fields.Get("service_account").Reveal())
	var missing *expr.MissingError
	switch {
	case errors.As(err, &missing), err == nil && key == "":
		return r.ambientGoogle(ctx)
	case err != nil:
		return nil, fmt.Errorf("google.key: %w", err)
	}
	var account serviceAccount
	if err := json.Unmarshal([]byte(key), &account); err != nil || account.Type != "service_account" || account.ClientEmail == "" {
		return nil, errors.New("the service account is not Google's JSON key file of type service_account")
	}
	if r.c.spec.Google.SelfSigned {
		return r.selfSigned(&account)
	}
	u, err := r.c.token.url.eval(&r.vars, false)
	if err != nil {
		return nil, err
	}
	claims := Params{"sub": nil}
	if p, ok := r.scopeParam(); ok {
		claims["scope"] = literal(fmt.Sprint(p.value))
	}
	if r.c.google.subject != nil {
		subject, err := r.c.google.subject.Eval(&r.vars)
		if err != nil {
			return nil, fmt.Errorf("google.subject: %w", err)
		}
		claims["sub"] = literal(subject)
	}
	jwt, err := r.googleJWT(&account, u.String(), claims)
	if err != nil {
		return nil, err
	}
	return r.ask(ctx, r.c.token, []param{{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"}, {"assertion", jwt}})
}

// selfSigned makes the token without Google (https://google.aip.dev/auth/4111).
func (r *run) selfSigned(account *serviceAccount) (*Token, error) {
	claims := Params{"jti": nil}
	audience, err := evalOr(r.c.google.audience, &r.vars, "")
	if err != nil {
		return nil, fmt.Errorf("google.audience: %w", err)
	}
	if p, ok := r.scopeParam(); ok && audience == "" {
		claims["scope"] = literal(fmt.Sprint(p.value))
	}
	jwt, err := r.googleJWT(account, audience, claims)
	if err != nil {
		return nil, err
	}
	return r.minted(jwt, googleLife), nil
}

func (r *run) googleJWT(account *serviceAccount, audience string, claims Params) (string, error) {
	a, err := (&compiler{fields: map[string]bool{}}).assertion(AssertionSpec{
		Alg: "RS256", Key: literal(account.PrivateKey), KeyID: literal(account.PrivateKeyID),
		Issuer: literal(account.ClientEmail), Lifetime: Duration(googleLife), Claims: claims,
	})
	if err != nil {
		return "", errors.New("the service account's key file has an odd value in it")
	}
	return a.sign(r, audience)
}

// GoogleKey is the key file of a service account that the option obtains its
// tokens with. It is false for other options, and where no key is given.
func (c *Config) GoogleKey(v *expr.Vars) (string, bool) {
	if c.google == nil || c.google.key == nil {
		return "", false
	}
	key, err := c.google.key.Eval(v)
	return key, err == nil && key != ""
}

func (r *run) ambientGoogle(ctx context.Context) (*Token, error) {
	if r.Ambient == nil {
		return nil, errors.New("there is no service account; application default credentials are only for accounts in the operator's configuration")
	}
	token, expiry, err := r.Ambient.Google(ctx, r.scopes())
	if err != nil {
		return nil, fmt.Errorf("application default credentials: %w", err)
	}
	t := &Token{}
	t.Credential.Token, t.Credential.Expiry, t.Credential.Scopes = token, expiry, r.scopes()
	return t, nil
}

// literal is the template that evaluates to s.
func literal(s string) string {
	return strings.NewReplacer("{", "{{", "}", "}}").Replace(s)
}
