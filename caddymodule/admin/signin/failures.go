package signin

import (
	"errors"
	"net"
	"sync"
	"time"
)

// errNoToken means that no token came that could open anything.
var errNoToken = errors.New("no admin token")

// Failures counts failed requests by address. Its zero value is ready.
type Failures struct {
	mu    sync.Mutex
	by    map[string]int
	until time.Time
}

// Count counts a failure. The wait is more than 0 where there were too many in
// this minute.
func (f *Failures) Count(remote string, now time.Time) (wait time.Duration) {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.After(f.until) || len(f.by) >= failuresKnown {
		f.by, f.until = map[string]int{}, now.Add(failuresPer)
	}
	f.by[host]++
	if n := f.by[host]; n > failuresAllowed {
		return f.until.Sub(now)
	}
	return 0
}
