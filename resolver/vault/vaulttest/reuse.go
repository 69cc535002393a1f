package vaulttest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// idle are databases that tests are done with, and that are as they were: a copy of the
// template takes a hundred times as long as emptying one.
var idle struct {
	sync.Mutex
	addresses []string
	shape     string             // of the template
	hands     map[string]*sql.DB // one connection to each database that was given back: a new one costs a hundred small queries
}

// handed calls f with the connection that is kept to a database; idle is locked.
func handed(address string, f func(context.Context, *sql.DB) error) error {
	db := idle.hands[address]
	if db == nil {
		var err error
		if db, err = sql.Open("pgx", address); err != nil {
			return err
		}
		db.SetMaxOpenConns(1)
		if idle.hands == nil {
			idle.hands = map[string]*sql.DB{}
		}
		idle.hands[address] = db
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return f(ctx, db)
}

// emptyTables is the address of a database that has the vault's tables and nothing in
// them, until the test ends.
func emptyTables(tb testing.TB) string {
	tb.Helper()
	admin := reach(tb)
	if server == nil {
		return postgres(tb, tables)
	}
	address := takeIdle()
	if address == "" {
		address = postgres(tb, tables)
	}
	tb.Cleanup(func() {
		if !tb.Failed() {
			giveBack(admin, address)
		}
	})
	return address
}

func takeIdle() string {
	idle.Lock()
	defer idle.Unlock()
	n := len(idle.addresses)
	if n == 0 {
		return ""
	}
	address := idle.addresses[n-1]
	idle.addresses = idle.addresses[:n-1]
	return address
}

// giveBack empties a database for the next test. One that somebody still uses, or whose
// tables a test has changed, is for nobody any more.
func giveBack(admin, address string) {
	idle.Lock()
	defer idle.Unlock()
	if idle.shape == "" {
		_ = asked(in(admin, template), func(ctx context.Context, db *sql.DB) (err error) { // copied again: nobody may stay connected to it
			idle.shape, err = shapeOf(ctx, db)
			return err
		})
	}
	err := handed(address, func(ctx context.Context, db *sql.DB) error {
		shape, err := shapeOf(ctx, db)
		if err != nil || shape == "" || shape != idle.shape {
			return errors.Join(errors.New("it is not as it was"), err)
		}
		return emptyAll(ctx, db)
	})
	if err == nil {
		idle.addresses = append(idle.addresses, address)
		return
	}
	if db := idle.hands[address]; db != nil {
		_ = db.Close()
	}
	delete(idle.hands, address)
}

// shapeOf is what a database consists of, without what is in the vault's tables; and an
// error while others are connected to it.
func shapeOf(ctx context.Context, db *sql.DB) (shape string, err error) {
	if err := alone(ctx, db); err != nil {
		return "", err
	}
	err = db.QueryRowContext(ctx, `SELECT concat_ws(E'\n',
	(SELECT string_agg(concat_ws(' ', table_schema, table_name, ordinal_position, column_name, data_type, is_nullable, column_default), E'\n' ORDER BY table_schema, table_name, ordinal_position)
		FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema')),
	(SELECT string_agg(indexdef, E'\n' ORDER BY indexdef) FROM pg_indexes WHERE schemaname NOT IN ('pg_catalog', 'information_schema')),
	(SELECT string_agg(pg_get_triggerdef(oid), E'\n' ORDER BY pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal),
	(SELECT string_agg(conrelid::regclass || pg_get_constraintdef(oid), E'\n' ORDER BY conrelid::regclass::text, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = 'public'::regnamespace),
	(SELECT string_agg(pg_get_functiondef(oid), E'\n' ORDER BY oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
	(SELECT string_agg(setconfig::text, E'\n') FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()),
	(SELECT string_agg(v::text, E'\n' ORDER BY v::text) FROM attache_schema v))`).Scan(&shape)
	return shape, err
}

// alone waits for connections that were closed to end at the server, too.
func alone(ctx context.Context, db *sql.DB) error {
	for deadline := time.Now().Add(time.Second); ; time.Sleep(10 * time.Millisecond) {
		var others int
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").Scan(&others); err != nil {
			return err
		}
		switch {
		case others == 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%d others use it", others)
		}
	}
}

// emptyAll deletes all rows, but for what says how far the tables are migrated.
func emptyAll(ctx context.Context, db *sql.DB) error {
	var deletes sql.NullString
	err := db.QueryRowContext(ctx, "SELECT string_agg('DELETE FROM ' || quote_ident(tablename), '; ') FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'attache_schema'").Scan(&deletes)
	if err != nil {
		return err
	}
	// Without triggers and foreign keys, in whatever order.
	_, err = db.ExecContext(ctx, strings.Join([]string{"SET session_replication_role = replica", deletes.String}, "; "))
	return err
}
