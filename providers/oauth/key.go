package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// keyEncodings are the words of assertion.key_encoding.
var keyEncodings = map[string]func(string) ([]byte, error){
	"":       func(s string) ([]byte, error) { return []byte(s), nil },
	"hex":    hex.DecodeString,
	"base64": base64.StdEncoding.DecodeString,
}

// signingKey finds the key: the Spec's template, else the app's or the account's
// private_key.
func (a *assertion) signingKey(r *run) (jose.SigningKey, error) {
	var src string
	var err error
	switch {
	case a.key != nil:
		if src, err = a.key.Eval(&r.vars); err != nil {
			return jose.SigningKey{}, fmt.Errorf("assertion.key: %w", err)
		}
	case !r.vars.App.Get("private_key").IsZero():
		src = r.vars.App.Get("private_key").Reveal()
	default:
		src = r.vars.Cred.Fields.Get("private_key").Reveal()
	}
	if src == "" {
		return jose.SigningKey{}, errors.New("assertion: there is no private_key, neither of the app nor of the account")
	}
	if strings.HasPrefix(string(a.alg), "HS") {
		raw, err := a.decode(src)
		if err != nil {
			return jose.SigningKey{}, errors.New("assertion: the key is not in the encoding that key_encoding says")
		}
		return jose.SigningKey{Algorithm: a.alg, Key: raw}, nil
	}
	key, kid, err := parseKey(src)
	if err != nil {
		return jose.SigningKey{}, err
	}
	alg := a.alg
	if alg == "" {
		alg = usualAlgorithm(key)
	}
	if kid != "" {
		return jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil
	}
	return jose.SigningKey{Algorithm: alg, Key: key}, nil
}

// parseKey reads a private key as PEM (PKCS #8, PKCS #1, SEC 1) or JWK. Its
// errors do not quote it.
func parseKey(src string) (key crypto.Signer, kid string, err error) {
	if strings.HasPrefix(strings.TrimSpace(src), "{") {
		var jwk jose.JSONWebKey
		if err := jwk.UnmarshalJSON([]byte(src)); err != nil {
			return nil, "", errors.New("assertion: the private key is not a JWK")
		}
		signer, ok := jwk.Key.(crypto.Signer)
		if !ok {
			return nil, "", errors.New("assertion: the JWK is not a private key")
		}
		return signer, jwk.KeyID, nil
	}
	block, _ := pem.Decode([]byte(unescapePEM(src)))
	if block == nil {
		return nil, "", errors.New("assertion: the private key is neither PEM nor JWK")
	}
	var k any
	switch block.Type {
	case "PRIVATE KEY":
		k, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		k, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		k, err = x509.ParseECPrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, "", errors.New("assertion: the private key is encrypted; decrypt it first, as with openssl pkcs8")
	default:
		return nil, "", errors.New("assertion: the PEM holds no private key")
	}
	signer, ok := k.(crypto.Signer)
	if err != nil || !ok {
		return nil, "", errors.New("assertion: the private key cannot be read")
	}
	return signer, "", nil
}

// usualAlgorithm is the one that a key of this kind signs with where nothing
// else is said.
func usualAlgorithm(key crypto.Signer) jose.SignatureAlgorithm {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return jose.RS256
	case ed25519.PrivateKey:
		return jose.EdDSA
	case *ecdsa.PrivateKey:
		switch k.Curve {
		case elliptic.P384():
			return jose.ES384
		case elliptic.P521():
			return jose.ES512
		}
	}
	return jose.ES256
}
