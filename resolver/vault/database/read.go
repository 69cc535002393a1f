package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Reader runs queries outside of a transaction.
type Reader struct {
	db *sql.DB
	d  *dialect
	// kept are prepared statements by their text; see prepared.
	kept sync.Map
	// asked counts statements.
	asked atomic.Uint64
}

// Querier is what queries run on: the readers' pool or a transaction.
type Querier interface {
	Query(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	Row(ctx context.Context, text string, args ...any) *sql.Row
	// Explain is DB.Explain.
	Explain(err error) error
}

// Keep returns r for statements whose text is one of a few, which are then
// prepared once: for SQLite that is a third of the cost of a small query. pgx
// does the same by itself.
func (r *Reader) Keep() Querier {
	if r.d.prepares {
		return keeper{r}
	}
	return r
}

type keeper struct{ r *Reader }

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

func (k keeper) Query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	k.r.asked.Add(1)
	s, err := k.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (k keeper) Row(ctx context.Context, text string, args ...any) *sql.Row {
	s, err := k.statement(ctx, text)
	if err != nil {
		return k.r.Row(ctx, text, args...)
	}
	k.r.asked.Add(1)
	return s.QueryRowContext(ctx, args...)
}

func (r *Reader) Query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	r.asked.Add(1)
	return r.db.QueryContext(ctx, r.d.rebind(text), args...)
}

func (r *Reader) Row(ctx context.Context, text string, args ...any) *sql.Row {
	r.asked.Add(1)
	return r.db.QueryRowContext(ctx, r.d.rebind(text), args...)
}

func (r *Reader) Explain(err error) error { return r.d.explain(err) }

func (k keeper) Explain(err error) error { return k.r.Explain(err) }

// Collect scans every row with scan.
func Collect[T any](ctx context.Context, q Querier, scan func(Scanner) (T, error), text string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, text, args...)
	if err != nil {
		return nil, q.Explain(err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		x, err := scan(rows)
		if err != nil {
			return nil, q.Explain(err)
		}
		out = append(out, x)
	}
	return out, q.Explain(rows.Err())
}

// One scans the only row, or returns ErrNotFound.
func One[T any](ctx context.Context, q Querier, scan func(Scanner) (T, error), text string, args ...any) (T, error) {
	x, err := scan(q.Row(ctx, text, args...))
	return x, q.Explain(err)
}

// Scanner is a *sql.Row or *sql.Rows.
type Scanner interface{ Scan(dest ...any) error }

// explain turns an error of a driver into one of ours where a caller can act on
// it. Errors of ours pass.
func (d *dialect) explain(err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) {
		return err
	}
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	switch d.classify(err) {
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

// CountBy runs a query for names and numbers.
func CountBy(ctx context.Context, q Querier, text string) (map[string]int64, error) {
	rows, err := q.Query(ctx, text)
	if err != nil {
		return nil, q.Explain(err)
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			return nil, q.Explain(err)
		}
		out[name] = n
	}
	return out, q.Explain(rows.Err())
}

// Counts is how many rows tables have.
func (d *DB) Counts(ctx context.Context, tables []string) (map[string]int64, error) {
	out := map[string]int64{}
	for _, table := range tables {
		var n int64
		if err := d.Reader.Row(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
			return nil, d.Explain(err)
		}
		out[table] = n
	}
	return out, nil
}
