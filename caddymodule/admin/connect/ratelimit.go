package connect

import (
	"sync"
	"time"
)

const (
	startsAllowed = 20
	startsPer     = 10 * time.Minute
	startsKnown   = 10_000
)

// starts counts how often agents' links were used to begin, by account. Its zero
// value is ready.
type starts struct {
	mu    sync.Mutex
	by    map[string]int
	until time.Time
}

// allow counts one, and reports whether it is not too many.
func (s *starts) allow(account string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.After(s.until) || len(s.by) >= startsKnown {
		s.by, s.until = map[string]int{}, now.Add(startsPer)
	}
	s.by[account]++
	return s.by[account] <= startsAllowed
}
