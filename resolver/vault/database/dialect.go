package database

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"sync"

	"github.com/pressly/goose/v3"
)

// dialect is all in which SQLite and PostgreSQL differ for us. The SQL itself is
// one text, written with ? for parameters.
type dialect struct {
	name  string
	goose goose.Dialect
	// numbered is whether parameters are $1, $2 instead of ?.
	numbered bool
	// prepares says that we keep prepared statements, because the driver does not.
	prepares bool
	// warms says that the connections that read are opened before they are asked for.
	warms bool
	// now is an expression for the database's clock in microseconds. Leases use
	// it, because the clocks of replicas differ.
	now string
	// lock ends a SELECT whose row is edited in the same transaction.
	lock string
	// share ends a SELECT whose row others may read and none may edit until the
	// transaction ends.
	share string
	// skip ends a SELECT that takes rows for its transaction alone and passes
	// over those that another one has taken.
	skip string
	// snapshot is the isolation level in which a transaction reads one moment.
	snapshot sql.IsolationLevel
	// open opens the pools: for writing, and for reading (may be the same).
	open func(ctx context.Context, source string) (w, r *sql.DB, err error)
	// inspect opens source so that nothing in it can be changed. It returns a
	// nil pool where there is no database yet.
	inspect func(ctx context.Context, source string) (*sql.DB, error)
	// migrateOptions are goose's for this database; nil for none.
	migrateOptions func() ([]goose.ProviderOption, error)
	// announce writes a change so that other processes hear of it, inside the
	// transaction that makes it.
	announce func(ctx context.Context, t *Tx, origin, change string) error
	// listen tells of changes that other processes announced, until ctx ends.
	listen func(ctx context.Context, d *DB)
	// classify says what a driver's error means.
	classify func(error) fault
	// integrity are queries in which a whole database answers nothing but "ok".
	integrity []string
	// size is a query for the size of the database in bytes.
	size string
}

// fault is what an error of a driver means for us.
type fault int

const (
	faultOther       fault = iota
	faultDuplicate         // a UNIQUE constraint
	faultMissing           // a foreign key points nowhere
	faultRetry             // the transaction lost a race; run it again
	faultUnavailable       // the database is away or cannot write
)

// dialects is every database that there is.
var dialects = map[string]*dialect{
	"sqlite":   &sqliteDialect,
	"postgres": &postgresDialect,
}

// rebound caches the numbered form of each query text; there are about 150.
var rebound sync.Map

// rebind turns ? into $1, $2, … for PostgreSQL. Our texts have no ? elsewhere.
func (d *dialect) rebind(query string) string {
	if !d.numbered {
		return query
	}
	if s, ok := rebound.Load(query); ok {
		return s.(string)
	}
	var b strings.Builder
	n := 0
	for i := range len(query) {
		if query[i] != '?' {
			b.WriteByte(query[i])
			continue
		}
		n++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
	}
	rebound.Store(query, b.String())
	return b.String()
}
