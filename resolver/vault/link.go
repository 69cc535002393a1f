package vault

import (
	"errors"
	"time"

	"github.com/fernet/fernet-go"
)

// linkField is what a sealed link is sealed for, beside its account.
const linkField = "@link"

// SealLink seals what a link for one account says, so that whoever carries the
// link can neither read nor change it, nor use it for another account.
func (v *Vault) SealLink(accountID, text string) string {
	tok, err := fernet.EncryptAndSign([]byte(sealPrefix(accountID, linkField)+text), v.keys.keys[0])
	if err != nil {
		panic("vault: no random numbers: " + err.Error())
	}
	return string(tok)
}

// OpenLink is the inverse of SealLink for links that are younger than maxAge. It
// returns ErrNotFound for what was not sealed here for that account, and
// ErrExpired.
func (v *Vault) OpenLink(accountID, sealed string, maxAge time.Duration) (string, error) {
	value, _, err := v.keys.open(owner{id: accountID}, linkField, sealed)
	if errors.Is(err, ErrWrongKey) || errors.Is(err, ErrMoved) {
		return "", ErrNotFound
	}
	if err != nil {
		return "", err
	}
	if fernet.VerifyAndDecrypt([]byte(sealed), maxAge, v.keys.keys) == nil {
		return "", ErrExpired
	}
	return value.Reveal(), nil
}
