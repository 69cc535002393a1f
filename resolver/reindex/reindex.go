// Package reindex makes the index of connectors anew when somebody needs it to be:
// one at a time, and without keeping requests waiting for a database that is away.
package reindex

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attache-proxy/attache/providers"
)

// Renewal makes the index anew when it is needed. Its methods do nothing where
// it is nil.
type Renewal struct {
	// Make makes the index, and Store puts it in force.
	Make  func(context.Context) (*providers.Index, error)
	Store func(*providers.Index)

	// wanted counts changes; made is how many of them the index in force has.
	wanted, made atomic.Uint64
	later        atomic.Bool // Soon was called, and has not run yet

	mu      sync.Mutex
	running chan struct{} // closed when the one that runs is over
	failed  time.Time     // when the last one failed; zero after one that did not
}

const (
	// timeout bounds one renewal, and patience how long a request waits
	// for it.
	timeout  = 5 * time.Second
	patience = 2 * time.Second
	// pause is how long after a failure, and how long after Soon.
	pause = time.Second
)

// Need says that something has changed. It holds from the next Wait on.
func (n *Renewal) Need() {
	if n != nil {
		n.wanted.Add(1)
	}
}

// current reports whether the index has every change.
func (n *Renewal) current() bool { return n.made.Load() == n.wanted.Load() }

// Soon says the same where nobody waits for it: within two seconds.
func (n *Renewal) Soon() {
	if n == nil || n.later.Swap(true) {
		return
	}
	time.AfterFunc(pause, func() {
		n.later.Store(false)
		n.Need()
		n.begin()
	})
}

// Wait returns when the index is new, which it nearly always is. Where the
// database is away it returns at once after the first failure: what is known
// goes on, and each second somebody tries again behind it.
func (n *Renewal) Wait() {
	if n == nil || n.current() {
		return
	}
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for !n.current() {
		running, broken := n.begin()
		if running == nil || broken {
			return
		}
		select {
		case <-running:
		case <-enough.C:
			return
		}
	}
}

// begin begins a renewal unless one runs. It returns nil where it is too early
// after a failure, and whether the last one failed.
func (n *Renewal) begin() (running <-chan struct{}, broken bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	broken = !n.failed.IsZero()
	if n.running != nil {
		return n.running, broken
	}
	if broken && time.Since(n.failed) < pause {
		return nil, true
	}
	done := make(chan struct{})
	n.running = done
	go n.run(done, n.wanted.Load()) // what changes from now on needs another one
	return done, broken
}

func (n *Renewal) run(done chan struct{}, wanted uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	x, err := n.Make(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failed = time.Time{}
	if err == nil {
		n.Store(x)
		n.made.Store(wanted)
	} else {
		n.failed = time.Now()
	}
	n.running = nil
	close(done)
}
