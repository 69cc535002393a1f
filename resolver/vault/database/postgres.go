package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

const (
	// postgresConns per replica, besides the one that listens: eight replicas stay
	// below the 100 that PostgreSQL allows by default. pool_max_conns in the address,
	// as pgx's own pool has it, is another number.
	postgresConns = 8
	poolParameter = "pool_max_conns"
	// pgChannel is where changes are announced. A payload is at most 8000 bytes.
	pgChannel    = "attache_changes"
	pgMaxPayload = 7900
)

var postgresDialect = dialect{
	name:           "postgres",
	goose:          goose.DialectPostgres,
	numbered:       true,
	warms:          true,
	now:            "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
	lock:           " FOR UPDATE",
	share:          " FOR SHARE",
	skip:           " FOR UPDATE SKIP LOCKED",
	snapshot:       sql.LevelRepeatableRead,
	open:           openPostgres,
	inspect:        inspectPostgres,
	migrateOptions: lockPostgresMigration,
	announce:       announcePostgres,
	listen:         listenPostgres,
	classify:       classifyPostgres,
	size:           "SELECT pg_database_size(current_database())",
}

func openPostgres(ctx context.Context, source string) (w, r *sql.DB, err error) {
	cfg, conns, err := parsePostgres(source)
	if err != nil {
		return nil, nil, err
	}
	db := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(withoutJIT))
	db.SetMaxOpenConns(conns)
	// They stay open: a new one costs a request ten times what its query does.
	db.SetMaxIdleConns(conns)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, nil, fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	return db, db, nil
}

// parsePostgres reads an address, and how many connections a replica keeps.
func parsePostgres(source string) (cfg *pgx.ConnConfig, conns int, err error) {
	cfg, err = pgx.ParseConfig(source)
	if err != nil {
		return nil, 0, fmt.Errorf("reading the PostgreSQL address: %w", err) // pgx hides the password
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	conns = postgresConns
	if text, ok := cfg.RuntimeParams[poolParameter]; ok {
		delete(cfg.RuntimeParams, poolParameter) // the server knows no such setting
		if conns, err = strconv.Atoi(text); err != nil || conns < 2 || conns > 1000 {
			return nil, 0, fmt.Errorf("reading the PostgreSQL address: %s is %q, want a number from 2 to 1000", poolParameter, text)
		}
	}
	return cfg, conns, nil
}

// withoutJIT: compiling a plan takes longer than any of our queries runs. It is
// no start-up parameter, which a pooler between us may refuse.
func withoutJIT(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, "SET jit = off")
	return err
}

func inspectPostgres(ctx context.Context, source string) (*sql.DB, error) {
	cfg, _, err := parsePostgres(source)
	if err != nil {
		return nil, err
	}
	cfg.RuntimeParams["default_transaction_read_only"] = "on"
	db := stdlib.OpenDB(*cfg)
	var there bool
	err = db.QueryRowContext(ctx, "SELECT to_regclass('"+versionTable+"') IS NOT NULL").Scan(&there)
	if err != nil || !there {
		db.Close()
		if err != nil {
			err = fmt.Errorf("connecting to PostgreSQL: %w", err)
		}
		return nil, err
	}
	return db, nil
}

// lockPostgresMigration lets one of several replicas that start together migrate.
func lockPostgresMigration() ([]goose.ProviderOption, error) {
	l, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300), lock.WithUnlockTimeout(1, 10)) // seconds, tries
	if err != nil {
		return nil, err
	}
	return []goose.ProviderOption{goose.WithSessionLocker(l)}, nil
}

func classifyPostgres(err error) fault {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		switch {
		case e.Code == "23505":
			return faultDuplicate
		case e.Code == "23503":
			return faultMissing
		case e.Code == "40001", e.Code == "40P01": // serialization, deadlock
			return faultRetry
		case strings.HasPrefix(e.Code, "08"), strings.HasPrefix(e.Code, "53"), // connection; resources, disk full
			strings.HasPrefix(e.Code, "57P"), strings.HasPrefix(e.Code, "58"), // shutdown; system
			e.Code == "25006": // a standby: read only
			return faultUnavailable
		}
		return faultOther
	}
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) || pgconn.Timeout(err) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return faultUnavailable
	}
	return faultOther
}

// announcePostgres: NOTIFY is sent when the transaction commits, in the order of
// commits, and never when it does not.
func announcePostgres(ctx context.Context, t *Tx, origin, change string) error {
	payload := origin + " " + change
	if len(payload) > pgMaxPayload {
		payload = origin + " " // too long: that there were some
	}
	_, err := t.Exec(ctx, "SELECT pg_notify(?, ?)", pgChannel, payload)
	return err
}

// listenPostgres keeps one connection listening. What was announced while it was
// away is lost, so each new connection begins by telling that everything may
// have changed.
func listenPostgres(ctx context.Context, d *DB) {
	said := false
	for wait := 50 * time.Millisecond; ctx.Err() == nil; {
		began := time.Now()
		err := listenOnce(ctx, d)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute { // it had listened
			wait, said = 50*time.Millisecond, false
		}
		if !said {
			d.Log.Warn("lost the connection that hears of changes; connecting again", "error", err)
			said = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, listenWait)
	}
}

// listenWait is the longest pause between two tries to listen: when the database
// is back, changes must be heard within a second again.
const listenWait = 400 * time.Millisecond

func listenOnce(ctx context.Context, d *DB) error {
	cfg, _, err := parsePostgres(d.source)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+pgChannel); err != nil {
		return err
	}
	if !d.listens() {
		d.hear("")
	}
	for {
		n, err := waitOrPing(ctx, conn)
		if err != nil {
			return err
		}
		if n == nil {
			continue
		}
		origin, text, _ := strings.Cut(n.Payload, " ")
		if origin == d.Instance {
			continue
		}
		d.hear(text)
	}
}

// waitOrPing waits for a notification and pings every 15 s, so that a connection
// that died without a word (a firewall, a host that vanished) is noticed. It
// returns nil, nil after a ping.
func waitOrPing(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	wait, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	n, err := conn.WaitForNotification(wait)
	if err == nil || ctx.Err() != nil || wait.Err() == nil {
		return n, err
	}
	ping, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return nil, conn.Ping(ping)
}
