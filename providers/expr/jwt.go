package expr

import (
	"crypto"
	"crypto/hmac"
	"encoding/base64"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

var anyMap = cel.MapType(cel.StringType, cel.DynType)

// tokens mint JSON Web Tokens (RFC 7519) for services that want a fresh one.
var tokens = []function{
	{name: "jwt", params: []*cel.Type{cel.StringType, text, anyMap}, result: cel.StringType,
		doc: "a signed JWT: algorithm, key, claims", call: mintJWT},
	{name: "jwt", params: []*cel.Type{cel.StringType, text, anyMap, anyMap}, result: cel.StringType,
		doc: "a signed JWT: algorithm, key, claims, further header members", call: mintJWT},
}

// algorithms of JWS (RFC 7518 §3, RFC 8037), by name.
var algorithms = map[string]func(key, msg []byte) ([]byte, error){
	"HS256": hmacJWS(crypto.SHA256), "HS384": hmacJWS(crypto.SHA384), "HS512": hmacJWS(crypto.SHA512),
	"RS256": func(k, m []byte) ([]byte, error) { return signRSA(k, m, crypto.SHA256, false) },
	"RS384": func(k, m []byte) ([]byte, error) { return signRSA(k, m, crypto.SHA384, false) },
	"RS512": func(k, m []byte) ([]byte, error) { return signRSA(k, m, crypto.SHA512, false) },
	"PS256": func(k, m []byte) ([]byte, error) { return signRSA(k, m, crypto.SHA256, true) },
	"ES256": func(k, m []byte) ([]byte, error) { return signECDSA(k, m, crypto.SHA256, true) },
	"ES384": func(k, m []byte) ([]byte, error) { return signECDSA(k, m, crypto.SHA384, true) },
	"EdDSA": signEd25519,
}

func hmacJWS(h crypto.Hash) func(key, msg []byte) ([]byte, error) {
	return func(key, msg []byte) ([]byte, error) {
		m := hmac.New(h.New, key)
		m.Write(msg)
		return m.Sum(nil), nil
	}
}

func mintJWT(args []ref.Val) ref.Val {
	alg := stringOf(args[0])
	sign, ok := algorithms[alg]
	if !ok {
		return fail("jwt: unknown algorithm; known: HS256, HS384, HS512, RS256, RS384, RS512, PS256, ES256, ES384, EdDSA")
	}
	header := map[string]any{"alg": alg, "typ": "JWT"}
	if len(args) == 4 {
		extra, err := args[3].ConvertToNative(mapType)
		if err != nil {
			return fail("jwt: want a map of header members")
		}
		for k, v := range extra.(map[string]ref.Val) {
			header[k] = v
		}
	}
	var b strings.Builder
	if err := writeJSON(&b, types.DefaultTypeAdapter.NativeToValue(header), 0); err != nil {
		return types.WrapErr(err)
	}
	head := base64.RawURLEncoding.EncodeToString([]byte(b.String()))
	b.Reset()
	if err := writeJSON(&b, args[2], 0); err != nil {
		return types.WrapErr(err)
	}
	input := head + "." + base64.RawURLEncoding.EncodeToString([]byte(b.String()))
	sig, err := sign(bytesOf(args[1]), []byte(input))
	if err != nil {
		return fail("jwt: " + err.Error())
	}
	return types.String(input + "." + base64.RawURLEncoding.EncodeToString(sig))
}
