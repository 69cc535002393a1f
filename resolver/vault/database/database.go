// Package database is SQL as the vault needs it, in SQLite and PostgreSQL alike:
// transactions that are tried again, lists in parts, columns, ids, one clock for all
// replicas, and word of what other processes changed. It knows its tables by
// migrations alone; what stands in them is the business of those who import it.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what Open needs.
type Config struct {
	Driver   string // "sqlite" or "postgres"
	Source   string // the path of the SQLite file, or a PostgreSQL URL
	Instance string // tells this process from its replicas
	Log      *slog.Logger
	// Poll is how often SQLite is asked for changes by other processes.
	Poll time.Duration
	// Now is the clock, for tests; nil means time.Now. With it leases follow this
	// clock instead of the database's.
	Now func() time.Time
	// Check looks at what is there before anything is changed.
	Check func(context.Context, Querier) error
	// Changed hears of each change before those who subscribed do.
	Changed func(Change)
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	// Reader runs what reads outside of transactions.
	Reader   *Reader
	Log      *slog.Logger
	Instance string

	dialect   *dialect
	source    string
	w         *sql.DB // writes; one connection with SQLite
	now       func() time.Time
	clock     atomic.Bool // Config.Now is the lease clock too
	told      atomic.Pointer[Moment]
	poll      time.Duration
	changed   func(Change) // hears of each before the subscribers do
	subs      subscribers
	listening chan struct{}
	once      sync.Once
}

// Open opens the database, makes it where there is none, and brings an older one
// up to date. It returns ErrNewer or Check's error, and has then changed nothing.
func Open(ctx context.Context, c Config) (*DB, error) {
	known, ok := dialects[c.Driver]
	if !ok {
		return nil, fmt.Errorf("unknown kind of vault %q; known: postgres, sqlite", c.Driver)
	}
	if c.Source == "" {
		return nil, errors.New("opening the vault: no file or address given")
	}
	d := newDB(known, c)
	if err := d.inspect(ctx, c.Check); err != nil {
		return nil, fmt.Errorf("opening the vault: %w", err)
	}
	w, r, err := known.open(ctx, c.Source)
	if err != nil {
		return nil, fmt.Errorf("opening the vault: %w", d.Explain(err))
	}
	d.w, d.Reader = w, &Reader{db: r, d: known}
	if err := d.migrate(ctx); err != nil {
		d.Close()
		return nil, fmt.Errorf("opening the vault: %w", err)
	}
	return d, nil
}

func newDB(known *dialect, c Config) *DB {
	d := &DB{
		dialect: known, source: c.Source, now: c.Now, poll: c.Poll, Log: c.Log, changed: c.Changed,
		// It stands before a space in what PostgreSQL announces.
		Instance:  strings.Join(strings.Fields(c.Instance), "-"),
		listening: make(chan struct{}),
	}
	if d.clock.Store(c.Now != nil); c.Now == nil {
		d.now = time.Now
	}
	return d
}

// Listen makes subscribers hear of the changes that other processes announced, until
// ctx ends.
func (d *DB) Listen(ctx context.Context) { d.dialect.listen(ctx, d) }

// Listening is closed when changes of other processes are heard from then on.
func (d *DB) Listening() <-chan struct{} { return d.listening }

// listens reports whether that is so for the first time.
func (d *DB) listens() (first bool) {
	d.once.Do(func() { first = true; close(d.listening) })
	return first
}

// Warm opens the connections that read, and lets the database plan on each what
// requests ask from cold, so that no request waits for it: statements by their
// text, with parameters. It only helps, and so it does not fail.
func (d *DB) Warm(ctx context.Context, statements map[string][]any) {
	if !d.dialect.warms {
		return
	}
	var held []*sql.Conn
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	for range d.Reader.db.Stats().MaxOpenConnections - 1 { // somebody may want one meanwhile
		c, err := d.Reader.db.Conn(ctx)
		if err != nil {
			return
		}
		held = append(held, c)
		for text, args := range statements {
			rows, err := c.QueryContext(ctx, d.dialect.rebind(text), args...)
			if err != nil {
				return
			}
			rows.Close()
		}
	}
}

// Close closes the pools.
func (d *DB) Close() error {
	err := d.w.Close()
	if d.Reader.db != d.w {
		err = errors.Join(d.Reader.db.Close(), err)
	}
	return err
}

// Ping reports whether the database answers.
func (d *DB) Ping(ctx context.Context) error {
	var n int
	return d.Explain(d.Reader.Row(ctx, "SELECT 1").Scan(&n))
}

// Reads counts the statements that read outside of transactions.
func (d *DB) Reads() uint64 { return d.Reader.asked.Load() }

// Driver is "sqlite" or "postgres".
func (d *DB) Driver() string { return d.dialect.name }

// Damage asks the database whether its own structures are whole, and returns what it
// finds.
func (d *DB) Damage(ctx context.Context) (found []string, err error) {
	for _, text := range d.dialect.integrity {
		lines, err := Collect(ctx, d.Reader, Text, text)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			if l != "ok" {
				found = append(found, l)
			}
		}
	}
	return found, nil
}

// Bytes is the size of the database.
func (d *DB) Bytes(ctx context.Context) (n int64, err error) {
	err = d.Explain(d.Reader.Row(ctx, d.dialect.size).Scan(&n))
	return n, err
}

// Explain turns an error of a driver into one of ours where a caller can act on
// it. Errors of ours pass.
func (d *DB) Explain(err error) error { return d.dialect.explain(err) }
