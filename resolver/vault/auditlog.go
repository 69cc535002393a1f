package vault

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"
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
// that few statements are prepared. 18 parameters each; SQLite allows 32766.
var auditRows = []int{256, 32, 4, 1}

// auditLog writes events in batches, so that no request waits for a disk.
type auditLog struct {
	v    *Vault
	sync bool

	mu    sync.Mutex
	next  *auditBatch   // takes events
	paths *knownPaths   // of next's usage
	full  chan struct{} // has room for one: flush now

	flushing sync.Mutex
	failed   *auditBatch // could not be written; goes first, as it is

	dropped atomic.Int64
}

// auditBatch is what one transaction writes.
type auditBatch struct {
	events []Event
	usage  usageCounter
	done   chan struct{} // closed when it was written or given up
	err    error
}

func newAuditLog(v *Vault, sync bool) *auditLog {
	l := &auditLog{v: v, sync: sync, full: make(chan struct{}, 1), paths: &knownPaths{}}
	l.next = l.newBatch()
	return l
}

func (l *auditLog) newBatch() *auditBatch {
	return &auditBatch{usage: usageCounter{paths: l.paths}, done: make(chan struct{})}
}

// Record adds an event of this view's actor, of the organisation of its account.
// See Vault.Record.
func (s *View) Record(ctx context.Context, e Event) error {
	e.Actor = s.actor
	if s.org != All {
		e.Organisation = s.org
	}
	return s.v.Record(ctx, e)
}

// Record adds an event to the audit and to the usage of its account. It does not
// block and never fails a request; at most the last 100 ms are lost when the
// process is killed. With AuditSync it returns when the event is on disk, or with
// the error that kept it from getting there.
func (v *Vault) Record(ctx context.Context, e Event) error {
	e.complete(v.now())
	l := v.audit
	l.mu.Lock()
	batch := l.next
	if len(batch.events) >= maxWaiting {
		l.mu.Unlock()
		l.dropped.Add(1)
		return ErrUnavailable
	}
	batch.events = append(batch.events, e)
	batch.usage.add(&e)
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
func (v *Vault) Dropped() int64 { return v.audit.dropped.Load() }

// Flush writes the waiting events now.
func (v *Vault) Flush(ctx context.Context) error { return v.audit.flush(ctx) }

func (l *auditLog) run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			if err := l.flush(last); err != nil {
				l.v.log.Error("the last audit events could not be written", "error", err)
			}
			return
		case <-tick.C:
		case <-l.full:
		}
		err := l.flush(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			l.v.log.Warn("audit events cannot be written now; they wait in memory", "error", err)
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
func (l *auditLog) flush(ctx context.Context) error {
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
func (l *auditLog) write(ctx context.Context, b *auditBatch, again bool) error {
	return l.v.write(ctx, func(t *tx) error {
		if again {
			var n int
			err := t.row(ctx, "SELECT COUNT(*) FROM audit WHERE id = ?", b.events[0].ID).Scan(&n)
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
			if err := t.auditAll(ctx, left[:n]); err != nil {
				return err
			}
			left = left[n:]
		}
		return t.addUsage(ctx, &b.usage)
	})
}

// auditAll inserts several events with one statement.
func (t *tx) auditAll(ctx context.Context, events []Event) error {
	text := insertAudit + auditRow + strings.Repeat(", "+auditRow, len(events)-1)
	args := make([]any, 0, len(events)*18)
	for i := range events {
		args = append(args, events[i].values()...)
	}
	_, err := t.exec(ctx, text, args...)
	return err
}
