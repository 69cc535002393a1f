package vault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// reader runs queries outside of a transaction.
type reader struct {
	db *sql.DB
	d  *dialect
	// kept are prepared statements by their text; see prepared.
	kept sync.Map
	// asked counts statements.
	asked atomic.Uint64
}

// querier is what queries run on: the readers' pool or a transaction.
type querier interface {
	query(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	row(ctx context.Context, text string, args ...any) *sql.Row
}

// keep returns r for statements whose text is one of a few, which are then
// prepared once: for SQLite that is a third of the cost of a small query. pgx
// does the same by itself.
func (r *reader) keep() querier {
	if r.d.prepares {
		return keeper{r}
	}
	return r
}

type keeper struct{ r *reader }

func (k keeper) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if s, ok := k.r.kept.Load(text); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := k.r.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if other, loaded := k.r.kept.LoadOrStore(text, s); loaded {
		s.Close()
		s = other.(*sql.Stmt)
	}
	return s, nil
}

func (k keeper) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	k.r.asked.Add(1)
	s, err := k.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (k keeper) row(ctx context.Context, text string, args ...any) *sql.Row {
	s, err := k.statement(ctx, text)
	if err != nil {
		return k.r.row(ctx, text, args...)
	}
	k.r.asked.Add(1)
	return s.QueryRowContext(ctx, args...)
}

func (r *reader) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	r.asked.Add(1)
	return r.db.QueryContext(ctx, r.d.rebind(text), args...)
}

func (r *reader) row(ctx context.Context, text string, args ...any) *sql.Row {
	r.asked.Add(1)
	return r.db.QueryRowContext(ctx, r.d.rebind(text), args...)
}

// tx is one writing transaction. What it changed is published when it commits.
type tx struct {
	v       *Vault
	sql     *sql.Tx
	changes []Change
	seals   map[string]int64 // versions that it gave
}

func (t *tx) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return t.sql.QueryContext(ctx, t.v.d.rebind(text), args...)
}

func (t *tx) row(ctx context.Context, text string, args ...any) *sql.Row {
	return t.sql.QueryRowContext(ctx, t.v.d.rebind(text), args...)
}

// exec runs a statement and returns how many rows it touched.
func (t *tx) exec(ctx context.Context, text string, args ...any) (int64, error) {
	res, err := t.sql.ExecContext(ctx, t.v.d.rebind(text), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// locked is the end of a SELECT whose row this transaction will edit.
func (t *tx) locked(text string) string { return text + t.v.d.lock }

// changed notes a change to publish at commit.
func (t *tx) changed(c Change) { t.changes = append(t.changes, c) }

const writeTries = 8

// write runs f in a transaction and runs it again where it lost a race with
// another one, so f may run several times. After it returns nil the change is
// on disk, and this replica's subscribers have heard of it.
func (v *Vault) write(ctx context.Context, f func(*tx) error) error {
	for try := 1; ; try++ {
		t, err := v.writeOnce(ctx, f)
		if err == nil {
			for id, version := range t.seals {
				v.marks.raise(id, version)
			}
			v.publish(t.changes...)
			return nil
		}
		if v.d.classify(err) != faultRetry || try == writeTries {
			return v.explain(err)
		}
		pause := time.Duration(rand.Int64N(int64(time.Millisecond) << try))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (v *Vault) writeOnce(ctx context.Context, f func(*tx) error) (*tx, error) {
	begun, err := v.w.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer begun.Rollback() // does nothing after Commit
	t := &tx{v: v, sql: begun}
	if err := f(t); err != nil {
		return nil, err
	}
	if len(t.changes) > 0 {
		t.tellVersions()
		if err := v.d.announce(ctx, t, v.instance, jsonText(t.changes)); err != nil {
			return nil, err
		}
	}
	return t, begun.Commit()
}

// explain turns an error of a driver into one of ours where a caller can act on
// it. Errors of ours pass.
func (v *Vault) explain(err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) {
		return err
	}
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	switch v.d.classify(err) {
	case faultDuplicate:
		return ErrExists
	case faultMissing:
		return ErrNotFound
	case faultRetry, faultUnavailable:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// collect scans every row with scan.
func collect[T any](ctx context.Context, v *Vault, q querier, scan func(scanner) (T, error), text string, args ...any) ([]T, error) {
	rows, err := q.query(ctx, text, args...)
	if err != nil {
		return nil, v.explain(err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		x, err := scan(rows)
		if err != nil {
			return nil, v.explain(err)
		}
		out = append(out, x)
	}
	return out, v.explain(rows.Err())
}

// one scans the only row, or returns ErrNotFound.
func one[T any](ctx context.Context, v *Vault, q querier, scan func(scanner) (T, error), text string, args ...any) (T, error) {
	x, err := scan(q.row(ctx, text, args...))
	return x, v.explain(err)
}

// scanner is a *sql.Row or *sql.Rows.
type scanner interface{ Scan(dest ...any) error }
