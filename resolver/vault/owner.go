package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/secret"
)

// owner is a row as its secrets know it.
type owner struct {
	id string
	// bound is what of the row the sealed texts hold besides its id: where the
	// secrets may go. Whoever edits that behind our back makes them unreadable.
	bound string
	// org keys the fingerprints.
	org string
}

func (a *Account) owner() owner {
	var b strings.Builder
	for _, s := range []string{a.Organisation, a.Connector, a.Option} {
		b.WriteString(lengthened(s))
	}
	for _, name := range slices.Sorted(maps.Keys(a.Fields)) {
		b.WriteString(lengthened(name) + lengthened(a.Fields[name]))
	}
	return owner{a.ID, b.String(), a.Organisation}
}

func (a *App) owner() owner {
	return owner{a.ID, lengthened(a.Organisation) + lengthened(a.Connector) + lengthened(a.Mode), a.Organisation}
}

// ownerOf finds the row that has secrets by its id.
func (v *Vault) ownerOf(ctx context.Context, q querier, id string) (owner, error) {
	switch prefix, _, _ := strings.Cut(id, "_"); prefix {
	case "acc":
		a, err := one(ctx, v, q, scanAccount, "SELECT "+accountColumns+" FROM accounts a WHERE a.id = ?", id)
		return a.owner(), err
	case "app":
		a, err := one(ctx, v, q, scanApp, "SELECT "+appColumns+" FROM apps WHERE id = ?", id)
		return a.owner(), err
	case "ses", "whk":
		o := owner{id: id}
		table := map[string]string{"ses": "connect_sessions", "whk": "webhooks"}[prefix]
		return o, v.explain(q.row(ctx, "SELECT organisation FROM "+table+" WHERE id = ?", id).Scan(&o.org))
	}
	return owner{id: id}, nil
}

// sealedRow is a secret as it stands in its table, and its row's version.
type sealedRow struct {
	owner, field, sealed, key, fingerprint, tail string
	version                                      int64
}

func scanSealed(s scanner) (r sealedRow, err error) {
	err = s.Scan(&r.owner, &r.field, &r.sealed, &r.key, &r.fingerprint, &r.tail, &r.version)
	return r, err
}

const (
	sealedColumns = "owner_id, field, sealed, key_id, fingerprint, tail"
	// ownSecrets reads the secrets of one row, with its version.
	ownSecrets = `SELECT s.owner_id, s.field, s.sealed, s.key_id, s.fingerprint, s.tail, COALESCE(z.version, 0)
		FROM secrets s LEFT JOIN seals z ON z.owner_id = s.owner_id`
)

// unsealAll opens every secret of one row.
func (v *Vault) unsealAll(ctx context.Context, q querier, o owner) (secret.Values, error) {
	since := v.marks.at(o.id)
	rows, err := collect(ctx, v, q, scanSealed, ownSecrets+" WHERE s.owner_id = ?", o.id)
	if err != nil {
		return nil, err
	}
	out := secret.Values{}
	for _, r := range rows {
		if out[r.field], err = v.newest(o, r.field, r.sealed, r.version, since); err != nil {
			return nil, fmt.Errorf("opening %s of %s: %w", r.field, o.id, err)
		}
	}
	return out, nil
}

// newest opens a secret and refuses one that is not its row's newest: version is
// the row's, since what this process knew of it before it read the row.
func (v *Vault) newest(o owner, field, sealed string, version, since int64) (secret.Value, error) {
	value, under, err := v.keys.open(o, field, sealed)
	if err == nil && (under != version || version < since) {
		err = ErrRolledBack
	}
	if err != nil {
		return secret.Value{}, err
	}
	v.marks.raise(o.id, version)
	return value, nil
}

// putSecrets seals values for a row. A zero value deletes its field; fields that
// are not named stay, and are sealed anew under the row's next version.
func (t *tx) putSecrets(ctx context.Context, o owner, values secret.Values) error {
	if len(values) == 0 {
		return nil
	}
	before, version, err := t.nextVersion(ctx, o.id)
	if err != nil {
		return err
	}
	kept, err := collect(ctx, t.v, t, scanSealed, ownSecrets+" WHERE s.owner_id = ?", o.id)
	if err != nil {
		return err
	}
	for _, r := range kept {
		if _, named := values[r.field]; named {
			continue
		}
		if err := t.sealAgain(ctx, o, &r, before, version); err != nil {
			return err
		}
	}
	for _, field := range sortedKeys(values) {
		if values[field].IsZero() {
			_, err = t.exec(ctx, "DELETE FROM secrets WHERE owner_id = ? AND field = ?", o.id, field)
		} else {
			err = t.putSealed(ctx, o, version, field, values[field])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// putSealed seals one value.
func (t *tx) putSealed(ctx context.Context, o owner, version int64, field string, value secret.Value) error {
	sealed, key := t.v.keys.seal(o, field, version, value)
	_, err := t.exec(ctx, `INSERT INTO secrets (`+sealedColumns+`, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (owner_id, field) DO UPDATE SET sealed = excluded.sealed, key_id = excluded.key_id,
			fingerprint = excluded.fingerprint, tail = excluded.tail, updated_at = excluded.updated_at`,
		o.id, field, sealed, key, t.v.fingerprint(o.org, value), tail(value), micros(t.v.now()))
	return err
}

// sealAgain brings a secret from the version before to the next one.
func (t *tx) sealAgain(ctx context.Context, o owner, r *sealedRow, before, version int64) error {
	value, err := t.v.newest(o, r.field, r.sealed, before, t.v.marks.at(o.id))
	if err != nil {
		return fmt.Errorf("%s of %s, sealed by key %s: %w", r.field, o.id, r.key, err)
	}
	sealed, key := t.v.keys.seal(o, r.field, version, value)
	_, err = t.exec(ctx, "UPDATE secrets SET sealed = ?, key_id = ?, fingerprint = ? WHERE owner_id = ? AND field = ?",
		sealed, key, t.v.fingerprint(o.org, value), o.id, r.field)
	return err
}

// dropSecrets deletes a row's secrets. Its version stays, and grows: none of them
// opens when it is put back.
func (t *tx) dropSecrets(ctx context.Context, id string) error {
	if _, _, err := t.nextVersion(ctx, id); err != nil {
		return err
	}
	_, err := t.exec(ctx, "DELETE FROM secrets WHERE owner_id = ?", id)
	return err
}

// nextVersion counts a row's version up and keeps other writers away from it until
// the transaction ends. It never goes below what this process has seen, also
// where the database was restored from a backup.
func (t *tx) nextVersion(ctx context.Context, id string) (before, next int64, err error) {
	err = t.row(ctx, `INSERT INTO seals (owner_id, version) VALUES (?, 1)
		ON CONFLICT (owner_id) DO UPDATE SET version = seals.version + 1 RETURNING version`, id).Scan(&next)
	if err != nil {
		return 0, 0, err
	}
	before = next - 1
	if seen := t.v.marks.at(id); next <= seen {
		next = seen + 1
		if _, err = t.exec(ctx, "UPDATE seals SET version = ? WHERE owner_id = ?", next, id); err != nil {
			return 0, 0, err
		}
	}
	if t.seals == nil {
		t.seals = map[string]int64{}
	}
	t.seals[id] = next
	return before, next, nil
}

// sealOwner seals all secrets of a row anew, with the first key.
func (t *tx) sealOwner(ctx context.Context, id string) error {
	o, err := t.v.ownerOf(ctx, t, id)
	if errors.Is(err, ErrNotFound) { // deleted a moment ago
		return nil
	}
	if err != nil {
		return err
	}
	before, version := int64(0), int64(0)
	if id != vaultOwner {
		if before, version, err = t.nextVersion(ctx, id); err != nil {
			return err
		}
	}
	rows, err := collect(ctx, t.v, t, scanSealed, ownSecrets+" WHERE s.owner_id = ?", id)
	if err != nil {
		return err
	}
	fixed := before > 0 || !strings.HasPrefix(id, "app_")
	for _, r := range rows {
		if err := t.sealAgain(ctx, o, &r, before, version); err != nil {
			return err
		}
		fixed = fixed || r.field == secret.FixedHosts
	}
	if !fixed {
		return t.putSealed(ctx, o, version, secret.FixedHosts, notYet)
	}
	return nil
}
