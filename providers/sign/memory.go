package sign

import (
	"sync"
	"sync/atomic"
	"time"
)

// Memory is what the answers of services taught about one account: how far a
// service's clock is from ours, and the challenges of HTTP Digest, each for one
// host. What one service says is believed of itself, for that account, and no
// longer than memoryLasts. The zero value is ready; a nil Memory remembers nothing.
type Memory struct {
	any   atomic.Bool // something is in hosts: most accounts learn nothing
	mu    sync.Mutex
	hosts map[string]*learned
}

// learned is what one host said.
type learned struct {
	at         time.Time // when the last of it was
	skew       time.Duration
	challenges map[string]*challenge // by user name
}

const (
	// memoryLasts is how long a clock is believed; then it is looked at again.
	memoryLasts = time.Hour
	// maxMemory bounds the hosts of one account, and the challenges of one host.
	maxMemory = 64
	// minSkew is what two clocks may differ by before we take it for the reason of
	// a refusal. AWS allows 5 to 15 minutes.
	minSkew = 4 * time.Minute
	// maxSkew is the largest difference that is believed. A service that says more
	// could have signatures made for a time that it chooses.
	maxSkew = 15 * time.Minute
)

// skewOf is what to add to our clock for a host.
func (m *Memory) skewOf(host string, now time.Time) time.Duration {
	if m == nil || !m.any.Load() {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.hosts[host]; l != nil && now.Sub(l.at).Abs() < memoryLasts {
		return l.skew
	}
	return 0
}

// setSkew remembers the clock of a host.
func (m *Memory) setSkew(host string, now time.Time, skew time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.of(host)
	l.at, l.skew = now, skew
}

// of returns the host's entry, a new one where there is none. The caller holds mu.
func (m *Memory) of(host string) *learned {
	l := m.hosts[host]
	if l != nil {
		return l
	}
	if m.hosts == nil {
		m.hosts = map[string]*learned{}
	}
	for old := range m.hosts {
		if len(m.hosts) < maxMemory {
			break
		}
		delete(m.hosts, old)
	}
	l = &learned{challenges: map[string]*challenge{}}
	m.hosts[host] = l
	m.any.Store(true)
	return l
}

// setChallenge remembers the challenge of a host for a user.
func (m *Memory) setChallenge(host, user string, ch challenge) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.of(host)
	for old := range l.challenges {
		if len(l.challenges) < maxMemory {
			break
		}
		delete(l.challenges, old)
	}
	l.challenges[user] = &ch
}

// useChallenge returns it with its count gone up.
func (m *Memory) useChallenge(host, user string) (challenge, bool) {
	if m == nil || !m.any.Load() {
		return challenge{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.hosts[host]
	if l == nil || l.challenges[user] == nil {
		return challenge{}, false
	}
	ch := l.challenges[user]
	ch.count++
	return *ch, true
}
