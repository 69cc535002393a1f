package caddymodule

import (
	"sync"
	"time"

	"github.com/attache-proxy/attache/resolver"
)

const (
	// sampleEach is how many refusals of a kind are told one by one in each
	// sampleEvery; the others are counted, and their number is told at its end.
	sampleEach  = 20
	sampleEvery = 10 * time.Second
	// maxSamples bounds the kinds that are told apart.
	maxSamples = 1000
)

// sampler keeps the audit short where strangers, or agents that have too much in
// use, ask and are refused as fast as they can: their lines cost more than their
// requests. The zero value is ready.
type sampler struct {
	mu    sync.Mutex
	kinds map[sampleKind]*sample
	timer *time.Timer
}

// sampleKind is whose refusals are counted together.
type sampleKind struct{ agent, code string }

type sample struct {
	seen int64
	last resolver.Observation
	to   func(*resolver.Observation)
}

// sampled reports an event of which there may be any number.
func sampled(e *resolver.Observation) bool {
	return e.Code != "" && (e.AgentID == "" || e.Code == "too_many_requests")
}

// skips reports whether the event, when it is passed, will only be counted.
func (s *sampler) skips(e *resolver.Observation) bool {
	if !sampled(e) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kinds[sampleKind{e.AgentID, e.Code}]
	return k != nil && k.seen >= sampleEach || k == nil && len(s.kinds) >= maxSamples
}

// pass passes the event on, or counts it.
func (s *sampler) pass(e *resolver.Observation, to func(*resolver.Observation)) {
	if !sampled(e) || s.count(e, to) {
		to(e)
	}
}

// count reports whether the event is told by itself.
func (s *sampler) count(e *resolver.Observation, to func(*resolver.Observation)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer == nil {
		s.kinds, s.timer = map[sampleKind]*sample{}, time.AfterFunc(sampleEvery, s.flush)
	}
	key := sampleKind{e.AgentID, e.Code}
	k := s.kinds[key]
	if k == nil && len(s.kinds) >= maxSamples {
		key = sampleKind{"", e.Code} // all agents together
		k = s.kinds[key]
	}
	if k == nil {
		k = &sample{}
		s.kinds[key] = k
	}
	k.seen++
	if k.seen <= sampleEach {
		return true
	}
	k.last, k.to = *e, to
	return false
}

// flush tells how many were counted since the last time.
func (s *sampler) flush() {
	s.mu.Lock()
	kinds := s.kinds
	if s.timer != nil {
		s.timer.Stop()
	}
	s.kinds, s.timer = nil, nil
	s.mu.Unlock()
	for _, k := range kinds {
		if n := k.seen - sampleEach; n > 0 {
			e := k.last
			e.Method, e.Host, e.Port, e.Path, e.Account, e.AccountID = "", "", "", "", "", ""
			e.Count, e.Duration = n, 0
			k.to(&e)
		}
	}
}
