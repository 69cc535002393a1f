// Package cache forgets: it holds credentials by account id, in memory, and in
// Redis for those who run several replicas. Nothing is lost with it but time.
package cache

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/attache-proxy/attache/providers/secret"
)

// DefaultMaxEntries bounds a Memory that names no bound: some 100 MB of
// credentials, at about 1 KB each.
const DefaultMaxEntries = 100_000

// forEver is how long otter keeps an entry that has no expiry.
const forEver = 100 * 365 * 24 * time.Hour

// Memory is a cache of this process. A hit takes no lock. It is safe for
// concurrent use.
//
// What is put in must not be changed afterwards: Get hands out the same value.
type Memory struct {
	entries  *otter.Cache[string, *secret.Credential]
	watchers watchers
	limits   limits
}

// NewMemory returns a Memory that holds at most maxEntries; DefaultMaxEntries
// when that is 0 or less. Entries leave it when their credential expires.
func NewMemory(maxEntries int) *Memory {
	if maxEntries <= 0 {
		maxEntries = DefaultMaxEntries
	}
	return &Memory{entries: otter.Must(&otter.Options[string, *secret.Credential]{
		MaximumSize:      maxEntries,
		ExpiryCalculator: otter.ExpiryWritingFunc(lifetime),
	})}
}

func lifetime(e otter.Entry[string, *secret.Credential]) time.Duration {
	if e.Value.Expiry.IsZero() {
		return forEver
	}
	return max(time.Until(e.Value.Expiry), 1) // 0 would mean no change
}

// Get returns the credential of account id, and false when there is none or it
// has expired.
func (m *Memory) Get(_ context.Context, id string) (*secret.Credential, bool) {
	return m.entries.GetIfPresent(id)
}

// Near is Get: there is nothing farther away.
func (m *Memory) Near(id string) (*secret.Credential, bool) { return m.entries.GetIfPresent(id) }

// Fetch returns the credential of account id unless it is not, by generation.
func (m *Memory) Fetch(_ context.Context, id string, not *secret.Credential) (*secret.Credential, bool) {
	return other(m.entries, id, not)
}

// other is what is there of id, unless it is not.
func other(entries *otter.Cache[string, *secret.Credential], id string, not *secret.Credential) (*secret.Credential, bool) {
	cred, ok := entries.GetIfPresent(id)
	if !ok || not != nil && not.Generation == cred.Generation {
		return nil, false
	}
	return cred, true
}

// Put replaces the credential of account id.
func (m *Memory) Put(_ context.Context, id string, cred *secret.Credential) {
	m.entries.Set(id, cred)
	m.watchers.tell(id)
}

// Fill puts cred only where there is none, and returns the one that is there
// afterwards. It is for what was read from the vault: by now somebody may have
// put a newer one.
func (m *Memory) Fill(_ context.Context, id string, cred *secret.Credential) *secret.Credential {
	there, _ := m.entries.SetIfAbsent(id, cred)
	return there
}

// Keep puts cred into memory, and tells nobody: it is for what was read from
// where it is remembered. It never replaces a newer one of a higher generation.
func (m *Memory) Keep(id string, cred *secret.Credential) {
	m.entries.Compute(id, func(old *secret.Credential, found bool) (*secret.Credential, otter.ComputeOp) {
		if found && old.Generation > cred.Generation {
			return old, otter.CancelOp
		}
		return cred, otter.WriteOp
	})
}

// Drop forgets the credential of account id in this process.
func (m *Memory) Drop(id string) { m.Delete(context.Background(), id) }

// Delete forgets the credential of account id.
func (m *Memory) Delete(_ context.Context, id string) {
	m.entries.Invalidate(id)
	m.watchers.tell(id)
}

// Lock always succeeds: between the requests of one process the caller's own
// single flight decides.
func (m *Memory) Lock(context.Context, string, time.Duration) (unlock func(), ok bool) {
	return func() {}, true
}

// Watch returns a channel that is closed at the next Put or Delete of id. stop
// must be called.
func (m *Memory) Watch(id string) (changed <-chan struct{}, stop func()) {
	return m.watchers.watch(id)
}

// Len is about how many credentials there are.
func (m *Memory) Len() int { return m.entries.EstimatedSize() }

// Close frees the cache's goroutines.
func (m *Memory) Close() error {
	m.entries.InvalidateAll()
	m.entries.StopAllGoroutines()
	return nil
}
