package run

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"
)

// Memory keeps runs in this process, and forgets them when they are over. The zero value
// is ready.
type Memory struct {
	mu       sync.Mutex
	byDigest map[string]*Run
	byID     map[string]string // digests
}

// OpenRun implements Store.
func (m *Memory) OpenRun(_ context.Context, r *Run, digest string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.byDigest == nil {
		m.byDigest, m.byID = map[string]*Run{}, map[string]string{}
	}
	n := 0
	for digest, other := range m.byDigest {
		if other.Stands(now) != Running {
			delete(m.byID, other.ID)
			delete(m.byDigest, digest)
		} else if other.AgentID == r.AgentID {
			n++
		}
	}
	if n >= MaxRuns {
		return ErrTooMany
	}
	b := make([]byte, 13)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	r.ID, r.Began, r.Seen = "run_"+hex.EncodeToString(b), now, now
	kept := *r
	m.byDigest[digest], m.byID[r.ID] = &kept, digest
	return nil
}

// RunOf implements Store.
func (m *Memory) RunOf(_ context.Context, digest string) (Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.byDigest[digest]; ok {
		return *r, nil
	}
	return Run{}, ErrNone
}

// NoteRuns implements Store.
func (m *Memory) NoteRuns(_ context.Context, notes []Note) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range notes {
		r, ok := m.byDigest[m.byID[n.ID]]
		if !ok {
			continue
		}
		r.Calls, r.Refusals = r.Calls+n.Calls, r.Refusals+n.Refusals
		if !n.Seen.IsZero() && r.Ended.IsZero() {
			r.Seen = n.Seen
		}
	}
	return nil
}

// CloseRun implements Store.
func (m *Memory) CloseRun(_ context.Context, id, why string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.byDigest[m.byID[id]]
	if !ok {
		return ErrNone
	}
	if r.Ended.IsZero() {
		r.Ended, r.Why = time.Now(), why
	}
	return nil
}
