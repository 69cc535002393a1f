// Package limit counts what each agent has in use, so that none can take the
// proxy's memory, descriptors or files from the others.
package limit

import (
	"sync"
	"sync/atomic"
	"time"
)

// Kind is something that an agent may have only so much of.
type Kind int

// The kinds. Their units are pieces, unless they say bytes.
const (
	// Requests are those that run, streams among them.
	Requests Kind = iota
	// Tunnels are CONNECT tunnels of either kind that are open.
	Tunnels
	// Upgrades are requests that became, or want to become, another protocol.
	Upgrades
	// Headers are bytes of request headers that are not complete yet, in tunnels.
	Headers
	// Memory is bytes that are held for requests: bodies that may be sent twice or
	// are signed, and answers that are inflated to be searched.
	Memory
	// Bodies are request bodies that are kept on disk; BodyBytes is how long they are.
	Bodies
	BodyBytes
	kinds
)

// Names are what all of a kind is called, the unit it is counted in, and its option.
func (k Kind) Names() (all, unit, option string) {
	n := [kinds][3]string{
		Requests:  {"all its requests at a time", "requests", "requests"},
		Tunnels:   {"all its tunnels", "tunnels", "tunnels"},
		Upgrades:  {"all its upgraded connections", "connections", "upgrades"},
		Headers:   {"all its memory for headers that are not complete", "bytes", "headers"},
		Memory:    {"all its memory for bodies", "bytes", "memory"},
		Bodies:    {"all its bodies on disk", "bodies", "bodies"},
		BodyBytes: {"all its disk for bodies", "bytes", "body_bytes"},
	}[k]
	return n[0], n[1], n[2]
}

// Limits are an agent's. Zero means the default.
type Limits struct {
	Requests int64 `json:"requests,omitempty"`
	Tunnels  int64 `json:"tunnels,omitempty"`
	Upgrades int64 `json:"upgrades,omitempty"`
	// Headers, Memory and BodyBytes are in bytes.
	Headers   int64 `json:"headers,omitempty"`
	Memory    int64 `json:"memory,omitempty"`
	Bodies    int64 `json:"bodies,omitempty"`
	BodyBytes int64 `json:"body_bytes,omitempty"`
	// Refreshes is how many tokens in a minute may be fetched because a service
	// answered the agent 401.
	Refreshes int64 `json:"refreshes,omitempty"`
}

// Default is what an agent has where nobody says otherwise. An agent that uses
// all of one kind makes the process grow by less than 256 MiB.
var Default = Limits{
	Requests: 256, Tunnels: 512, Upgrades: 128, Headers: 16 << 20, Memory: 96 << 20,
	Bodies: 64, BodyBytes: 1 << 30, Refreshes: 10,
}

// Over is l where it says something, and else under.
func (l Limits) Over(under Limits) Limits {
	for _, f := range [...]struct {
		to   *int64
		from int64
	}{
		{&l.Requests, under.Requests}, {&l.Tunnels, under.Tunnels}, {&l.Upgrades, under.Upgrades}, {&l.Headers, under.Headers},
		{&l.Memory, under.Memory}, {&l.Bodies, under.Bodies}, {&l.BodyBytes, under.BodyBytes}, {&l.Refreshes, under.Refreshes},
	} {
		if *f.to == 0 {
			*f.to = f.from
		}
	}
	return l
}

func (l *Limits) of(k Kind) int64 {
	return [kinds]int64{l.Requests, l.Tunnels, l.Upgrades, l.Headers, l.Memory, l.Bodies, l.BodyBytes}[k]
}

// Agent is what one agent has in use. A nil Agent is not limited.
type Agent struct {
	limits  atomic.Pointer[Limits]
	used    [kinds]atomic.Int64
	refresh Pace
}

// Take takes n more of a kind. It returns false, and takes nothing, where that
// would be too much.
func (a *Agent) Take(k Kind, n int64) bool {
	if a == nil {
		return true
	}
	if a.used[k].Add(n) <= a.limits.Load().of(k) {
		return true
	}
	a.used[k].Add(-n)
	return false
}

// Give returns what was taken.
func (a *Agent) Give(k Kind, n int64) {
	if a != nil && n != 0 {
		a.used[k].Add(-n)
	}
}

// Used is how much of a kind is in use.
func (a *Agent) Used(k Kind) int64 { return a.used[k].Load() }

// Limit is how much of a kind may be.
func (a *Agent) Limit(k Kind) int64 { return a.limits.Load().of(k) }

// MayRefresh counts one refresh that a 401 provoked, and says whether it may be.
func (a *Agent) MayRefresh(now time.Time) bool {
	if a == nil {
		return true
	}
	n := a.limits.Load().Refreshes
	return a.refresh.Take(now, time.Minute/time.Duration(max(n, 1)), time.Minute) == 0
}

// Agents are what all agents have in use, by their ids. It outlives
// configurations: what runs goes on to count. The zero value is ready.
type Agents struct {
	mu sync.Mutex
	m  map[string]*Agent
}

// Of returns the agent's counts, with these limits from now on; zero ones are
// those of Default.
func (s *Agents) Of(id string, l Limits) *Agent {
	l = l.Over(Default)
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.m[id]
	if a == nil {
		if s.m == nil {
			s.m = map[string]*Agent{}
		}
		a = new(Agent)
		s.m[id] = a
	}
	a.limits.Store(&l)
	return a
}

// FullError says that the agent has all it may have of a kind.
type FullError struct{ Kind Kind }

func (e *FullError) Error() string { return "the agent has too much in use" }
