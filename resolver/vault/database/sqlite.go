package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteReaders is how many connections read at once. Readers never wait for
// the writer (WAL), so this only bounds memory.
const sqliteReaders = 8

var sqliteDialect = dialect{
	name:     "sqlite",
	prepares: true,
	goose:    goose.DialectSQLite3,
	now:      "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
	open:     openSQLite,
	inspect:  inspectSQLite,
	announce: announceSQLite,
	listen:   pollSQLite,
	classify: classifySQLite,
	integrity: []string{
		"SELECT integrity_check FROM pragma_integrity_check",
		"SELECT \"table\" || ' row ' || rowid || ' refers to nothing in ' || parent FROM pragma_foreign_key_check",
	},
	size: "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
}

// sqliteURI is the driver's name for the file at path. synchronous(FULL): a
// rotated refresh token that was lost to a power cut is a lost account, and a
// commit every 50 ms for the audit is little.
func sqliteURI(path string, more url.Values) string {
	q := url.Values{"_pragma": {"busy_timeout(10000)", "foreign_keys(1)", "synchronous(FULL)", "cache_size(-16000)", "temp_store(MEMORY)"}}
	for k, vs := range more {
		q[k] = append(q[k], vs...)
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// openSQLite opens the file, and makes it (mode 0600) where it is missing.
func openSQLite(ctx context.Context, path string) (w, r *sql.DB, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, fmt.Errorf("making the vault's directory: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the vault's file: %w", err)
	}
	f.Close()
	// immediate: a transaction that will write takes the lock when it begins, so
	// it can wait its turn and never fails half way because its snapshot is old.
	w, err = sql.Open("sqlite", sqliteURI(path, url.Values{"_txlock": {"immediate"}, "_pragma": {"journal_mode(WAL)"}}))
	if err != nil {
		return nil, nil, err
	}
	w.SetMaxOpenConns(1)
	if err := pingBusy(ctx, w); err != nil {
		w.Close()
		return nil, nil, fmt.Errorf("opening the vault's file: %w", err)
	}
	r, err = sql.Open("sqlite", sqliteURI(path, url.Values{"_pragma": {"query_only(1)"}}))
	if err != nil {
		w.Close()
		return nil, nil, err
	}
	r.SetMaxOpenConns(sqliteReaders)
	r.SetMaxIdleConns(sqliteReaders)
	return w, r, nil
}

// pingBusy connects. The change to WAL does not wait for other processes that
// make it at the same moment, whatever busy_timeout says, so it is tried again.
func pingBusy(ctx context.Context, db *sql.DB) (err error) {
	for range 200 {
		if err = db.PingContext(ctx); err == nil || !strings.Contains(err.Error(), "SQLITE_BUSY") {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(25 * time.Millisecond):
		}
	}
	return err
}

func inspectSQLite(ctx context.Context, path string) (*sql.DB, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || (err == nil && info.Size() == 0) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the vault's file: %w", err)
	}
	db, err := sql.Open("sqlite", sqliteURI(path, url.Values{"mode": {"ro"}}))
	if err != nil {
		return nil, err
	}
	var ours, all int
	err = db.QueryRowContext(ctx, "SELECT COUNT(*) FILTER (WHERE name = '"+versionTable+"'), COUNT(*) FROM sqlite_master").Scan(&ours, &all)
	switch {
	case err != nil:
		err = fmt.Errorf("reading %s: %w", path, err)
	case ours == 0 && all > 0:
		err = fmt.Errorf("%s is a database of something else", path)
	}
	if err != nil || ours == 0 {
		db.Close()
		return nil, err
	}
	return db, nil
}

func classifySQLite(err error) fault {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return faultOther
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return faultDuplicate
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return faultMissing
	}
	switch e.Code() & 0xff { // the primary code of an extended one
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return faultRetry
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
		return faultUnavailable
	}
	return faultOther
}

// KeepChanges is how long a change stays for pollers. One that slept longer is
// told to forget everything.
const KeepChanges = 10 * time.Minute

func announceSQLite(ctx context.Context, t *Tx, origin, change string) error {
	_, err := t.Exec(ctx, `INSERT INTO changes (seq, origin, at, change)
		SELECT COALESCE(MAX(seq), 0) + 1, ?, ?, ? FROM changes`, origin, Micros(t.db.now()), change)
	return err
}

// pollSQLite looks for changes by other processes on the same file. PRAGMA
// data_version costs microseconds and moves only when another connection
// committed, so that an idle vault stays idle.
func pollSQLite(ctx context.Context, d *DB) {
	p := sqlitePoll{db: d, version: -1}
	tick := time.NewTicker(d.poll)
	defer tick.Stop()
	for {
		err := p.look(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			d.Log.Warn("looking for changes in the vault", "error", err)
			d.hear("")
		default:
			d.listens()
		}
		select {
		case <-ctx.Done():
			if p.conn != nil {
				p.conn.Close()
			}
			return
		case <-tick.C:
		}
	}
}

// sqlitePoll is where one poller stands. data_version is per connection, so it
// keeps one.
type sqlitePoll struct {
	db      *DB
	conn    *sql.Conn
	version int64
	seq     int64
	started bool
}

func (p *sqlitePoll) look(ctx context.Context) (err error) {
	defer func() {
		if err != nil && p.conn != nil {
			p.conn.Close()
			p.conn = nil
		}
	}()
	if p.conn == nil {
		if p.conn, err = p.db.Reader.db.Conn(ctx); err != nil {
			return err
		}
	}
	var version int64
	if err := p.conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
		return err
	}
	if version == p.version {
		return nil
	}
	if err := p.read(ctx); err != nil {
		return err
	}
	p.version = version
	return nil
}

func (p *sqlitePoll) read(ctx context.Context) error {
	var first, last int64
	err := p.conn.QueryRowContext(ctx, "SELECT COALESCE(MIN(seq), 0), COALESCE(MAX(seq), 0) FROM changes").Scan(&first, &last)
	if err != nil {
		return err
	}
	if !p.started { // nothing is cached yet
		p.started, p.seq = true, last
		return nil
	}
	if last < p.seq || (first > p.seq+1 && last > p.seq) {
		p.seq = last
		p.db.hear("")
		return nil
	}
	rows, err := p.conn.QueryContext(ctx, "SELECT seq, origin, change FROM changes WHERE seq > ? ORDER BY seq", p.seq)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var origin, text string
		if err := rows.Scan(&p.seq, &origin, &text); err != nil {
			return err
		}
		if origin == p.db.Instance {
			continue
		}
		p.db.hear(text)
	}
	return rows.Err()
}
