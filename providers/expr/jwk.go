package expr

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// jwks are what proofs of possession say of a key (DPoP, RFC 9449; HTTP message
// signatures): its public half, and a name that follows from it.
var jwks = []function{
	{name: "public_jwk", params: []*cel.Type{text}, result: cel.StringType,
		doc: "the public half of a private key as a JSON Web Key (RFC 7517), with its required members alone, sorted",
		call: func(args []ref.Val) ref.Val {
			jwk, err := PublicJWK(bytesOf(args[0]))
			if err != nil {
				return types.WrapErr(EvalError("public_jwk: " + err.Error()))
			}
			return types.String(jwk)
		}},
	{name: "jwk_thumbprint", params: []*cel.Type{text}, result: cel.BytesType,
		doc: "the SHA-256 thumbprint (RFC 7638) of the public half of a private key",
		call: func(args []ref.Val) ref.Val {
			jwk, err := PublicJWK(bytesOf(args[0]))
			if err != nil {
				return types.WrapErr(EvalError("jwk_thumbprint: " + err.Error()))
			}
			sum := sha256.Sum256([]byte(jwk))
			return types.Bytes(sum[:])
		}},
}

// PublicJWK is the public half of a private key, in the form over which RFC 7638
// makes a thumbprint. Its error holds nothing of the key.
func PublicJWK(key []byte) (string, error) {
	k, err := ParseKey(key)
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding.EncodeToString
	switch pub := k.Public().(type) {
	case *rsa.PublicKey:
		return `{"e":"` + b64(big.NewInt(int64(pub.E)).Bytes()) + `","kty":"RSA","n":"` + b64(pub.N.Bytes()) + `"}`, nil
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		if err != nil {
			return "", EvalError("the key has no public half")
		}
		x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
		return `{"crv":"` + pub.Curve.Params().Name + `","kty":"EC","x":"` + b64(x) + `","y":"` + b64(y) + `"}`, nil
	case ed25519.PublicKey:
		return `{"crv":"Ed25519","kty":"OKP","x":"` + b64(pub) + `"}`, nil
	}
	return "", EvalError("want an RSA, EC or Ed25519 key")
}
