package vault

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fernet/fernet-go"

	"github.com/attache-proxy/attache/providers/secret"
)

// seal seals value for one field of one row. The plain text is
//
//	LEN ":" owner LEN ":" field value
//
// with LEN in decimal, so that no owner and field can be read as others.
func (r *Keyring) seal(owner, field string, value secret.Value) (sealed, keyID string) {
	tok, err := fernet.EncryptAndSign([]byte(sealPrefix(owner, field)+value.Reveal()), r.keys[0])
	if err != nil {
		panic("vault: no random numbers: " + err.Error())
	}
	return string(tok), r.ids[0]
}

func sealPrefix(owner, field string) string {
	return strconv.Itoa(len(owner)) + ":" + owner + strconv.Itoa(len(field)) + ":" + field
}

// ErrMoved means that sealed text stands in another row or field than the one it
// was sealed for.
var ErrMoved = errors.New("sealed text stands where it does not belong")

// open is the inverse of seal. It returns ErrWrongKey where no key fits (or the
// text was tampered with, which looks the same), and ErrMoved.
func (r *Keyring) open(owner, field, sealed string) (secret.Value, error) {
	plain := fernet.VerifyAndDecrypt([]byte(sealed), 0, r.keys)
	if plain == nil {
		return secret.Value{}, ErrWrongKey
	}
	value, ok := strings.CutPrefix(string(plain), sealPrefix(owner, field))
	if !ok {
		return secret.Value{}, ErrMoved
	}
	return secret.New(value), nil
}

// The vault's own sealed values. Their owner is no id of any row.
const (
	vaultOwner = "vault"
	checkField = "check"       // its value is checkValue: it tells a wrong key at once
	saltField  = "fingerprint" // keys the fingerprints
	checkValue = "attache"

	vaultSetting = "vault.id"
)

// checkKeys refuses a vault in which something is sealed that our keys do not
// open. It reads only.
func (v *Vault) checkKeys(ctx context.Context, q querier) error {
	// The ids of all keys in use, one index look-up each instead of a scan.
	ids, err := collect(ctx, v, q, scanText, `WITH RECURSIVE used (id) AS (
			SELECT MIN(key_id) FROM secrets
			UNION ALL
			SELECT (SELECT MIN(key_id) FROM secrets WHERE key_id > used.id) FROM used WHERE used.id IS NOT NULL)
		SELECT id FROM used WHERE id IS NOT NULL`)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.Contains(v.keys.ids, id) {
			return fmt.Errorf("%w: it holds secrets that key %s sealed, and the list has only %s; add that key to the list (the first key seals, all open)",
				ErrWrongKey, id, strings.Join(v.keys.ids, ", "))
		}
	}
	if len(ids) == 0 {
		return nil // new
	}
	check, err := v.unsealOne(ctx, q, vaultOwner, checkField)
	if err == nil && check.Reveal() != checkValue {
		err = ErrWrongKey
	}
	if err != nil {
		return fmt.Errorf("the check value does not open: %w", err)
	}
	return nil
}

// unlock checks the keys, and in a new vault seals the check value and makes the
// salt of fingerprints.
func (v *Vault) unlock(ctx context.Context) error {
	err := v.write(ctx, func(t *tx) error {
		if err := v.checkKeys(ctx, t); err != nil {
			return err
		}
		var n int
		if err := t.row(ctx, "SELECT COUNT(*) FROM secrets WHERE owner_id = ?", vaultOwner).Scan(&n); err != nil || n == 2 {
			return err
		}
		// Of two replicas that start now, one fails here.
		_, err := t.exec(ctx, "INSERT INTO settings (name, value, version, updated_at) VALUES (?, ?, 1, ?)",
			vaultSetting, newID("vlt", v.now()), micros(v.now()))
		if err != nil {
			return err
		}
		salt := make([]byte, 32)
		_, _ = rand.Read(salt)
		return t.putSecrets(ctx, vaultOwner, secret.Values{
			checkField: secret.New(checkValue),
			saltField:  secret.New(hex.EncodeToString(salt)),
		})
	})
	if err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	salt, err := v.unsealOne(ctx, v.r, vaultOwner, saltField)
	if err != nil {
		return err
	}
	v.salt, err = hex.DecodeString(salt.Reveal())
	return err
}

func (v *Vault) unsealOne(ctx context.Context, q querier, owner, field string) (secret.Value, error) {
	var sealed string
	err := q.row(ctx, "SELECT sealed FROM secrets WHERE owner_id = ? AND field = ?", owner, field).Scan(&sealed)
	if err != nil {
		return secret.Value{}, v.explain(err)
	}
	return v.keys.open(owner, field, sealed)
}

// unsealAll opens every secret of one row.
func (v *Vault) unsealAll(ctx context.Context, q querier, owner string) (secret.Values, error) {
	rows, err := q.query(ctx, "SELECT field, sealed FROM secrets WHERE owner_id = ?", owner)
	if err != nil {
		return nil, v.explain(err)
	}
	defer rows.Close()
	out := secret.Values{}
	for rows.Next() {
		var field, sealed string
		if err := rows.Scan(&field, &sealed); err != nil {
			return nil, v.explain(err)
		}
		if out[field], err = v.keys.open(owner, field, sealed); err != nil {
			return nil, fmt.Errorf("opening %s of %s: %w", field, owner, err)
		}
	}
	return out, v.explain(rows.Err())
}

// putSecrets seals values for the row owner. A zero value deletes its field;
// fields that are not named stay.
func (t *tx) putSecrets(ctx context.Context, owner string, values secret.Values) error {
	for _, field := range sortedKeys(values) {
		value := values[field]
		if value.IsZero() {
			if _, err := t.exec(ctx, "DELETE FROM secrets WHERE owner_id = ? AND field = ?", owner, field); err != nil {
				return err
			}
			continue
		}
		sealed, key := t.v.keys.seal(owner, field, value)
		_, err := t.exec(ctx, `INSERT INTO secrets (owner_id, field, sealed, key_id, fingerprint, tail, updated_at)
			VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (owner_id, field) DO UPDATE SET sealed = excluded.sealed, key_id = excluded.key_id,
				fingerprint = excluded.fingerprint, tail = excluded.tail, updated_at = excluded.updated_at`,
			owner, field, sealed, key, t.v.fingerprint(value), tail(value), micros(t.v.now()))
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) dropSecrets(ctx context.Context, owner string) error {
	_, err := t.exec(ctx, "DELETE FROM secrets WHERE owner_id = ?", owner)
	return err
}

// fingerprint lets people see whether two secrets are the same. It is keyed with
// a salt of this vault, because a bare hash of a short password can be guessed.
func (v *Vault) fingerprint(value secret.Value) string {
	h := hmac.New(sha256.New, v.salt)
	h.Write([]byte(value.Reveal()))
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

// SecretInfo is what people may know of a sealed value.
type SecretInfo struct {
	Field       string // as the connector names it; FieldToken, FieldRefreshToken
	Fingerprint string // equal for equal secrets in one vault
	Tail        string // the last four characters of a long secret, else empty
	UpdatedAt   time.Time
}

// secretInfos lists the secrets of one row without opening them.
func (v *Vault) secretInfos(ctx context.Context, owner string) ([]SecretInfo, error) {
	return collect(ctx, v, v.r, func(s scanner) (i SecretInfo, err error) {
		err = s.Scan(&i.Field, &i.Fingerprint, &i.Tail, timeCol{&i.UpdatedAt})
		return i, err
	}, "SELECT field, fingerprint, tail, updated_at FROM secrets WHERE owner_id = ? ORDER BY field", owner)
}

// fieldName is what a connector may call a field. Our own fields begin with @.
var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)
