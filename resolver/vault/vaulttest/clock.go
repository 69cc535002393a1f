package vaulttest

import (
	"sync"
	"time"
)

// Clock is a clock that a test turns by hand. The vault reads its clock in
// goroutines of its own too, so that a variable of the test would not do.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock is a clock that stands at the present.
func NewClock() *Clock { return &Clock{now: time.Now()} }

// Now is what the clock shows: a vault.Config's Now.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance turns the clock by d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
