package vaulttest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// AddressEnv names a variable with the URL of a PostgreSQL to use instead of one
// that is started here. Its user must be allowed to create databases.
const AddressEnv = "ATTACHE_TEST_POSTGRES"

var errNoPostgres = errors.New("no PostgreSQL: neither " + AddressEnv + " nor the programs in /usr/lib/postgresql/*/bin")

var (
	serverOnce sync.Once
	serverURL  string
	serverErr  error
	server     *Server
	databases  atomic.Int64

	templateOnce sync.Once
	template     string
	templateErr  error
)

// Main runs the tests and stops the PostgreSQL that they started.
func Main(m *testing.M) int {
	code := m.Run()
	switch {
	case server != nil:
		server.Stop()
	case template != "":
		_ = execute(serverURL, drop+template+force)
	}
	return code
}

// address is the URL of the server that this process uses.
func address() (string, error) {
	serverOnce.Do(func() {
		if serverURL = os.Getenv(AddressEnv); serverURL != "" {
			return
		}
		if server, serverErr = StartPostgres(); serverErr == nil {
			serverURL = server.URL("postgres")
		}
	})
	return serverURL, serverErr
}

const (
	empty = "template0"
	drop  = "DROP DATABASE IF EXISTS "
	force = " WITH (FORCE)"
)

// postgres makes a database until the test ends, as a copy of another.
func postgres(tb testing.TB, from func(admin string) (string, error)) string {
	tb.Helper()
	admin := reach(tb)
	original, err := from(admin)
	if err != nil {
		tb.Fatal(err)
	}
	name := newName()
	if err := copyDatabase(admin, name, original); err != nil {
		tb.Fatal(err)
	}
	if server == nil { // ours is thrown away with all that is in it, which takes less time
		tb.Cleanup(func() {
			if err := execute(admin, drop+name+force); err != nil {
				tb.Error(err)
			}
		})
	}
	return in(admin, name)
}

// reach returns the address of the server, or ends the test.
func reach(tb testing.TB) string {
	tb.Helper()
	admin, err := address()
	if errors.Is(err, errNoPostgres) && os.Getenv("CI") == "" {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return admin
}

// copyDatabase copies files, as all versions before 15 did, where the default now is
// to write each page to the log too, at five times the cost.
func copyDatabase(admin, name, original string) error {
	text := "CREATE DATABASE " + name + " TEMPLATE " + original
	err := execute(admin, text+" STRATEGY FILE_COPY")
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) && e.Code == "42601" { // syntax_error: a version before 15
		err = execute(admin, text)
	}
	return err
}

func newName() string { return fmt.Sprintf("attache_test_%d_%d", os.Getpid(), databases.Add(1)) }

func nothing(string) (string, error) { return empty, nil }

// tables is a database with the vault's tables, and nothing in them: migrating
// takes longer than everything else that most tests do.
func tables(admin string) (string, error) {
	templateOnce.Do(func() {
		name := newName()
		if templateErr = copyDatabase(admin, name, empty); templateErr != nil {
			return
		}
		var db *database.DB
		db, templateErr = database.Open(context.Background(), database.Config{Driver: "postgres", Source: in(admin, name), Log: slog.New(slog.DiscardHandler),
			Check: func(context.Context, database.Querier) error { return nil }})
		if templateErr == nil {
			templateErr = db.Close()
		}
		template = name
	})
	return template, templateErr
}

// in is the address of a database of the server.
func in(admin, name string) string {
	u, err := url.Parse(admin)
	if err != nil {
		panic("the address of PostgreSQL is no URL")
	}
	u.Path = "/" + name
	return u.String()
}

func execute(address, text string) error {
	return asked(address, func(ctx context.Context, db *sql.DB) error {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		return nil
	})
}

// asked calls f with one connection to a database.
func asked(address string, f func(context.Context, *sql.DB) error) error {
	db, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return f(ctx, db)
}

// programs is the directory of the newest PostgreSQL that is installed.
func programs() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return "", errNoPostgres
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}
