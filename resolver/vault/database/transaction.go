package database

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"time"
)

// Tx is one transaction.
type Tx struct {
	db  *DB
	sql *sql.Tx
	// Versions are those that the transaction gave to rows' secrets, by the rows' ids.
	Versions  map[string]int64
	changes   []Change
	committed []func()
}

func (t *Tx) Query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return t.sql.QueryContext(ctx, t.db.dialect.rebind(text), args...)
}

func (t *Tx) Row(ctx context.Context, text string, args ...any) *sql.Row {
	return t.sql.QueryRowContext(ctx, t.db.dialect.rebind(text), args...)
}

// Exec runs a statement and returns how many rows it touched.
func (t *Tx) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	res, err := t.sql.ExecContext(ctx, t.db.dialect.rebind(text), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (t *Tx) Explain(err error) error { return t.db.Explain(err) }

// Now is DB.Now.
func (t *Tx) Now() time.Time { return t.db.Now() }

// Locked is the end of a SELECT whose row this transaction will edit.
func (t *Tx) Locked(text string) string { return text + t.db.dialect.lock }

// Shared is the end of a SELECT whose row others may read and none may edit until
// the transaction ends.
func (t *Tx) Shared(text string) string { return text + t.db.dialect.share }

// Skipping is the end of a SELECT that takes rows for this transaction alone and
// passes over those that another one has taken.
func (t *Tx) Skipping(text string) string { return text + t.db.dialect.skip }

// AfterCommit runs f once the transaction is on disk.
func (t *Tx) AfterCommit(f func()) { t.committed = append(t.committed, f) }

const writeTries = 8

// Write runs f in a transaction and runs it again where it lost a race with
// another one, so f may run several times. After it returns nil the change is
// on disk, and this replica's subscribers have heard of it.
func (d *DB) Write(ctx context.Context, f func(*Tx) error) error {
	for try := 1; ; try++ {
		t, err := d.writeOnce(ctx, f)
		if err == nil {
			for _, f := range t.committed {
				f()
			}
			d.publish(t.changes...)
			return nil
		}
		if d.dialect.classify(err) != faultRetry || try == writeTries {
			return d.Explain(err)
		}
		pause := time.Duration(rand.Int64N(int64(time.Millisecond) << try))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (d *DB) writeOnce(ctx context.Context, f func(*Tx) error) (*Tx, error) {
	begun, err := d.w.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer begun.Rollback() // does nothing after Commit
	t := &Tx{db: d, sql: begun, Versions: map[string]int64{}}
	if err := f(t); err != nil {
		return nil, err
	}
	if len(t.changes) > 0 {
		t.tellVersions()
		if err := d.dialect.announce(ctx, t, d.Instance, JSONText(t.changes)); err != nil {
			return nil, err
		}
	}
	return t, begun.Commit()
}

// Snapshot runs f in a transaction that reads one moment and writes nothing.
func (d *DB) Snapshot(ctx context.Context, f func(*Tx) error) error {
	t, err := d.Reader.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: d.dialect.snapshot})
	if err != nil {
		return d.Explain(err)
	}
	defer t.Rollback()
	return f(&Tx{db: d, sql: t})
}
