// Package seal keeps secrets so that who has the database has none of them: the key
// ring, sealed text that opens in its own row and field only, versions by which a row
// that was put back is known, tokens of which only a hash is stored.
package seal

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Box is the sealed values of one vault. It is safe for concurrent use once it is
// unlocked.
type Box struct {
	Keys *Keyring
	// Marks are the newest versions that this process has seen.
	Marks Marks
	salt  []byte // of fingerprints
}

// NewBox is a box that is still locked: it can only check keys.
func NewBox(keys *Keyring) (*Box, error) {
	if keys == nil || len(keys.keys) == 0 {
		return nil, ErrNoKey
	}
	return &Box{Keys: keys}, nil
}

// The vault's own sealed values.
const (
	// OwnOwner is the owner of the vault's own sealed values: no id of any row.
	OwnOwner   = "vault"
	checkField = "check"       // its value is checkValue: it tells a wrong key at once
	saltField  = "fingerprint" // keys the fingerprints
	checkValue = "attache"

	// IDSetting is the setting in which a vault has its id.
	IDSetting = "vault.id"
)

// CheckKeys refuses a vault in which something is sealed that our keys do not
// open. It reads only.
func (b *Box) CheckKeys(ctx context.Context, q database.Querier) error {
	// The ids of all keys in use, one index look-up each instead of a scan.
	ids, err := database.Collect(ctx, q, database.Text, `WITH RECURSIVE used (id) AS (
			SELECT MIN(key_id) FROM secrets
			UNION ALL
			SELECT (SELECT MIN(key_id) FROM secrets WHERE key_id > used.id) FROM used WHERE used.id IS NOT NULL)
		SELECT id FROM used WHERE id IS NOT NULL`)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.Contains(b.Keys.ids, id) {
			return fmt.Errorf("%w: it holds secrets that key %s sealed, and the list has only %s; add that key to the list (the first key seals, all open)",
				ErrWrongKey, id, strings.Join(b.Keys.ids, ", "))
		}
	}
	if len(ids) == 0 {
		return nil // new
	}
	check, err := b.unsealOne(ctx, q, OwnOwner, checkField)
	if err == nil && check.Reveal() != checkValue {
		err = ErrWrongKey
	}
	if err != nil {
		return fmt.Errorf("the check value does not open: %w", err)
	}
	return nil
}

// Unlock checks the keys, and in a new vault seals the check value and makes the
// salt of fingerprints.
func (b *Box) Unlock(ctx context.Context, db *database.DB) error {
	err := db.Write(ctx, func(t *database.Tx) error {
		if err := b.CheckKeys(ctx, t); err != nil {
			return err
		}
		var n int
		if err := t.Row(ctx, "SELECT COUNT(*) FROM secrets WHERE owner_id = ?", OwnOwner).Scan(&n); err != nil || n == 2 {
			return err
		}
		// Of two replicas that start now, one fails here.
		_, err := t.Exec(ctx, "INSERT INTO settings (name, value, version, updated_at) VALUES (?, ?, 1, ?)",
			IDSetting, database.NewID("vlt", t.Now()), database.Micros(t.Now()))
		if err != nil {
			return err
		}
		salt := make([]byte, 32)
		_, _ = rand.Read(salt)
		own := Owner{ID: OwnOwner}
		for field, value := range map[string]string{checkField: checkValue, saltField: hex.EncodeToString(salt)} {
			if err := b.PutOne(ctx, t, own, 0, field, secret.New(value)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, database.ErrExists) {
		return err
	}
	salt, err := b.unsealOne(ctx, db.Reader, OwnOwner, saltField)
	if err != nil {
		return err
	}
	b.salt, err = hex.DecodeString(salt.Reveal())
	return err
}

// unsealOne opens one of the vault's own values, which have no version: who
// changes the check value or the salt changes no secret.
func (b *Box) unsealOne(ctx context.Context, q database.Querier, owned, field string) (secret.Value, error) {
	var sealed string
	err := q.Row(ctx, "SELECT sealed FROM secrets WHERE owner_id = ? AND field = ?", owned, field).Scan(&sealed)
	if err != nil {
		return secret.Value{}, q.Explain(err)
	}
	value, _, err := b.Keys.Unseal(Owner{ID: owned}, field, sealed)
	return value, err
}

// fingerprint lets people see whether two secrets of one organisation are the
// same, and no other organisation: who can make accounts could else find out by
// guessing what somebody else's secret is. It is keyed with a salt of this vault,
// because a bare hash of a short password can be guessed.
func (b *Box) fingerprint(org string, value secret.Value) string {
	h := hmac.New(sha256.New, b.salt)
	h.Write([]byte(Lengthened(org) + value.Reveal()))
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// tailLen is how many characters of a secret people may see, and tailFrom how
// long it must be for that: at least four times what is shown.
const (
	tailLen  = 4
	tailFrom = 4 * tailLen
)

func tail(value secret.Value) string {
	s := []rune(value.Reveal())
	if len(s) < tailFrom || slices.Contains(s, '\n') {
		return "" // short, or a PEM block whose end tells nothing
	}
	return string(s[len(s)-tailLen:])
}

// Info is what people may know of a sealed value.
type Info struct {
	Field       string // as the connector names it; @token, @refresh_token
	Fingerprint string // equal for equal secrets in one vault
	Tail        string // the last four characters of a long secret, else empty
	UpdatedAt   time.Time
}

// Infos lists the secrets of one row without opening them.
func Infos(ctx context.Context, q database.Querier, owner string) ([]Info, error) {
	return database.Collect(ctx, q, func(s database.Scanner) (i Info, err error) {
		err = s.Scan(&i.Field, &i.Fingerprint, &i.Tail, database.Time(&i.UpdatedAt))
		return i, err
	}, "SELECT field, fingerprint, tail, updated_at FROM secrets WHERE owner_id = ? ORDER BY field", owner)
}

// MAC is a keyed hash of text, in hexadecimal: nobody without this vault can make
// or foretell one. What was made for one purpose is none for another.
func (b *Box) MAC(purpose, text string) string {
	h := hmac.New(sha256.New, b.salt)
	h.Write([]byte("mac " + Lengthened(purpose) + text))
	return hex.EncodeToString(h.Sum(nil)[:16])
}
