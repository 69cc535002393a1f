package seal

import (
	"errors"

	"github.com/attache-proxy/attache/providers/secret"
)

// cacheField is the field for which the shared cache's values are sealed; no
// connector's field can have that name.
const cacheField = "@cache"

// Seal seals what a shared cache keeps of account id. With Open it is a
// cache.Sealer: a text opens for the same id only, and with the vault's keys.
func (r *Keyring) Seal(id string, plain []byte) ([]byte, error) {
	if len(r.keys) == 0 {
		return nil, ErrNoKey
	}
	sealed, _ := r.seal(Owner{ID: id}, cacheField, 0, secret.New(string(plain)))
	return []byte(sealed), nil
}

// Open is the inverse of Seal. It returns ErrWrongKey or ErrMoved.
func (r *Keyring) Open(id string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, errors.New("nothing to open")
	}
	v, _, err := r.Unseal(Owner{ID: id}, cacheField, string(sealed))
	return []byte(v.Reveal()), err
}
