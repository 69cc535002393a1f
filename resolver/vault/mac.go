package vault

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// MAC is a keyed hash of text, in hexadecimal: nobody without this vault can make
// or foretell one. What was made for one purpose is none for another.
func (v *Vault) MAC(purpose, text string) string {
	h := hmac.New(sha256.New, v.salt)
	h.Write([]byte("mac " + lengthened(purpose) + text))
	return hex.EncodeToString(h.Sum(nil)[:16])
}
