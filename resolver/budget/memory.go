package budget

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Ledger keeps what a Memory counts while no process runs.
type Ledger interface {
	// Load returns what was kept, and lets go of what is over.
	Load(ctx context.Context) ([]Charge, error)
	// Keep writes Used of each charge, where less is written; Settle writes it in any case.
	Keep(ctx context.Context, charges []Charge) error
	Settle(ctx context.Context, charges []Charge) error
}

// Memory counts in this process. With a ledger, what is written there is never less than
// what was used: it is written ahead, a hundredth of the budget at a time. A process that is
// killed so costs that hundredth at most, and never gives anything anew. The zero value is
// ready, and has no ledger.
type Memory struct {
	ledger Ledger

	mu     sync.Mutex
	loaded bool
	counts map[key]*count
	sweep  int // at how many counts those that are over are let go of
}

type key struct {
	counter string
	slot    int64
}

type count struct {
	used, written int64
	until, forget time.Time
}

// NewMemory is a Memory with a ledger.
func NewMemory(l Ledger) *Memory { return &Memory{ledger: l} }

const sweepFrom = 1024

// aheadPart of a budget is written ahead.
const aheadPart = 100

// Take implements Store.
func (m *Memory) Take(ctx context.Context, charges []Charge) (bool, error) {
	return m.count(ctx, charges, true)
}

// Add implements Store.
func (m *Memory) Add(ctx context.Context, charges []Charge) error {
	_, err := m.count(ctx, charges, false)
	return err
}

func (m *Memory) count(ctx context.Context, charges []Charge, onlyFitting bool) (bool, error) {
	if err := m.load(ctx); err != nil {
		return false, err
	}
	for {
		m.mu.Lock()
		var some [4]*count
		counts, ok := m.look(charges, some[:0])
		if onlyFitting && !ok {
			m.mu.Unlock()
			return false, nil
		}
		ahead := m.ahead(charges, counts)
		if ahead == nil {
			for i, n := range counts {
				n.used = max(n.used+charges[i].Add, 0)
				charges[i].Used = n.used
			}
			m.mu.Unlock()
			return true, nil
		}
		m.mu.Unlock()
		if err := m.ledger.Keep(ctx, ahead); err != nil {
			return false, fmt.Errorf("%w: %w", ErrAway, err)
		}
		m.mu.Lock()
		for i := range ahead {
			c := m.of(&ahead[i])
			c.written = max(c.written, ahead[i].Used)
		}
		m.mu.Unlock()
	}
}

// look finds the counts, fills in what is used, and reports whether everything fits.
func (m *Memory) look(charges []Charge, counts []*count) (_ []*count, ok bool) {
	ok = true
	for i := range charges {
		c := &charges[i]
		n := m.of(c)
		c.Used = n.used
		ok = ok && c.fits(c.Used)
		counts = append(counts, n)
	}
	return counts, ok
}

// ahead is what must be written before the charges may be counted; nil for nothing.
func (m *Memory) ahead(charges []Charge, counts []*count) (out []Charge) {
	if m.ledger == nil {
		return nil
	}
	for i := range charges {
		c := charges[i]
		if n := counts[i]; n.used+c.Add > n.written {
			c.Used = n.used + c.Add + max(c.Most, 0)/aheadPart
			out = append(out, c)
		}
	}
	return out
}

// Used implements Store.
func (m *Memory) Used(ctx context.Context, charges []Charge) error {
	if err := m.load(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range charges {
		charges[i].Used = 0
		if n := m.counts[key{charges[i].Counter, charges[i].Slot}]; n != nil {
			charges[i].Used = n.used
		}
	}
	return nil
}

// Set says what is used: for those that know it from elsewhere.
func (m *Memory) Set(charges []Charge) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range charges {
		m.of(&charges[i]).used = charges[i].Used
	}
}

func (m *Memory) of(c *Charge) *count {
	k := key{c.Counter, c.Slot}
	n := m.counts[k]
	if n == nil {
		m.makeRoom(time.Now())
		n = &count{until: c.Until, forget: c.KeepUntil()}
		m.counts[k] = n
	}
	return n
}

// makeRoom lets go of what is over, each time that there is twice as much as was left.
func (m *Memory) makeRoom(now time.Time) {
	if m.counts == nil {
		m.counts, m.sweep = map[key]*count{}, sweepFrom
	}
	if len(m.counts) < m.sweep {
		return
	}
	for k, n := range m.counts {
		if now.After(n.forget) {
			delete(m.counts, k)
		}
	}
	m.sweep = max(sweepFrom, 2*len(m.counts))
}

// load reads the ledger, once.
func (m *Memory) load(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.loaded || m.ledger == nil {
		return nil
	}
	kept, err := m.ledger.Load(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	for i := range kept {
		n := m.of(&kept[i])
		n.used, n.written = kept[i].Used, kept[i].Used
	}
	m.loaded = true
	return nil
}

// Close writes what is used, to the last.
func (m *Memory) Close(ctx context.Context) error {
	m.mu.Lock()
	var all []Charge
	for k, n := range m.counts {
		if n.used != n.written {
			all = append(all, Charge{Counter: k.counter, Slot: k.slot, Until: n.until, Used: n.used})
			n.written = n.used
		}
	}
	m.mu.Unlock()
	if m.ledger == nil || len(all) == 0 {
		return nil
	}
	return m.ledger.Settle(ctx, all)
}
