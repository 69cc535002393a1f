package database

import (
	"encoding/json"
	"sync"
	"sync/atomic"
)

// Kind is what a Change is about.
type Kind string

const (
	KindAccount   Kind = "account"
	KindAgent     Kind = "agent" // its tokens too
	KindGrant     Kind = "grant"
	KindConnector Kind = "connector"
	KindApp       Kind = "app"
	KindSetting   Kind = "setting"
	KindApproval  Kind = "approval"
	KindRun       Kind = "run" // it ended
	KindTool      Kind = "tool"
	// KindEverything means that changes were missed: forget all that is cached.
	KindEverything Kind = "everything"
)

// Change tells that a row was made, edited or deleted.
type Change struct {
	Kind Kind `json:"k"`
	// ID of the row: of a grant the grant's, of a connector its key, of a
	// setting its name.
	ID string `json:"i,omitempty"`
	// Agent and Account are whom a grant joins.
	Agent   string `json:"g,omitempty"`
	Account string `json:"a,omitempty"`
	// Connector is the key of an account's, a grant's or an app's connector.
	Connector string `json:"c,omitempty"`
	// Organisation is an account's.
	Organisation string `json:"o,omitempty"`
	// Refreshed is set where an account got a new token and nothing else.
	Refreshed bool `json:"r,omitempty"`
	// Sealed is the version that the row's secrets have now, where it changed.
	Sealed int64 `json:"s,omitempty"`
	// Generation is the account's, where it was refreshed.
	Generation uint64 `json:"n,omitempty"`
}

// Changed notes a change to publish at commit.
func (t *Tx) Changed(c Change) { t.changes = append(t.changes, c) }

// tellVersions lets other processes know the newest versions too.
func (t *Tx) tellVersions() {
	for i := range t.changes {
		c := &t.changes[i]
		c.Sealed = max(c.Sealed, t.Versions[c.ID])
	}
}

type subscribers struct {
	mu    sync.RWMutex
	next  int
	fs    map[int]func(Change)
	epoch atomic.Uint64
}

// Subscribe calls f for each change, of this process before the call that made
// it returns, of others within a second. f must be quick and must not write to
// the vault. The changes of one transaction come in their order.
func (d *DB) Subscribe(f func(Change)) (cancel func()) {
	s := &d.subs
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fs == nil {
		s.fs = map[int]func(Change){}
	}
	id := s.next
	s.next++
	s.fs[id] = f
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.fs, id)
	}
}

// Epoch counts the publications of changes. Who caches what it reads here notes
// the epoch first, and keeps what it read only if the epoch is still the same,
// under the lock that its subscriber takes too. Otherwise it could keep a row
// that was changed, and announced, between the reading and the keeping.
func (d *DB) Epoch() uint64 { return d.subs.epoch.Load() }

// hear publishes what another process announced: changes as JSON, or nothing where
// some were missed.
func (d *DB) hear(text string) {
	var cs []Change
	if err := json.Unmarshal([]byte(text), &cs); err != nil {
		cs = []Change{{Kind: KindEverything}}
	}
	d.publish(cs...)
}

func (d *DB) publish(cs ...Change) {
	if len(cs) == 0 {
		return
	}
	s := &d.subs
	s.epoch.Add(1)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, c := range cs {
		d.changed(c)
		for _, f := range s.fs {
			f(c)
		}
	}
}
