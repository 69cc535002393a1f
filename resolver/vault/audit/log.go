package audit

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

const (
	// flushEvery bounds what a kill -9 loses; half of it is left for the commit.
	flushEvery = 50 * time.Millisecond
	// flushFrom is how many waiting events are written without waiting longer.
	flushFrom = 1024
	// maxWaiting is how many events wait in memory while the database is away,
	// about 100 MB. Beyond it the newest are dropped, and counted.
	maxWaiting = 200_000
)

// auditRows are the sizes in which rows are inserted with one statement: few, so
// that few statements are prepared. 21 parameters each; SQLite allows 32766.
var auditRows = []int{256, 32, 4, 1}

// Log writes events in batches, so that no request waits for a disk.
type Log struct {
	db   *database.DB
	sync bool

	mu    sync.Mutex
	next  *batch        // takes events
	paths *knownPaths   // of next's usage
	full  chan struct{} // has room for one: flush now

	flushing sync.Mutex
	failed   *batch // could not be written; goes first, as it is

	dropped atomic.Int64
}

// batch is what one transaction writes.
type batch struct {
	events []Event
	usage  usageCounter
	sums   trafficCounter
	done   chan struct{} // closed when it was written or given up
	err    error
}

// New is a log that writes while Run runs; with sync Record waits for that.
func New(db *database.DB, sync bool) *Log {
	l := &Log{db: db, sync: sync, full: make(chan struct{}, 1), paths: &knownPaths{}}
	l.next = l.newBatch()
	return l
}

func (l *Log) newBatch() *batch {
	return &batch{usage: usageCounter{paths: l.paths}, sums: trafficCounter{}, done: make(chan struct{})}
}

// Record adds an event to the audit and to the usage of its account. It does not
// block and never fails a request; at most the last 100 ms are lost when the
// process is killed. With AuditSync it returns when the event is on disk, or with
// the error that kept it from getting there.
func (l *Log) Record(ctx context.Context, e Event) error {
	e.complete(l.db.Now())
	l.mu.Lock()
	batch := l.next
	if len(batch.events) >= maxWaiting {
		l.mu.Unlock()
		l.dropped.Add(1)
		return database.ErrUnavailable
	}
	batch.events = append(batch.events, e)
	batch.usage.add(&e)
	batch.sums.add(&e)
	now := l.sync || len(batch.events) >= flushFrom
	l.mu.Unlock()
	if now {
		select {
		case l.full <- struct{}{}:
		default:
		}
	}
	if !l.sync {
		return nil
	}
	select {
	case <-batch.done:
		return batch.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Dropped counts the events that were lost because the database was away for too
// long.
func (l *Log) Dropped() int64 { return l.dropped.Load() }

// Flush writes the waiting events now.
func (l *Log) Flush(ctx context.Context) error { return l.flush(ctx) }

// Run writes what was recorded until ctx ends, and what is left then.
func (l *Log) Run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			if err := l.flush(last); err != nil {
				l.db.Log.Error("the last audit events could not be written", "error", err)
			}
			return
		case <-tick.C:
		case <-l.full:
		}
		err := l.flush(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			l.db.Log.Warn("audit events cannot be written now; they wait in memory", "error", err)
		}
		if failing = err != nil; failing {
			select { // do not hammer a database that is away
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

// flush writes what waits. Without AuditSync a batch that could not be written
// waits for the next time; with it its callers get the error, and it is dropped.
func (l *Log) flush(ctx context.Context) error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	if l.failed != nil {
		if err := l.write(ctx, l.failed, true); err != nil {
			return err
		}
		l.failed = nil
	}
	l.mu.Lock()
	batch := l.next
	if len(batch.events) == 0 {
		l.mu.Unlock()
		return nil
	}
	l.next = l.newBatch()
	l.mu.Unlock()

	batch.err = l.write(ctx, batch, false)
	if batch.err != nil && !l.sync {
		l.failed = batch
	}
	close(batch.done)
	return batch.err
}

// write writes one batch. When it is tried again it may stand there already: the
// answer to a commit can be lost. Then nothing of it is written twice.
func (l *Log) write(ctx context.Context, b *batch, again bool) error {
	return l.db.Write(ctx, func(t *database.Tx) error {
		if again {
			var n int
			err := t.Row(ctx, "SELECT COUNT(*) FROM audit WHERE id = ?", b.events[0].ID).Scan(&n)
			if err != nil || n > 0 {
				return err
			}
		}
		for left := b.events; len(left) > 0; {
			n := 1
			for _, size := range auditRows {
				if size <= len(left) {
					n = size
					break
				}
			}
			if err := writeAll(ctx, t, left[:n]); err != nil {
				return err
			}
			left = left[n:]
		}
		if err := b.usage.write(ctx, t); err != nil {
			return err
		}
		return b.sums.write(ctx, t)
	})
}

// writeAll inserts several events with one statement.
func writeAll(ctx context.Context, t *database.Tx, events []Event) error {
	text := insertAudit + auditRow + strings.Repeat(", "+auditRow, len(events)-1)
	args := make([]any, 0, len(events)*22)
	for i := range events {
		args = append(args, events[i].values()...)
	}
	_, err := t.Exec(ctx, text, args...)
	return err
}
