package vault

import (
	"context"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/audit"
)

// Usage returns the days from start to end, both included, on which the account
// was used.
func (s *View) Usage(ctx context.Context, accountID string, start, end time.Time) ([]Usage, error) {
	if _, err := s.Account(ctx, accountID); err != nil {
		return nil, err
	}
	return s.v.audit.UsageOf(ctx, accountID, start, end)
}

// TopPaths returns the most used paths of an account, the most used first.
func (s *View) TopPaths(ctx context.Context, accountID string, start, end time.Time, limit int) ([]PathUsage, error) {
	if _, err := s.Account(ctx, accountID); err != nil {
		return nil, err
	}
	return s.v.audit.TopPaths(ctx, accountID, start, end, limit)
}

// Health is how an account fared lately.
type Health struct {
	audit.Uses
	ExpiresAt            time.Time
	State                State
	Reason               Reason
	LeaseHeld            bool
	IntentAbandoned      bool
	StateSince           time.Time
	CredentialGeneration uint64
	Since                time.Time
}

// AccountHealth sums up the time since.
func (s *View) AccountHealth(ctx context.Context, id string, since time.Time) (Health, error) {
	a, err := s.Account(ctx, id)
	if err != nil {
		return Health{}, err
	}
	h := Health{
		Since: since, State: a.State, Reason: a.Reason, StateSince: a.StateSince, ExpiresAt: a.ExpiresAt,
		CredentialGeneration: a.Generation, LeaseHeld: a.leaseOwner != "", IntentAbandoned: a.intentFence != 0 && a.leaseOwner == "",
	}
	h.Uses, err = s.v.audit.Uses(ctx, id, since)
	return h, err
}
