// Package vault remembers: agents, accounts, grants, apps, custom connectors,
// settings, audit and usage, in SQLite or PostgreSQL, with every secret sealed
// before SQL sees it.
//
// # Who calls what
//
// The proxy reads with AgentByToken, Permits and Unseal, refreshes under a Lease,
// and reports with Record. People and their tools work through a View, which
// sees one organisation or all, and which signs what it does with its actor.
//
// # What holds
//
//   - A row is edited at a version; an edit of an older version is ErrConflict.
//   - An account changes its state only along the table in state.go, each time
//     with a reason that stands in the audit and goes to the webhooks in the same
//     transaction.
//   - A sealed value opens only in the row and field that it was sealed for.
//   - When a call that writes returns nil, the change is on disk, subscribers in
//     this process have heard of it, and those in other processes hear within a
//     second.
package vault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what Open needs.
type Config struct {
	// Driver is "sqlite" or "postgres".
	Driver string
	// Source is the path of the SQLite file, or a PostgreSQL URL.
	Source string
	// Keys seal and open; at least one.
	Keys *Keyring
	// Instance tells this process from its replicas; empty means a random name.
	Instance string
	// Log gets warnings; nil discards them. No secret is ever logged.
	Log *slog.Logger
	// AuditSync makes Record wait until its event is on disk.
	AuditSync bool
	// AuditRetention is how long audit events are kept; 0 means 90 days, less
	// than 0 for ever.
	AuditRetention time.Duration
	// UsageRetention is the same for usage; 0 means 400 days.
	UsageRetention time.Duration
	// Poll is how often SQLite is asked for changes by other processes; 0 means
	// 250 ms.
	Poll time.Duration
	// Now is the clock, for tests; nil means time.Now. With it leases follow
	// this clock instead of the database's.
	Now func() time.Time
}

const (
	defaultAuditRetention = 90 * 24 * time.Hour
	defaultUsageRetention = 400 * 24 * time.Hour
	defaultPoll           = 250 * time.Millisecond
)

// Vault is an open vault. It is safe for concurrent use.
type Vault struct {
	d        *dialect
	source   string
	w        *sql.DB // writes; one connection with SQLite
	r        *reader
	keys     *Keyring
	salt     []byte // of fingerprints
	marks    marks
	instance string
	log      *slog.Logger
	now      func() time.Time
	leaseNow string // the lease clock as SQL; one parameter when clock is set
	told     atomic.Pointer[moment]
	clock    bool // Config.Now was given
	poll     time.Duration
	audit    *auditLog

	auditRetention, usageRetention time.Duration

	subs      subscribers
	listening chan struct{}
	once      sync.Once

	stop context.CancelFunc
	work sync.WaitGroup
}

// Open opens the vault, makes it where there is none, and brings an older one up
// to date.
//
// It returns ErrNoKey, ErrWrongKey or ErrNewer, and has then changed nothing.
func Open(ctx context.Context, c Config) (*Vault, error) {
	d, ok := dialects[c.Driver]
	if !ok {
		return nil, fmt.Errorf("unknown kind of vault %q; known: postgres, sqlite", c.Driver)
	}
	if c.Keys == nil || len(c.Keys.keys) == 0 {
		return nil, fmt.Errorf("opening the vault: %w", ErrNoKey)
	}
	if c.Source == "" {
		return nil, errors.New("opening the vault: no file or address given")
	}
	v := newVault(d, c)
	if err := v.inspect(ctx); err != nil {
		return nil, fmt.Errorf("opening the vault: %w", err)
	}
	w, r, err := d.open(ctx, c.Source)
	if err != nil {
		return nil, fmt.Errorf("opening the vault: %w", v.explain(err))
	}
	v.w, v.r = w, &reader{db: r, d: d}
	if err := v.begin(ctx); err != nil {
		v.closePools()
		return nil, fmt.Errorf("opening the vault: %w", err)
	}
	return v, nil
}

func newVault(d *dialect, c Config) *Vault {
	v := &Vault{
		d: d, source: c.Source, keys: c.Keys, instance: c.Instance, log: c.Log, now: c.Now, poll: c.Poll,
		clock: c.Now != nil, leaseNow: d.now,
		auditRetention: c.AuditRetention, usageRetention: c.UsageRetention,
		listening: make(chan struct{}),
	}
	if v.instance == "" {
		v.instance = newID("rep", time.Now())
	}
	// The instance stands before a space in what PostgreSQL announces.
	v.instance = strings.Join(strings.Fields(v.instance), "-")
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	if v.now == nil {
		v.now = time.Now
	}
	if v.clock {
		v.leaseNow = "CAST(? AS BIGINT)"
	}
	if v.poll == 0 {
		v.poll = defaultPoll
	}
	if v.auditRetention == 0 {
		v.auditRetention = defaultAuditRetention
	}
	if v.usageRetention == 0 {
		v.usageRetention = defaultUsageRetention
	}
	v.audit = newAuditLog(v, c.AuditSync)
	return v
}

// begin migrates, checks the key and starts what runs in the background.
func (v *Vault) begin(ctx context.Context) error {
	if err := v.migrate(ctx); err != nil {
		return err
	}
	if err := v.unlock(ctx); err != nil {
		return err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	v.stop = stop
	v.work.Go(func() { v.d.listen(run, v) })
	v.work.Go(func() { v.audit.run(run) })
	v.work.Go(func() { v.sweepAlways(run) })
	v.work.Go(func() { v.warm(run) })
	select {
	case <-v.listening:
	case <-ctx.Done():
		stop()
		v.work.Wait()
		return ctx.Err()
	case <-time.After(10 * time.Second):
		v.log.Warn("does not hear of other replicas' changes yet; trying on")
	}
	return nil
}

// listens notes that changes of other processes are heard from now on. It
// reports whether that is so for the first time.
func (v *Vault) listens() (first bool) {
	v.once.Do(func() { first = true; close(v.listening) })
	return first
}

// Close writes what is still to be written and closes the database.
func (v *Vault) Close() error {
	v.stop()
	v.work.Wait()
	return v.closePools()
}

func (v *Vault) closePools() error {
	err := v.w.Close()
	if v.r.db != v.w {
		err = errors.Join(v.r.db.Close(), err)
	}
	return err
}

// Ping reports whether the database answers.
func (v *Vault) Ping(ctx context.Context) error {
	var n int
	return v.explain(v.r.row(ctx, "SELECT 1").Scan(&n))
}

// Reads counts the statements that read outside of transactions, as those of the
// proxy do.
func (v *Vault) Reads() uint64 { return v.r.asked.Load() }

// Driver is "sqlite" or "postgres".
func (v *Vault) Driver() string { return v.d.name }

// Keys is the key ring that the vault was opened with.
func (v *Vault) Keys() *Keyring { return v.keys }

// Instance is the name of this process among its replicas.
func (v *Vault) Instance() string { return v.instance }

// All is the organisation of a View that sees every organisation.
const All = "*"

// DefaultOrganisation is where rows go that name none.
const DefaultOrganisation = "default"

// View is the vault as one actor may see it: one organisation, or All. What it
// does is audited under its actor's name.
type View struct {
	v     *Vault
	org   string
	actor Actor
}

// Actor is who does something.
type Actor struct {
	Kind string // "admin" (a token), "agent", "person" (signed in, or with a connect link), "system"
	Name string // the token's or agent's name or id; empty for the system
}

// As returns the vault as actor sees it in organisation org; All sees every one.
func (v *Vault) As(actor Actor, org string) *View {
	if org == "" {
		org = DefaultOrganisation
	}
	return &View{v, org, actor}
}

// System is the vault as this program itself sees it: all of it.
func (v *Vault) System() *View { return v.As(Actor{Kind: "system"}, All) }

// Organisation is the one that this view sees, or All.
func (s *View) Organisation() string { return s.org }

// sees reports whether rows of organisation org are there for this view.
func (s *View) sees(org string) bool { return s.org == All || s.org == org }

// place decides to which organisation a new row belongs: the one asked for, or
// the view's, or the default one.
func (s *View) place(org string) (string, error) {
	switch {
	case org == "" && s.org == All:
		return DefaultOrganisation, nil
	case org == "":
		return s.org, nil
	case !s.sees(org):
		return "", ErrOrganisation
	}
	return org, checkName("organisation", org)
}

// orgs is the WHERE condition of this view; column is the organisation's.
func (s *View) where(column string) *where {
	w := &where{}
	if s.org != All {
		w.is(column, s.org)
	}
	return w
}

// where collects conditions that are joined with AND.
type where struct {
	conds []string
	args  []any
}

func (w *where) add(cond string, args ...any) {
	w.conds = append(w.conds, cond)
	w.args = append(w.args, args...)
}

// is adds column = value unless value is empty.
func (w *where) is(column, value string) {
	if value != "" {
		w.add(column+" = ?", value)
	}
}

func (w *where) String() string {
	if len(w.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conds, " AND ")
}

// oneOf adds column IN (values) unless there are none.
func (w *where) oneOf(column string, values []string) {
	switch len(values) {
	case 0:
		return
	case 1:
		w.is(column, values[0])
		return
	}
	args := make([]any, len(values))
	for i, x := range values {
		args[i] = x
	}
	w.add(column+" IN ("+strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ")+")", args...)
}

// sorted returns a sorted copy without doubles.
func sorted[S ~string](in []S) []S {
	out := slices.Clone(in)
	slices.Sort(out)
	return slices.Compact(out)
}
