package cache

import (
	"context"
	"sync"
	"time"
)

// slots is into how many parts the time of a limit is divided. What was taken is
// counted per part, and a part counts until all of it is past: so never more than
// the limit is taken in any stretch of that time, wherever it begins, and what was
// taken counts for at most one part longer than it must.
const slots = 12

// window is what was taken of one limit lately.
type window struct {
	taken [slots + 1]int // by slot, modulo; the last one and slots before it count
	last  int64          // the slot of the last look
	total int
}

// take takes one of n, unless n are taken; then it returns how long that lasts.
func (w *window) take(n int, slot int64, into, size time.Duration) (wait time.Duration, ok bool) {
	w.forget(slot)
	if w.total < n {
		w.taken[slot%(slots+1)]++
		w.total++
		return 0, true
	}
	return w.wait(n, slot, into, size), false
}

// forget stops counting what was taken before the slots that end with slot.
func (w *window) forget(slot int64) {
	for s := max(w.last+1, slot-slots); s <= slot; s++ {
		w.total -= w.taken[s%(slots+1)]
		w.taken[s%(slots+1)] = 0
	}
	w.last = slot
}

// wait is how long it takes until less than n count.
func (w *window) wait(n int, slot int64, into, size time.Duration) time.Duration {
	left := w.total
	for s := slot - slots; s <= slot; s++ {
		if left -= w.taken[(s+slots+1)%(slots+1)]; left < n {
			return time.Duration(s+slots+1-slot)*size - into
		}
	}
	return (slots + 1) * size
}

// limits counts in this process what is taken of each account. The zero value is
// ready.
type limits struct {
	mu    sync.Mutex
	began time.Time // of slot 0
	byID  map[string]*limit
	sweep int // entries at which those that count for nothing are removed
}

type limit struct {
	window
	per time.Duration
}

// sweepFrom is how many accounts are kept before the first sweep.
const sweepFrom = 1024

// take takes one of n per time of account id.
func (l *limits) take(id string, n int, per time.Duration) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w, slot, into := l.of(id, per, time.Now())
	return w.take(n, slot, into, per/slots)
}

// full is take without taking.
func (l *limits) full(id string, n int, per time.Duration) (wait time.Duration, full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w, slot, into := l.of(id, per, time.Now())
	if w.forget(slot); w.total < n {
		return 0, false
	}
	return w.wait(n, slot, into, per/slots), true
}

// of finds an account's window, the slot that it is now, and how much of that is
// past.
func (l *limits) of(id string, per time.Duration, now time.Time) (w *limit, slot int64, into time.Duration) {
	if l.byID == nil {
		l.began, l.byID, l.sweep = now, map[string]*limit{}, sweepFrom
	}
	if w = l.byID[id]; w == nil || w.per != per {
		l.makeRoom(now)
		w = &limit{per: per}
		l.byID[id] = w
	}
	past := now.Sub(l.began) // by the monotonic clock
	return w, int64(past / (per / slots)), past % (per / slots)
}

// makeRoom removes what counts for nothing, each time that there is twice as much
// as the last time left.
func (l *limits) makeRoom(now time.Time) {
	if len(l.byID) < l.sweep {
		return
	}
	for id, w := range l.byID {
		if int64(now.Sub(l.began)/(w.per/slots)) > w.last+slots {
			delete(l.byID, id)
		}
	}
	l.sweep = max(sweepFrom, 2*len(l.byID))
}

// Take counts one use of account id, which may be used n times in any stretch of
// time of length per. When that is used up it counts nothing and returns how long
// to wait.
func (m *Memory) Take(_ context.Context, id string, n int, per time.Duration) (wait time.Duration, ok bool) {
	return m.limits.take(id, n, per)
}
