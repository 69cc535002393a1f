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
// # Its rooms
//
// This package has accounts and who may use them: agents, grants, connectors, apps,
// leases; and what goes through all of it: sweeping, export and import, verifying.
// Below it, database is SQL, seal keeps secrets, audit remembers who did what;
// access (admin tokens, sign-ins), session (connect links) and webhook stand on these
// three, and their methods are a Vault's and a View's.
//
// # What holds
//
//   - A row is edited at a version; an edit of an older version is ErrConflict.
//   - An account changes its state only along the table in accountstate.go, each time
//     with a reason that stands in the audit and goes to the webhooks in the same
//     transaction.
//   - A sealed value opens only in the row and field that it was sealed for.
//   - When a call that writes returns nil, the change is on disk, subscribers in
//     this process have heard of it, and those in other processes hear within a
//     second.
package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/vault/access"
	"github.com/attache-proxy/attache/resolver/vault/approval"
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/runs"
	"github.com/attache-proxy/attache/resolver/vault/seal"
	"github.com/attache-proxy/attache/resolver/vault/session"
	"github.com/attache-proxy/attache/resolver/vault/spent"
	"github.com/attache-proxy/attache/resolver/vault/tool"
	"github.com/attache-proxy/attache/resolver/vault/webhook"
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
	access.Gate
	session.Desk
	webhook.Queue
	approval.Docket
	runs.Book
	tool.Shelf

	db    *database.DB
	r     *database.Reader // of db
	seals *seal.Box
	audit *audit.Log
	spent spent.Store
	now   func() time.Time

	auditRetention, usageRetention time.Duration

	stop context.CancelFunc
	work sync.WaitGroup
}

// Open opens the vault, makes it where there is none, and brings an older one up
// to date.
//
// It returns ErrNoKey, ErrWrongKey or ErrNewer, and has then changed nothing.
func Open(ctx context.Context, c Config) (*Vault, error) {
	c.fill()
	seals, err := seal.NewBox(c.Keys)
	if err != nil {
		return nil, fmt.Errorf("opening the vault: %w", err)
	}
	db, err := database.Open(ctx, database.Config{
		Driver: c.Driver, Source: c.Source, Instance: c.Instance, Log: c.Log, Poll: c.Poll, Now: c.Now,
		Check: seals.CheckKeys, Changed: func(ch Change) { seals.Marks.Raise(ch.ID, ch.Sealed) },
	})
	if err != nil {
		return nil, err
	}
	log := audit.New(db, c.AuditSync)
	v := &Vault{
		Gate: access.NewGate(db, log), Desk: session.NewDesk(db, seals), Queue: webhook.NewQueue(db, seals), Docket: approval.NewDocket(db, seals), Book: runs.NewBook(db), Shelf: tool.NewShelf(db),
		db: db, r: db.Reader, seals: seals, audit: log, now: c.Now, spent: spent.New(db),
		auditRetention: c.AuditRetention, usageRetention: c.UsageRetention,
	}
	if v.now == nil {
		v.now = time.Now
	}
	if err := v.begin(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("opening the vault: %w", err)
	}
	return v, nil
}

// fill puts defaults where c says nothing.
func (c *Config) fill() {
	if c.Instance == "" {
		c.Instance = database.NewID("rep", time.Now())
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	if c.AuditRetention == 0 {
		c.AuditRetention = defaultAuditRetention
	}
	if c.UsageRetention == 0 {
		c.UsageRetention = defaultUsageRetention
	}
}

// begin checks the key and starts what runs in the background.
func (v *Vault) begin(ctx context.Context) error {
	if err := v.seals.Unlock(ctx, v.db); err != nil {
		return err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	v.stop = stop
	v.work.Go(func() { v.db.Listen(run) })
	v.work.Go(func() { v.audit.Run(run) })
	v.work.Go(func() { v.sweepAlways(run) })
	v.work.Go(func() { v.warm(run) })
	select {
	case <-v.db.Listening():
	case <-ctx.Done():
		stop()
		v.work.Wait()
		return ctx.Err()
	case <-time.After(10 * time.Second):
		v.db.Log.Warn("does not hear of other replicas' changes yet; trying on")
	}
	return nil
}

// Close writes what is still to be written and closes the database.
func (v *Vault) Close() error {
	v.stop()
	v.work.Wait()
	return errors.Join(v.spent.Close(context.Background()), v.db.Close())
}

// Ping reports whether the database answers.
func (v *Vault) Ping(ctx context.Context) error { return v.db.Ping(ctx) }

// Reads counts the statements that read outside of transactions, as those of the
// proxy do.
func (v *Vault) Reads() uint64 { return v.db.Reads() }

// Driver is "sqlite" or "postgres".
func (v *Vault) Driver() string { return v.db.Driver() }

// Clock is the time by the database's clock, which is one for all replicas.
func (v *Vault) Clock(ctx context.Context) time.Time { return v.db.Clock(ctx) }

// Subscribe calls f for each change, of this process before the call that made
// it returns, of others within a second. f must be quick and must not write to
// the vault. The changes of one transaction come in their order.
func (v *Vault) Subscribe(f func(Change)) (cancel func()) { return v.db.Subscribe(f) }

// Epoch counts the publications of changes; see database.DB.Epoch.
func (v *Vault) Epoch() uint64 { return v.db.Epoch() }

// Instance is the name of this process among its replicas.
func (v *Vault) Instance() string { return v.db.Instance }

// Keys is the key ring that the vault was opened with.
func (v *Vault) Keys() *Keyring { return v.seals.Keys }

// MAC is a keyed hash of text, in hexadecimal: nobody without this vault can make
// or foretell one. What was made for one purpose is none for another.
func (v *Vault) MAC(purpose, text string) string { return v.seals.MAC(purpose, text) }

// SealLink seals what a link for one account says; see seal.Box.SealLink.
func (v *Vault) SealLink(accountID, text string) string { return v.seals.SealLink(accountID, text) }

// OpenLink is the inverse of SealLink for links that are younger than maxAge. It
// returns ErrNotFound for what was not sealed here for that account, and
// ErrExpired.
func (v *Vault) OpenLink(accountID, sealed string, maxAge time.Duration) (string, error) {
	return v.seals.OpenLink(accountID, sealed, maxAge)
}

// Record adds an event to the audit and to the usage of its account. It does not
// block and never fails a request; at most the last 100 ms are lost when the
// process is killed. With AuditSync it returns when the event is on disk, or with
// the error that kept it from getting there.
func (v *Vault) Record(ctx context.Context, e Event) error { return v.audit.Record(ctx, e) }

// Budgets counts what is used of budgets.
func (v *Vault) Budgets() budget.Store { return v.spent }

// Flush writes the waiting events now.
func (v *Vault) Flush(ctx context.Context) error { return v.audit.Flush(ctx) }

// Dropped counts the events that were lost because the database was away for too
// long.
func (v *Vault) Dropped() int64 { return v.audit.Dropped() }

// View is the vault as one actor may see it: one organisation, or All. What it
// does is audited under its actor's name.
type View struct {
	*audit.View
	access.Tokens
	session.Sessions
	webhook.Hooks
	approval.Questions
	runs.Known
	tool.Tools

	v *Vault
}

// As returns the vault as actor sees it in organisation org; All sees every one.
func (v *Vault) As(actor Actor, org string) *View {
	s := v.audit.As(actor, org)
	return &View{s, v.Gate.As(s), v.Desk.As(s), v.Queue.As(s, webhookEvents), v.Docket.As(s), v.Book.As(s), v.Shelf.As(s), v}
}

// System is the vault as this program itself sees it: all of it.
func (v *Vault) System() *View { return v.As(Actor{Kind: "system"}, All) }

// webhookEvents are all that webhooks are told of.
var webhookEvents = webhook.Events(States)
