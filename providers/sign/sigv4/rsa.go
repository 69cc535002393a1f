package sigv4

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// AlgorithmRSA is the one of URLs that a service account of Google signs
// (https://cloud.google.com/storage/docs/authentication/signatures).
const AlgorithmRSA = "GOOG4-RSA-SHA256"

// rsaSigner signs with the key itself: none is derived for a scope.
type rsaSigner struct{ key *rsa.PrivateKey }

func (r rsaSigner) sign(text string) (string, error) {
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, r.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", errors.New("signing with the RSA key failed")
	}
	return hex.EncodeToString(signature), nil
}

func (r rsaSigner) length() int { return 2 * r.key.Size() }
