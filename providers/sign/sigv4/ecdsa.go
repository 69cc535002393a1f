package sigv4

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/big"
)

// ecdsaSigner signs with the P-256 key of Signature Version 4A.
type ecdsaSigner struct{ key *ecdsa.PrivateKey }

// sign is deterministic (RFC 6979), so that it needs no random source.
func (e ecdsaSigner) sign(text string) (string, error) {
	sum := sha256.Sum256([]byte(text))
	der, err := e.key.Sign(nil, sum[:], crypto.SHA256)
	if err != nil {
		return "", errors.New("signing with the derived key failed")
	}
	return hex.EncodeToString(der), nil
}

func (e ecdsaSigner) length() int { return signatureLengthECDSA }

// deriveECDSA makes the private key of an access key: the counter mode KDF of
// NIST SP 800-108 with HMAC-SHA256, repeated until the candidate is in range.
func deriveECDSA(k Keys) (ecdsaSigner, error) {
	curve := elliptic.P256()
	limit := new(big.Int).Sub(curve.Params().N, big.NewInt(2))
	for counter := 1; counter < 255; counter++ {
		m := hmac.New(sha256.New, []byte("AWS4A"+k.Secret))
		m.Write([]byte{0, 0, 0, 1})
		m.Write([]byte(AlgorithmV4A))
		m.Write([]byte{0})
		m.Write([]byte(k.ID))
		m.Write([]byte{byte(counter), 0, 0, 1, 0})
		d := new(big.Int).SetBytes(m.Sum(nil))
		if d.Cmp(limit) > 0 {
			continue
		}
		d.Add(d, big.NewInt(1))
		raw := make([]byte, 32)
		key, err := ecdsa.ParseRawPrivateKey(curve, d.FillBytes(raw))
		return ecdsaSigner{key}, err
	}
	return ecdsaSigner{}, errors.New("no ECDSA key can be derived from this access key")
}
