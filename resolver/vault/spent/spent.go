// Package spent is what was used of budgets, in the vault: counted there by every replica
// with PostgreSQL, and with SQLite kept for the one process that counts.
package spent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Store counts in the vault.
type Store struct {
	budget.Store
	memory *budget.Memory // nil where replicas count together
}

// New is a store for a database.
func New(db *database.DB) Store {
	if db.Driver() == "postgres" {
		return Store{Store: shared{db}}
	}
	m := budget.NewMemory(ledger{db})
	return Store{m, m}
}

// Close writes what is still to be written.
func (s Store) Close(ctx context.Context) error {
	if s.memory == nil {
		return nil
	}
	return s.memory.Close(ctx)
}

// Sweep deletes rows that are to be forgotten before a moment, so many at a time.
const Sweep = "DELETE FROM spent WHERE (counter, slot) IN (SELECT counter, slot FROM spent WHERE forget < ? LIMIT ?)"

// ledger is budget.Ledger.
type ledger struct{ db *database.DB }

func (l ledger) Load(ctx context.Context) ([]budget.Charge, error) {
	return database.Collect(ctx, l.db.Reader, func(s database.Scanner) (c budget.Charge, err error) {
		err = s.Scan(&c.Counter, &c.Slot, &c.Used, database.Time(&c.Until))
		return c, err
	}, "SELECT counter, slot, used, until FROM spent WHERE forget > ?", database.Micros(l.db.Now()))
}

func (l ledger) Keep(ctx context.Context, charges []budget.Charge) error {
	return l.write(ctx, charges, "CASE WHEN excluded.used > spent.used THEN excluded.used ELSE spent.used END")
}

func (l ledger) Settle(ctx context.Context, charges []budget.Charge) error {
	return l.write(ctx, charges, "excluded.used")
}

func (l ledger) write(ctx context.Context, charges []budget.Charge, used string) error {
	return l.db.Write(ctx, func(t *database.Tx) error {
		for i := range charges {
			c := &charges[i]
			_, err := t.Exec(ctx, `INSERT INTO spent (counter, slot, used, until, forget) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (counter, slot) DO UPDATE SET used = `+used, c.Counter, c.Slot, c.Used, database.Micros(c.Until), database.Micros(c.KeepUntil()))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// shared is budget.Store for replicas: a statement is a transaction of its own, which takes
// the rows in one order, so that no two wait for each other.
type shared struct{ db *database.DB }

// Take implements budget.Store.
func (s shared) Take(ctx context.Context, charges []budget.Charge) (bool, error) {
	if len(charges) == 0 {
		return true, nil
	}
	for try := 0; try < 3; try++ {
		ok, found, err := s.take(ctx, charges)
		if err != nil {
			return false, fmt.Errorf("%w: %w", budget.ErrAway, s.db.Explain(err))
		}
		if found == len(charges) {
			return ok, nil
		}
		if err := s.begin(ctx, charges); err != nil { // the first of a window
			return false, fmt.Errorf("%w: %w", budget.ErrAway, s.db.Explain(err))
		}
	}
	return false, budget.ErrAway
}

func (s shared) take(ctx context.Context, charges []budget.Charge) (ok bool, found int, err error) {
	args := make([]any, 0, 5*len(charges)+1)
	for i := range charges {
		c := &charges[i]
		args = append(args, c.Counter, c.Slot, c.Need, c.Add, c.Most)
	}
	rows, err := s.db.Reader.Query(ctx, `WITH ask (counter, slot, need, more, most) AS (VALUES (CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT))`+strings.Repeat(", (?, ?, ?, ?, ?)", len(charges)-1)+`),
		held AS (SELECT s.counter, s.slot, s.used, a.need, a.more, a.most FROM spent s JOIN ask a ON a.counter = s.counter AND a.slot = s.slot ORDER BY s.counter, s.slot FOR UPDATE OF s),
		fits AS (SELECT COUNT(*) = ? AND bool_and(used + need <= most) AS yes FROM held),
		taken AS (UPDATE spent SET used = GREATEST(spent.used + held.more, 0) FROM held, fits WHERE fits.yes AND spent.counter = held.counter AND spent.slot = held.slot RETURNING spent.counter)
		SELECT held.counter, held.slot, held.used, held.more, fits.yes FROM held, fits`, append(args, len(charges))...)
	if err != nil {
		return false, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var counter string
		var slot, used, more int64
		if err := rows.Scan(&counter, &slot, &used, &more, &ok); err != nil {
			return false, 0, err
		}
		found++
		if ok {
			used = max(used+more, 0)
		}
		i := slices.IndexFunc(charges, func(c budget.Charge) bool { return c.Counter == counter && c.Slot == slot })
		charges[i].Used = used
	}
	return ok, found, rows.Err()
}

// begin makes the rows of new windows.
func (s shared) begin(ctx context.Context, charges []budget.Charge) error {
	sorted := slices.SortedFunc(slices.Values(charges), func(a, b budget.Charge) int { return strings.Compare(a.Counter, b.Counter) })
	for i := range sorted {
		if err := s.add(ctx, &sorted[i], 0); err != nil {
			return err
		}
	}
	return nil
}

// Add implements budget.Store.
func (s shared) Add(ctx context.Context, charges []budget.Charge) error {
	ctx = context.WithoutCancel(ctx) // who hung up has used it nevertheless
	var all error
	for i := range charges {
		if err := s.add(ctx, &charges[i], charges[i].Add); err != nil {
			all = errors.Join(all, fmt.Errorf("%w: %w", budget.ErrAway, s.db.Explain(err)))
		}
	}
	return all
}

func (s shared) add(ctx context.Context, c *budget.Charge, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return s.db.Reader.Row(ctx, `INSERT INTO spent (counter, slot, used, until, forget) VALUES (?, ?, GREATEST(CAST(? AS BIGINT), 0), ?, ?)
		ON CONFLICT (counter, slot) DO UPDATE SET used = GREATEST(spent.used + CAST(? AS BIGINT), 0) RETURNING used`,
		c.Counter, c.Slot, n, database.Micros(c.Until), database.Micros(c.KeepUntil()), n).Scan(&c.Used)
}

// Used implements budget.Store.
func (s shared) Used(ctx context.Context, charges []budget.Charge) error {
	for i := range charges {
		c := &charges[i]
		used, err := database.Collect(ctx, s.db.Reader, func(r database.Scanner) (n int64, err error) { return n, r.Scan(&n) },
			"SELECT used FROM spent WHERE counter = ? AND slot = ?", c.Counter, c.Slot)
		if err != nil {
			return fmt.Errorf("%w: %w", budget.ErrAway, err)
		}
		if c.Used = 0; len(used) > 0 {
			c.Used = used[0]
		}
	}
	return nil
}
