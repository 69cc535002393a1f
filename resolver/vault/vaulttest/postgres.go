package vaulttest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
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
)

// Main runs the tests and stops the PostgreSQL that they started.
func Main(m *testing.M) int {
	code := m.Run()
	if server != nil {
		server.Stop()
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

// database makes an empty database until the test ends.
func database(tb testing.TB) string {
	tb.Helper()
	admin, err := address()
	if errors.Is(err, errNoPostgres) && os.Getenv("CI") == "" {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	name := fmt.Sprintf("attache_test_%d_%d", os.Getpid(), databases.Add(1))
	run(tb, admin, "CREATE DATABASE "+name+" TEMPLATE template0")
	tb.Cleanup(func() { run(tb, admin, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	u, err := url.Parse(admin)
	if err != nil {
		tb.Fatal("the address of PostgreSQL is no URL")
	}
	u.Path = "/" + name
	return u.String()
}

func run(tb testing.TB, address, text string) {
	tb.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := db.ExecContext(ctx, text); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
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
