package vaulttest

import (
	"context"
	"database/sql"
	"os"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// TestReuse: a database is given to the next test when there is nothing in it but what
// was there at first, and to nobody when a test changed its tables or still uses it.
func TestReuse(t *testing.T) {
	use := func(t *testing.T, text string) (address string) {
		t.Run("", func(t *testing.T) {
			address = emptyTables(t)
			if server == nil {
				t.Skip("the server is not ours: every test has a database of its own")
			}
			if err := execute(address, text); err != nil {
				t.Fatal(err)
			}
		})
		return address
	}
	const row = "INSERT INTO settings (name, value, version, updated_at) VALUES ('a', 'b', 1, 1)"
	first := use(t, row)
	if first == "" || server == nil {
		t.Skip("no server of ours")
	}
	if again := use(t, row); again != first { // the same row once more
		t.Errorf("the second test has %s, want the first one's", again)
	}
	for _, change := range []string{
		"ALTER TABLE settings ADD COLUMN more text",
		"CREATE INDEX more ON settings (value)",
		"DELETE FROM attache_schema",
		"ALTER TABLE grants DROP CONSTRAINT IF EXISTS grants_pkey CASCADE",
	} {
		changed := use(t, change)
		if next := use(t, "SELECT 1"); next == changed {
			t.Errorf("after %q the database is used again", change)
		}
	}
	var db *sql.DB
	t.Cleanup(func() {
		if db != nil {
			db.Close()
		}
	})
	busy := use(t, "SELECT 1")
	t.Run("", func(t *testing.T) {
		if address := emptyTables(t); address != busy {
			t.Fatalf("%s, want %s", address, busy)
		}
		db, _ = sql.Open("pgx", busy)
		if err := db.PingContext(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
	if next := use(t, "SELECT 1"); next == busy {
		t.Error("a database that is in use is given out")
	}
}
