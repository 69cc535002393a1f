package database

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// versionTable is where goose writes which migrations ran.
const versionTable = "attache_schema"

// SchemaVersion is the newest version of the tables that this release knows.
var SchemaVersion = newestMigration()

func newestMigration() int64 {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(names) == 0 {
		panic("database: no migrations are embedded")
	}
	var newest int64
	for _, name := range names {
		var n int64
		if _, err := fmt.Sscanf(strings.TrimPrefix(name, "migrations/"), "%d_", &n); err != nil {
			panic("database: a migration without a number: " + name)
		}
		newest = max(newest, n)
	}
	return max(newest, PayloadReworded)
}

// inspect refuses a database that a newer release wrote, or that check refuses,
// through a connection that cannot change it.
func (d *DB) inspect(ctx context.Context, check func(context.Context, Querier) error) error {
	db, err := d.dialect.inspect(ctx, d.source)
	if err != nil {
		return d.Explain(err)
	}
	if db == nil {
		return nil // nothing there yet
	}
	defer db.Close()
	q := &Reader{db: db, d: d.dialect}
	var version int64
	err = q.Row(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+versionTable+" WHERE is_applied").Scan(&version)
	if err != nil {
		return fmt.Errorf("reading the version of its tables (is this a vault?): %w", d.Explain(err))
	}
	if version > SchemaVersion {
		return fmt.Errorf("%w: its tables have version %d, this release knows %d; run the newer release, or restore a backup", ErrNewer, version, SchemaVersion)
	}
	if version == 0 {
		return nil
	}
	return check(ctx, q)
}

// migrate brings the tables up to date.
func (d *DB) migrate(ctx context.Context) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	opts := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithTableName(versionTable), goose.WithGoMigrations(d.rewording()...)}
	if d.dialect.migrateOptions != nil {
		more, err := d.dialect.migrateOptions()
		if err != nil {
			return err
		}
		opts = append(opts, more...)
	}
	p, err := goose.NewProvider(d.dialect.goose, d.w, dir, opts...)
	if err != nil {
		return fmt.Errorf("preparing migrations: %w", err)
	}
	// goose has no lock for SQLite. A process that starts at the same moment may
	// win; then our run fails on a table that is there, and the next finds
	// nothing to do.
	for try := 1; ; try++ {
		_, err = p.Up(ctx)
		if err == nil {
			return nil
		}
		if try == 5 || errors.Is(err, sql.ErrConnDone) || ctx.Err() != nil {
			return fmt.Errorf("migrating: %w", d.Explain(err))
		}
		time.Sleep(time.Duration(try) * 50 * time.Millisecond)
	}
}
