package budget

import (
	"context"
	"math"
	"sync"
)

// Warning says that a budget is nearly used up: once in a window.
type Warning struct {
	// Of is whose it is.
	Of Owner
	State
}

// told remembers which warnings this process has given, or heard that others gave.
type told struct {
	mu   sync.Mutex
	seen map[key]bool
}

// maxTold bounds it; beyond it the store is asked again.
const maxTold = 10_000

// first reports that a charge was not seen before.
func (t *told) first(c *Charge) bool {
	k := key{c.Counter, c.Slot}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen[k] {
		return false
	}
	if t.seen == nil || len(t.seen) >= maxTold {
		t.seen = map[key]bool{}
	}
	t.seen[k] = true
	return true
}

// warnFrom is of how much of a budget a warning is given.
const warnFrom = 0.8

// warn tells once in a window that most of a budget is used: whoever sees it, and can write
// that down first, in whatever process.
func (s *Spend) warn(ctx context.Context, l *line, c *Charge) {
	if s.keeper.Warn == nil || c.Most <= 0 || c.Used < int64(math.Ceil(float64(c.Most)*warnFrom)) || !s.keeper.told.first(c) {
		return
	}
	once := [1]Charge{{Counter: c.Counter + "|told", Slot: c.Slot, Until: c.Until, Need: 1, Add: 1, Most: 1}}
	if ok, err := s.keeper.Store.Take(ctx, once[:]); ok && err == nil {
		s.keeper.Warn(Warning{Of: l.owner, State: l.state(c)})
	}
}
