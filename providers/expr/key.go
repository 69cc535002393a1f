package expr

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // registers SHA-1 for rsa_sha1
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// keys are signatures with a private key, in PEM (PKCS 1, PKCS 8, SEC 1) or in
// base64 of the same; Ed25519 also as its 32 or 64 bytes. All give bytes.
var keys = []function{
	signature("rsa_sha1", "RSA PKCS #1 v1.5 with SHA-1", func(k, m []byte) ([]byte, error) { return signRSA(k, m, crypto.SHA1, false) }),
	signature("rsa_sha256", "RSA PKCS #1 v1.5 with SHA-256", func(k, m []byte) ([]byte, error) { return signRSA(k, m, crypto.SHA256, false) }),
	signature("rsa_sha384", "RSA PKCS #1 v1.5 with SHA-384", func(k, m []byte) ([]byte, error) { return signRSA(k, m, crypto.SHA384, false) }),
	signature("rsa_sha512", "RSA PKCS #1 v1.5 with SHA-512", func(k, m []byte) ([]byte, error) { return signRSA(k, m, crypto.SHA512, false) }),
	signature("rsa_pss_sha256", "RSA PSS with SHA-256 and a salt of 32 bytes", func(k, m []byte) ([]byte, error) { return signRSA(k, m, crypto.SHA256, true) }),
	signature("rsa_pss_sha512", "RSA PSS with SHA-512 and a salt of 64 bytes", func(k, m []byte) ([]byte, error) { return signRSA(k, m, crypto.SHA512, true) }),
	signature("ecdsa_sha256", "ECDSA with SHA-256, in DER", func(k, m []byte) ([]byte, error) { return signECDSA(k, m, crypto.SHA256, false) }),
	signature("ecdsa_sha256_raw", "ECDSA with SHA-256, r and s side by side", func(k, m []byte) ([]byte, error) { return signECDSA(k, m, crypto.SHA256, true) }),
	signature("ecdsa_sha384_raw", "ECDSA with SHA-384, r and s side by side", func(k, m []byte) ([]byte, error) { return signECDSA(k, m, crypto.SHA384, true) }),
	signature("ed25519", "Ed25519", signEd25519),
	{name: "key_fingerprint", params: []*cel.Type{text}, result: cel.BytesType, doc: "SHA-256 of the public half of a private key (DER)",
		call: func(args []ref.Val) ref.Val {
			fp, err := fingerprint(bytesOf(args[0]))
			if err != nil {
				return types.WrapErr(err)
			}
			return types.Bytes(fp)
		}},
}

func signature(name, doc string, f func(key, msg []byte) ([]byte, error)) function {
	return function{name: name, params: []*cel.Type{text, text}, result: cel.BytesType, doc: doc + ": private key, text",
		call: func(args []ref.Val) ref.Val {
			sig, err := f(bytesOf(args[0]), bytesOf(args[1]))
			if err != nil {
				return types.WrapErr(EvalError(name + ": " + err.Error()))
			}
			return types.Bytes(sig)
		}}
}

// ParseKey reads a private key: *rsa.PrivateKey, *ecdsa.PrivateKey or
// ed25519.PrivateKey. Its error holds nothing of the key.
func ParseKey(text []byte) (crypto.Signer, error) {
	der := text
	// Keys that went through an environment variable often have \n as two letters.
	if block, _ := pem.Decode([]byte(strings.ReplaceAll(string(text), `\n`, "\n"))); block != nil {
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return nil, EvalError("the private key is encrypted: store it without a passphrase")
		}
		der = block.Bytes
	} else if b, err := decodeBase64(strings.TrimSpace(string(text))); err == nil {
		der = b
	}
	switch len(der) {
	case ed25519.SeedSize:
		return ed25519.NewKeyFromSeed(der), nil
	case ed25519.PrivateKeySize:
		return ed25519.PrivateKey(der), nil
	}
	if k, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if s, ok := k.(crypto.Signer); ok {
			return s, nil
		}
	}
	if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return k, nil
	}
	if k, err := x509.ParseECPrivateKey(der); err == nil {
		return k, nil
	}
	return nil, EvalError("want a private key in PEM (PKCS 1, PKCS 8 or SEC 1)")
}

func signRSA(key, msg []byte, h crypto.Hash, pss bool) ([]byte, error) {
	k, err := ParseKey(key)
	if err != nil {
		return nil, err
	}
	r, ok := k.(*rsa.PrivateKey)
	if !ok {
		return nil, EvalError("want an RSA key")
	}
	var sig []byte
	if pss {
		sig, err = rsa.SignPSS(rand.Reader, r, h, sum(h, msg), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	} else {
		sig, err = rsa.SignPKCS1v15(nil, r, h, sum(h, msg))
	}
	if err != nil {
		return nil, EvalError("the RSA key cannot sign")
	}
	return sig, nil
}

// signECDSA signs with the nonce of RFC 6979, which needs no random source.
func signECDSA(key, msg []byte, h crypto.Hash, raw bool) ([]byte, error) {
	k, err := ParseKey(key)
	if err != nil {
		return nil, err
	}
	e, ok := k.(*ecdsa.PrivateKey)
	if !ok {
		return nil, EvalError("want an EC key")
	}
	der, err := e.Sign(nil, sum(h, msg), h)
	if err != nil {
		return nil, EvalError("the EC key cannot sign")
	}
	if !raw {
		return der, nil
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		return nil, EvalError("the EC key cannot sign")
	}
	size := (e.Curve.Params().BitSize + 7) / 8
	out := make([]byte, 2*size)
	rs.R.FillBytes(out[:size])
	rs.S.FillBytes(out[size:])
	return out, nil
}

func signEd25519(key, msg []byte) ([]byte, error) {
	k, err := ParseKey(key)
	if err != nil {
		return nil, err
	}
	e, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, EvalError("want an Ed25519 key")
	}
	return ed25519.Sign(e, msg), nil
}

func sum(h crypto.Hash, msg []byte) []byte {
	d := h.New()
	d.Write(msg)
	return d.Sum(nil)
}

// fingerprint is the SHA-256 of the public key's DER, as Snowflake names keys.
func fingerprint(key []byte) ([]byte, error) {
	k, err := ParseKey(key)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		return nil, EvalError("the key has no public half")
	}
	return sum(crypto.SHA256, der), nil
}

// SignRSA signs msg with PKCS #1 v1.5.
func SignRSA(key, msg []byte, h crypto.Hash) ([]byte, error) { return signRSA(key, msg, h, false) }
