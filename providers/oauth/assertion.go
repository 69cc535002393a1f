package oauth

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/attache-proxy/attache/providers/expr"
)

// assertion is an AssertionSpec, compiled: a JWT that we sign ourselves.
type assertion struct {
	alg              jose.SignatureAlgorithm
	key, kid, cert   *expr.Template // nil where the Spec is silent
	iss, sub, aud    *expr.Template
	decode           func(string) ([]byte, error) // of an HMAC key
	lifetime, before time.Duration                // exp and iat, from now
	claims, headers  map[string]*tree
}

// algorithms are the words of assertion.alg. Symmetric ones sign with the key's
// bytes, client_secret_jwt's way.
var algorithms = map[string]jose.SignatureAlgorithm{
	"":      "",
	"RS256": jose.RS256, "RS384": jose.RS384, "RS512": jose.RS512,
	"PS256": jose.PS256, "PS384": jose.PS384, "PS512": jose.PS512,
	"ES256": jose.ES256, "ES384": jose.ES384, "ES512": jose.ES512,
	"EdDSA": jose.EdDSA,
	"HS256": jose.HS256, "HS384": jose.HS384, "HS512": jose.HS512,
}

const defaultAssertionLife = 5 * time.Minute

func (k *compiler) assertion(s AssertionSpec) (*assertion, error) {
	a := &assertion{lifetime: time.Duration(s.Lifetime), before: time.Duration(s.Before)}
	if a.lifetime == 0 {
		a.lifetime = defaultAssertionLife
	}
	var ok bool
	if a.alg, ok = algorithms[s.Alg]; !ok {
		return nil, fmt.Errorf("assertion.alg %q is not one of %s", s.Alg, words(algorithms))
	}
	if a.decode, ok = keyEncodings[s.KeyEncoding]; !ok {
		return nil, fmt.Errorf("assertion.key_encoding %q is not one of %s", s.KeyEncoding, words(keyEncodings))
	}
	for _, t := range []struct {
		key, src string
		to       **expr.Template
	}{
		{"key", s.Key, &a.key}, {"kid", s.KeyID, &a.kid}, {"certificate", s.Certificate, &a.cert},
		{"issuer", s.Issuer, &a.iss}, {"subject", s.Subject, &a.sub}, {"audience", s.Audience, &a.aud},
	} {
		if t.src == "" {
			continue
		}
		compiled, err := k.template(t.src)
		if err != nil {
			return nil, fmt.Errorf("assertion.%s: %w", t.key, err)
		}
		*t.to = compiled
	}
	var err error
	if a.claims, err = k.params("assertion.claims", s.Claims, true); err != nil {
		return nil, err
	}
	a.headers, err = k.params("assertion.headers", s.Headers, true)
	return a, err
}

// sign makes the JWT; audience is used where the Spec names none.
func (a *assertion) sign(r *run, audience string) (string, error) {
	key, err := a.signingKey(r)
	if err != nil {
		return "", err
	}
	claims, err := a.claimSet(r, audience)
	if err != nil {
		return "", err
	}
	opts, err := a.header(r)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(key, opts)
	if err != nil {
		return "", fmt.Errorf("assertion: the key does not do for %s", key.Algorithm)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("assertion: the key does not do for %s", key.Algorithm)
	}
	return token, nil
}

// evalOr evaluates t, or returns otherwise where the Spec is silent.
func evalOr(t *expr.Template, v *expr.Vars, otherwise string) (string, error) {
	if t == nil {
		return otherwise, nil
	}
	return t.Eval(v)
}

// claimSet is RFC 7523 §3, with the Spec's own claims on top. A claim of null
// is left out.
func (a *assertion) claimSet(r *run, audience string) (map[string]any, error) {
	id := r.vars.App.Get("client_id").Reveal()
	claims := map[string]any{
		"iat": r.now.Add(-a.before).Unix(),
		"exp": r.now.Add(a.lifetime).Unix(),
		"jti": newUUID(),
	}
	iss, err := evalOr(a.iss, &r.vars, id)
	if err != nil {
		return nil, fmt.Errorf("assertion.issuer: %w", err)
	}
	sub, err := evalOr(a.sub, &r.vars, iss)
	if err != nil {
		return nil, fmt.Errorf("assertion.subject: %w", err)
	}
	aud, err := evalOr(a.aud, &r.vars, audience)
	if err != nil {
		return nil, fmt.Errorf("assertion.audience: %w", err)
	}
	for name, v := range map[string]string{"iss": iss, "sub": sub, "aud": aud} {
		if v != "" {
			claims[name] = v
		}
	}
	extra, err := (&step{key: "assertion.claims", params: a.claims}).added(nil, &r.vars)
	if err != nil {
		return nil, err
	}
	for _, p := range extra {
		if claims[p.name] = p.value; p.value == nil {
			delete(claims, p.name)
		}
	}
	return claims, nil
}

// header is the JOSE header: kid, the certificate's thumbprints, extras.
func (a *assertion) header(r *run) (*jose.SignerOptions, error) {
	opts := (&jose.SignerOptions{}).WithType("JWT")
	kid, err := evalOr(a.kid, &r.vars, r.vars.App.Get("key_id").Reveal())
	if err != nil {
		return nil, fmt.Errorf("assertion.kid: %w", err)
	}
	if kid != "" {
		opts.WithHeader("kid", kid)
	}
	if a.cert != nil {
		cert, err := a.cert.Eval(&r.vars)
		if err != nil {
			return nil, fmt.Errorf("assertion.certificate: %w", err)
		}
		block, _ := pem.Decode([]byte(unescapePEM(cert)))
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, errors.New("assertion.certificate: want a certificate in PEM")
		}
		s1, s256 := sha1.Sum(block.Bytes), sha256.Sum256(block.Bytes)
		opts.WithHeader("x5t", base64.RawURLEncoding.EncodeToString(s1[:]))
		opts.WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(s256[:]))
	}
	extra, err := (&step{key: "assertion.headers", params: a.headers}).added(nil, &r.vars)
	for _, p := range extra {
		opts.WithHeader(jose.HeaderKey(p.name), p.value)
	}
	return opts, err
}

// unescapePEM undoes the \n that environment variables and JSON leave in a PEM.
func unescapePEM(s string) string {
	if strings.Contains(s, "\n") {
		return s
	}
	return strings.ReplaceAll(s, `\n`, "\n")
}

// signClientAssertion is private_key_jwt's signAssertion.
func (r *run) signClientAssertion(audience string) (string, error) {
	if r.c.assertion == nil {
		return "", errors.New("the connector declares no assertion")
	}
	return r.c.assertion.sign(r, audience)
}
