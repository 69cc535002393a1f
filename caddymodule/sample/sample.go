// Package sample counts refusals of which there may be any number.
package sample

import (
	"sync"
	"time"

	"github.com/attache-proxy/attache/resolver"
)

const (
	// each is how many refusals of a kind are told one by one in each
	// every; the others are counted, and their number is told at its end.
	each  = 20
	every = 10 * time.Second
	// maxKinds bounds the kinds that are told apart.
	maxKinds = 1000
)

// Sampler keeps the audit short where strangers, or agents that have too much in
// use, ask and are refused as fast as they can: their lines cost more than their
// requests. The zero value is ready.
type Sampler struct {
	mu    sync.Mutex
	kinds map[kind]*count
	timer *time.Timer
}

// kind is whose refusals are counted together.
type kind struct{ agent, code string }

type count struct {
	seen int64
	last resolver.Observation
	to   func(*resolver.Observation)
}

// sampled reports an event of which there may be any number.
func sampled(e *resolver.Observation) bool {
	return e.Code != "" && (e.AgentID == "" || e.Code == "too_many_requests")
}

// Skips reports whether the event, when it is passed, will only be counted.
func (s *Sampler) Skips(e *resolver.Observation) bool {
	if !sampled(e) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kinds[kind{e.AgentID, e.Code}]
	return k != nil && k.seen >= each || k == nil && len(s.kinds) >= maxKinds
}

// Pass passes the event on, or counts it.
func (s *Sampler) Pass(e *resolver.Observation, to func(*resolver.Observation)) {
	if !sampled(e) || s.alone(e, to) {
		to(e)
	}
}

// alone reports whether the event is told by itself.
func (s *Sampler) alone(e *resolver.Observation, to func(*resolver.Observation)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer == nil {
		s.kinds, s.timer = map[kind]*count{}, time.AfterFunc(every, s.Flush)
	}
	key := kind{e.AgentID, e.Code}
	k := s.kinds[key]
	if k == nil && len(s.kinds) >= maxKinds {
		key = kind{"", e.Code} // all agents together
		k = s.kinds[key]
	}
	if k == nil {
		k = &count{}
		s.kinds[key] = k
	}
	k.seen++
	if k.seen <= each {
		return true
	}
	k.last, k.to = *e, to
	return false
}

// Flush tells how many were counted since the last time.
func (s *Sampler) Flush() {
	s.mu.Lock()
	kinds := s.kinds
	if s.timer != nil {
		s.timer.Stop()
	}
	s.kinds, s.timer = nil, nil
	s.mu.Unlock()
	for _, k := range kinds {
		if n := k.seen - each; n > 0 {
			e := k.last
			e.Method, e.Host, e.Port, e.Path, e.Account, e.AccountID = "", "", "", "", "", ""
			e.Count, e.Duration = n, 0
			k.to(&e)
		}
	}
}
