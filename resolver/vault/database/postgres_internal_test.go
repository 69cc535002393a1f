package database

import (
	"strings"
	"testing"
)

// TestPoolMaxConns: an address says how many connections a replica keeps, in the words
// of pgx's own pool, and the server does not hear of it.
func TestPoolMaxConns(t *testing.T) {
	for text, want := range map[string]int{"": postgresConns, "&pool_max_conns=2": 2, "&pool_max_conns=1000": 1000} {
		cfg, conns, err := parsePostgres("postgres://attache:secret@db.example/vault?sslmode=disable" + text)
		if err != nil || conns != want {
			t.Errorf("%q: %d connections, %v; want %d", text, conns, err, want)
			continue
		}
		if _, told := cfg.RuntimeParams[poolParameter]; told {
			t.Errorf("%q is told to the server", text)
		}
	}
	for _, text := range []string{"0", "1", "-3", "1001", "many", ""} {
		_, _, err := parsePostgres("postgres://attache:secret@db.example/vault?sslmode=disable&pool_max_conns=" + text)
		if err == nil || !strings.Contains(err.Error(), "want a number from 2 to 1000") || strings.Contains(err.Error(), "secret") {
			t.Errorf("pool_max_conns=%q: %v", text, err)
		}
	}
}
