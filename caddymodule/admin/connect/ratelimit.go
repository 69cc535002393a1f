package connect

import (
	"net"
	"sync"
	"time"
)

const (
	startsAllowed = 20
	greetsAllowed = 200
	startsPer     = 10 * time.Minute
	startsKnown   = 10_000
)

// starts counts by browser, or by source. Its zero value is ready.
type starts struct {
	mu    sync.Mutex
	by    map[string]int
	until time.Time
}

// allow counts one, and reports whether it is not too many.
func (s *starts) allow(who string, most int, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.After(s.until) || len(s.by) >= startsKnown {
		s.by, s.until = map[string]int{}, now.Add(startsPer)
	}
	s.by[who]++
	return s.by[who] <= most
}

// source is the address without the port; of IPv6 the network, of which one host
// has as many addresses as it likes.
func source(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		return ip.Mask(net.CIDRMask(64, 128)).String()
	}
	return host
}
