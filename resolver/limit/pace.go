package limit

import (
	"net/netip"
	"sync"
	"time"
)

// Pace spreads events over time: one each interval, and as many at once as fit
// into burst. The zero value has seen none.
type Pace struct {
	mu   sync.Mutex
	next time.Time // when the one after the last is due, at the earliest
}

// Take counts one event, and returns how long it comes too early. An event that
// does is counted only as far as it waits.
func (p *Pace) Take(now time.Time, interval, burst time.Duration) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := now.Add(-burst); p.next.Before(first) {
		p.next = first
	}
	due := p.next.Add(interval)
	if wait = due.Sub(now); wait > 0 {
		p.next = p.next.Add(min(interval, max(0, 2*time.Second-wait))) // a queue of two seconds at most
		return wait
	}
	p.next = due
	return 0
}

// Strangers slows down who presents credentials that are nobody's: each source,
// and all together. Who presents right ones never waits. The zero value is ready.
type Strangers struct {
	all Pace

	mu      sync.Mutex
	sources map[netip.Prefix]*Pace
	waiting int
}

const (
	// A source may be wrong fifty times at once, and then ten times a second; all
	// together five times as often.
	sourceEvery, sourceBurst = 100 * time.Millisecond, 5 * time.Second
	allEvery, allBurst       = 20 * time.Millisecond, 5 * time.Second
	// maxSources bounds what is remembered of sources, maxWaiting who is kept waiting:
	// about 25 MiB of connections.
	maxSources, maxWaiting = 4096, 1024
	// longest is how long a wrong answer waits at most.
	longest = time.Second
)

// Wait returns how long the answer to a wrong credential waits. Done is called
// when it has. Where too many wait already ok is false: the client goes away with
// an answer that says so.
func (s *Strangers) Wait(from netip.Addr, now time.Time) (wait time.Duration, done func(), ok bool) {
	wait = max(s.source(from).Take(now, sourceEvery, sourceBurst), s.all.Take(now, allEvery, allBurst))
	if wait == 0 {
		return 0, func() {}, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting >= maxWaiting {
		return 0, nil, false
	}
	s.waiting++
	return min(wait, longest), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waiting--
	}, true
}

// source is the pace of an address, or of the network that one IPv6 host has.
func (s *Strangers) source(from netip.Addr) *Pace {
	from = from.Unmap()
	bits := 32
	if from.Is6() {
		bits = 64
	}
	key, _ := from.Prefix(bits) // the zero Prefix for what has no address
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.sources[key]; p != nil {
		return p
	}
	if s.sources == nil {
		s.sources = map[netip.Prefix]*Pace{}
	}
	for old := range s.sources {
		if len(s.sources) < maxSources {
			break
		}
		delete(s.sources, old)
	}
	p := new(Pace)
	s.sources[key] = p
	return p
}
