package seal

import (
	"errors"
	"time"

	"github.com/fernet/fernet-go"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// linkField is what a sealed link is sealed for, beside its account.
const linkField = "@link"

// SealLink seals what a link for one account says, so that whoever carries the
// link can neither read nor change it, nor use it for another account.
func (b *Box) SealLink(accountID, text string) string {
	tok, err := fernet.EncryptAndSign([]byte(sealPrefix(accountID, linkField)+text), b.Keys.keys[0])
	if err != nil {
		panic("seal: no random numbers: " + err.Error())
	}
	return string(tok)
}

// OpenLink is the inverse of SealLink for links that are younger than maxAge. It
// returns ErrNotFound for what was not sealed here for that account, and
// database.ErrExpired.
func (b *Box) OpenLink(accountID, sealed string, maxAge time.Duration) (string, error) {
	value, _, err := b.Keys.Unseal(Owner{ID: accountID}, linkField, sealed)
	if errors.Is(err, ErrWrongKey) || errors.Is(err, ErrMoved) {
		return "", database.ErrNotFound
	}
	if err != nil {
		return "", err
	}
	if fernet.VerifyAndDecrypt([]byte(sealed), maxAge, b.Keys.keys) == nil {
		return "", database.ErrExpired
	}
	return value.Reveal(), nil
}
