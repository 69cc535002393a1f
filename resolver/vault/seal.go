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

// The sealed plain text of a value is
//
//	"v" VERSION ":" LEN ":" bound LEN ":" owner LEN ":" field value
//
// with numbers in decimal, so that nothing can be read as something else. Texts
// of releases before 4 of the tables begin with the owner's LEN; their version
// is 0, and they are good until their row's secrets are written once more.

// seal seals value for one field of one row.
func (r *Keyring) seal(o owner, field string, version int64, value secret.Value) (sealed, keyID string) {
	plain := sealPrefix(o.id, field) + value.Reveal()
	if version > 0 {
		plain = "v" + strconv.FormatInt(version, 10) + ":" + lengthened(o.bound) + plain
	}
	tok, err := fernet.EncryptAndSign([]byte(plain), r.keys[0])
	if err != nil {
		panic("vault: no random numbers: " + err.Error())
	}
	return string(tok), r.ids[0]
}

func sealPrefix(owner, field string) string { return lengthened(owner) + lengthened(field) }

func lengthened(s string) string { return strconv.Itoa(len(s)) + ":" + s }

var (
	// ErrMoved means that sealed text stands in another row or field than the one it
	// was sealed for, or in a row that was turned to another connector, organisation
	// or place since.
	ErrMoved = errors.New("sealed text stands where it does not belong")
	// ErrRolledBack means that sealed text is older than what was stored last.
	ErrRolledBack = errors.New("sealed text is not the newest of its row: something older was put back; enter the secret anew")
)

// open is the inverse of seal; it also returns the version under which the text
// was sealed, which the caller compares with the row's. It returns ErrWrongKey
// where no key fits (or the text was tampered with, which looks the same), and
// ErrMoved.
func (r *Keyring) open(o owner, field, sealed string) (secret.Value, int64, error) {
	plain := fernet.VerifyAndDecrypt([]byte(sealed), 0, r.keys)
	if plain == nil {
		return secret.Value{}, 0, ErrWrongKey
	}
	text, version := string(plain), int64(0)
	if rest, ok := strings.CutPrefix(text, "v"); ok {
		number, rest, _ := strings.Cut(rest, ":")
		var err error
		if version, err = strconv.ParseInt(number, 10, 64); err != nil || version < 1 {
			return secret.Value{}, 0, ErrMoved
		}
		if text, ok = strings.CutPrefix(rest, lengthened(o.bound)); !ok {
			return secret.Value{}, version, ErrMoved
		}
	}
	value, ok := strings.CutPrefix(text, sealPrefix(o.id, field))
	if !ok {
		return secret.Value{}, version, ErrMoved
	}
	return secret.New(value), version, nil
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
		own := owner{id: vaultOwner}
		for field, value := range map[string]string{checkField: checkValue, saltField: hex.EncodeToString(salt)} {
			if err := t.putSealed(ctx, own, 0, field, secret.New(value)); err != nil {
				return err
			}
		}
		return nil
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

// unsealOne opens one of the vault's own values, which have no version: who
// changes the check value or the salt changes no secret.
func (v *Vault) unsealOne(ctx context.Context, q querier, owned, field string) (secret.Value, error) {
	var sealed string
	err := q.row(ctx, "SELECT sealed FROM secrets WHERE owner_id = ? AND field = ?", owned, field).Scan(&sealed)
	if err != nil {
		return secret.Value{}, v.explain(err)
	}
	value, _, err := v.keys.open(owner{id: owned}, field, sealed)
	return value, err
}

// fingerprint lets people see whether two secrets of one organisation are the
// same, and no other organisation: who can make accounts could else find out by
// guessing what somebody else's secret is. It is keyed with a salt of this vault,
// because a bare hash of a short password can be guessed.
func (v *Vault) fingerprint(org string, value secret.Value) string {
	h := hmac.New(sha256.New, v.salt)
	h.Write([]byte(lengthened(org) + value.Reveal()))
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
