package resolver

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attache-proxy/attache/providers"
)

// renewal makes the index anew when it is needed. Its methods do nothing where
// it is nil.
type renewal struct {
	make  func(context.Context) (*providers.Index, error)
	store func(*providers.Index)

	// wanted counts changes; made is how many of them the index in force has.
	wanted, made atomic.Uint64
	later        atomic.Bool // soon was called, and has not run yet

	mu      sync.Mutex
	running chan struct{} // closed when the one that runs is over
	failed  time.Time     // when the last one failed; zero after one that did not
}

const (
	// renewalTimeout bounds one renewal, and renewalWait how long a request waits
	// for it.
	renewalTimeout = 5 * time.Second
	renewalWait    = 2 * time.Second
	// renewalPause is how long after a failure, and how long after soon.
	renewalPause = time.Second
)

func (n *renewal) need() {
	if n != nil {
		n.wanted.Add(1)
	}
}

// current reports whether the index has every change.
func (n *renewal) current() bool { return n.made.Load() == n.wanted.Load() }

func (n *renewal) soon() {
	if n == nil || n.later.Swap(true) {
		return
	}
	time.AfterFunc(renewalPause, func() {
		n.later.Store(false)
		n.need()
		n.begin()
	})
}

// wait returns when the index is new, which it nearly always is. Where the
// database is away it returns at once after the first failure: what is known
// goes on, and each second somebody tries again behind it.
func (n *renewal) wait() {
	if n == nil || n.current() {
		return
	}
	timeout := time.NewTimer(renewalWait)
	defer timeout.Stop()
	for !n.current() {
		running, broken := n.begin()
		if running == nil || broken {
			return
		}
		select {
		case <-running:
		case <-timeout.C:
			return
		}
	}
}

// begin begins a renewal unless one runs. It returns nil where it is too early
// after a failure, and whether the last one failed.
func (n *renewal) begin() (running <-chan struct{}, broken bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	broken = !n.failed.IsZero()
	if n.running != nil {
		return n.running, broken
	}
	if broken && time.Since(n.failed) < renewalPause {
		return nil, true
	}
	done := make(chan struct{})
	n.running = done
	go n.run(done, n.wanted.Load()) // what changes from now on needs another one
	return done, broken
}

func (n *renewal) run(done chan struct{}, wanted uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), renewalTimeout)
	defer cancel()
	x, err := n.make(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failed = time.Time{}
	if err == nil {
		n.store(x)
		n.made.Store(wanted)
	} else {
		n.failed = time.Now()
	}
	n.running = nil
	close(done)
}
