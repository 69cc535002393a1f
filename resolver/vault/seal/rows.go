package seal

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Row is a secret as it stands in its table, and its row's version.
type Row struct {
	Owner, Field, Sealed, Key, Fingerprint, Tail string
	Version                                      int64
}

func ScanRow(s database.Scanner) (r Row, err error) {
	err = s.Scan(&r.Owner, &r.Field, &r.Sealed, &r.Key, &r.Fingerprint, &r.Tail, &r.Version)
	return r, err
}

const (
	Columns = "owner_id, field, sealed, key_id, fingerprint, tail"
	// Rows reads secrets, each with the version of its row.
	Rows = `SELECT s.owner_id, s.field, s.sealed, s.key_id, s.fingerprint, s.tail, COALESCE(z.version, 0)
		FROM secrets s LEFT JOIN seals z ON z.owner_id = s.owner_id`
)

// UnsealAll opens every secret of one row.
func (b *Box) UnsealAll(ctx context.Context, q database.Querier, o Owner) (secret.Values, error) {
	since := b.Marks.At(o.ID)
	rows, err := database.Collect(ctx, q, ScanRow, Rows+" WHERE s.owner_id = ?", o.ID)
	if err != nil {
		return nil, err
	}
	out := secret.Values{}
	for _, r := range rows {
		if out[r.Field], err = b.Newest(o, r.Field, r.Sealed, r.Version, since); err != nil {
			return nil, fmt.Errorf("opening %s of %s: %w", r.Field, o.ID, err)
		}
	}
	return out, nil
}

// Newest opens a secret and refuses one that is not its row's newest: version is
// the row's, since what this process knew of it before it read the row.
func (b *Box) Newest(o Owner, field, sealed string, version, since int64) (secret.Value, error) {
	value, under, err := b.Keys.Unseal(o, field, sealed)
	if err == nil && (under != version || version < since) {
		err = ErrRolledBack
	}
	if err != nil {
		return secret.Value{}, err
	}
	b.Marks.Raise(o.ID, version)
	return value, nil
}

// Put seals values for a row. A zero value deletes its field; fields that
// are not named stay, and are sealed anew under the row's next version.
func (b *Box) Put(ctx context.Context, t *database.Tx, o Owner, values secret.Values) error {
	if len(values) == 0 {
		return nil
	}
	before, version, err := b.NextVersion(ctx, t, o.ID)
	if err != nil {
		return err
	}
	kept, err := database.Collect(ctx, t, ScanRow, Rows+" WHERE s.owner_id = ?", o.ID)
	if err != nil {
		return err
	}
	for _, r := range kept {
		if _, named := values[r.Field]; named {
			continue
		}
		if err := b.SealAgain(ctx, t, o, &r, before, version); err != nil {
			return err
		}
	}
	for _, field := range slices.Sorted(maps.Keys(values)) {
		if values[field].IsZero() {
			_, err = t.Exec(ctx, "DELETE FROM secrets WHERE owner_id = ? AND field = ?", o.ID, field)
		} else {
			err = b.PutOne(ctx, t, o, version, field, values[field])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// PutOne seals one value.
func (b *Box) PutOne(ctx context.Context, t *database.Tx, o Owner, version int64, field string, value secret.Value) error {
	sealed, key := b.Keys.seal(o, field, version, value)
	_, err := t.Exec(ctx, `INSERT INTO secrets (`+Columns+`, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (owner_id, field) DO UPDATE SET sealed = excluded.sealed, key_id = excluded.key_id,
			fingerprint = excluded.fingerprint, tail = excluded.tail, updated_at = excluded.updated_at`,
		o.ID, field, sealed, key, b.fingerprint(o.Org, value), tail(value), database.Micros(t.Now()))
	return err
}

// SealAgain brings a secret from the version before to the next one.
func (b *Box) SealAgain(ctx context.Context, t *database.Tx, o Owner, r *Row, before, version int64) error {
	value, err := b.Newest(o, r.Field, r.Sealed, before, b.Marks.At(o.ID))
	if err != nil {
		return fmt.Errorf("%s of %s, sealed by key %s: %w", r.Field, o.ID, r.Key, err)
	}
	sealed, key := b.Keys.seal(o, r.Field, version, value)
	_, err = t.Exec(ctx, "UPDATE secrets SET sealed = ?, key_id = ?, fingerprint = ? WHERE owner_id = ? AND field = ?",
		sealed, key, b.fingerprint(o.Org, value), o.ID, r.Field)
	return err
}

// Drop deletes a row's secrets. Its version stays, and grows: none of them
// opens when it is put back.
func (b *Box) Drop(ctx context.Context, t *database.Tx, id string) error {
	if _, _, err := b.NextVersion(ctx, t, id); err != nil {
		return err
	}
	_, err := t.Exec(ctx, "DELETE FROM secrets WHERE owner_id = ?", id)
	return err
}

// NextVersion counts a row's version up and keeps other writers away from it until
// the transaction ends. It never goes below what this process has seen, also
// where the database was restored from a backup.
func (b *Box) NextVersion(ctx context.Context, t *database.Tx, id string) (before, next int64, err error) {
	err = t.Row(ctx, `INSERT INTO seals (owner_id, version) VALUES (?, 1)
		ON CONFLICT (owner_id) DO UPDATE SET version = seals.version + 1 RETURNING version`, id).Scan(&next)
	if err != nil {
		return 0, 0, err
	}
	before = next - 1
	if seen := b.Marks.At(id); next <= seen {
		next = seen + 1
		if _, err = t.Exec(ctx, "UPDATE seals SET version = ? WHERE owner_id = ?", next, id); err != nil {
			return 0, 0, err
		}
	}
	t.Versions[id] = next
	t.AfterCommit(func() { b.Marks.Raise(id, next) })
	return before, next, nil
}
