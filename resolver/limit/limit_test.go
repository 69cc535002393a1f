package limit

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// TestTakeAndGive: what is taken together never exceeds the limit, and all of it
// comes back.
func TestTakeAndGive(t *testing.T) {
	var s Agents
	a := s.Of("a", Limits{Requests: 10})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 1000 {
				if a.Take(Requests, 3) {
					if n := a.Used(Requests); n > 10+3*50 { // others may be about to give back what was too much
						t.Errorf("%d are in use of 10", n)
					}
					a.Give(Requests, 3)
				}
			}
		})
	}
	wg.Wait()
	if a.Used(Requests) != 0 || !a.Take(Requests, 10) || a.Take(Requests, 1) {
		t.Errorf("after all was given back %d are in use, or the limit does not hold", a.Used(Requests))
	}
	if b := s.Of("b", Limits{}); !b.Take(Requests, Default.Requests) || b.Take(Requests, 1) {
		t.Error("another agent does not have the default")
	}
	if again := s.Of("a", Limits{Requests: 11}); again != a || !a.Take(Requests, 1) {
		t.Error("a reload with another limit does not go on counting")
	}
	if !(*Agent)(nil).Take(Requests, 1<<40) {
		t.Error("nobody is limited")
	}
}

func TestMayRefresh(t *testing.T) {
	var s Agents
	a, now := s.Of("a", Limits{Refreshes: 5}), time.Now()
	n := 0
	for range 100 {
		if a.MayRefresh(now) {
			n++
		}
	}
	if n != 5 {
		t.Errorf("%d refreshes at once of 5 in a minute", n)
	}
	if !a.MayRefresh(now.Add(30 * time.Second)) {
		t.Error("none after half a minute")
	}
}

// TestStrangers: a source that is wrong all the time waits, another one does not,
// and what is remembered and who waits is bounded.
func TestStrangers(t *testing.T) {
	var s Strangers
	now, free := time.Now(), 0
	bad, good := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for range 100 {
		if wait, done, ok := s.Wait(bad, now); ok && wait == 0 {
			free++
			done()
		} else if ok {
			done()
		}
	}
	if free != 50 {
		t.Errorf("%d wrong tokens at once were not slowed, want 50", free)
	}
	if wait, _, ok := s.Wait(good, now); !ok || wait != 0 {
		t.Errorf("another source waits %v, %t", wait, ok)
	}
	for i := range 100_000 {
		s.Wait(netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff)), now)
	}
	if len(s.sources) > maxSources || s.waiting > maxWaiting {
		t.Errorf("%d sources are remembered, %d wait; want at most %d and %d", len(s.sources), s.waiting, maxSources, maxWaiting)
	}
	if wait, _, ok := s.Wait(bad, now); ok {
		t.Errorf("one more waits for %v, want none", wait)
	}
}
