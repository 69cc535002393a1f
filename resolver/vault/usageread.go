package vault

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

func sortedUsage(m map[usageKey]*usageSum) []usageKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b usageKey) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.day, b.day))
	})
}

func sortedPaths(m map[pathKey]int64) []pathKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b pathKey) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.day, b.day), cmp.Compare(a.path, b.path))
	})
}

// Usage returns the days from start to end, both included, on which the account
// was used.
func (s *View) Usage(ctx context.Context, accountID string, start, end time.Time) ([]Usage, error) {
	if _, err := s.Account(ctx, accountID); err != nil {
		return nil, err
	}
	return collect(ctx, s.v, s.v.r, func(r scanner) (u Usage, err error) {
		var day int64
		err = r.Scan(&u.AccountID, &day, &u.Calls, &u.Errors, &u.AuthErrors, &u.BytesIn, &u.BytesOut)
		u.Day = dayTime(day)
		return u, err
	}, `SELECT account_id, day, calls, errors, auth_errors, bytes_in, bytes_out FROM usage
		WHERE account_id = ? AND day >= ? AND day <= ? ORDER BY day`, accountID, dayOf(start), dayOf(end))
}

// PathUsage is how often a path was called; ids in it are *.
type PathUsage struct {
	Path  string // "GET /users/*"
	Calls int64
}

// TopPaths returns the most used paths of an account, the most used first.
func (s *View) TopPaths(ctx context.Context, accountID string, start, end time.Time, limit int) ([]PathUsage, error) {
	if _, err := s.Account(ctx, accountID); err != nil {
		return nil, err
	}
	return collect(ctx, s.v, s.v.r, func(r scanner) (p PathUsage, err error) {
		err = r.Scan(&p.Path, &p.Calls)
		return p, err
	}, `SELECT path, CAST(SUM(calls) AS BIGINT) AS n FROM usage_paths WHERE account_id = ? AND day >= ? AND day <= ?
		GROUP BY path ORDER BY n DESC, path LIMIT ?`, accountID, dayOf(start), dayOf(end), limit)
}

// Health is how an account fared lately.
type Health struct {
	Calls, Errors, AuthErrors          int64
	LastUsed, LastSuccess, LastErrorAt time.Time
	LastError                          string
	Refreshes, RefreshFailures         int64
	ExpiresAt                          time.Time
	State                              State
	Reason                             Reason
	LeaseHeld                          bool
	IntentAbandoned                    bool
	StateSince                         time.Time
	CredentialGeneration               uint64
	Since                              time.Time
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
	days, err := collect(ctx, s.v, s.v.r, func(r scanner) (x usageSum, err error) {
		err = r.Scan(&x.calls, &x.errors, &x.authErrors, timeCol{&x.lastUsed}, timeCol{&x.lastSuccess}, timeCol{&x.lastErrorAt}, &x.lastError)
		return x, err
	}, `SELECT calls, errors, auth_errors, last_used, last_success, last_error_at, last_error FROM usage
		WHERE account_id = ? AND day >= ? ORDER BY day`, id, dayOf(since))
	if err != nil {
		return Health{}, err
	}
	for _, d := range days {
		h.Calls += d.calls
		h.Errors += d.errors
		h.AuthErrors += d.authErrors
		h.LastUsed = later(h.LastUsed, d.lastUsed)
		h.LastSuccess = later(h.LastSuccess, d.lastSuccess)
		if d.lastErrorAt.After(h.LastErrorAt) {
			h.LastErrorAt, h.LastError = d.lastErrorAt, d.lastError
		}
	}
	return h, s.countRefreshes(ctx, id, since, &h)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// countRefreshes reads the audit, which says of each refresh how it ended.
func (s *View) countRefreshes(ctx context.Context, id string, since time.Time, h *Health) error {
	err := s.v.r.row(ctx, `SELECT COALESCE(SUM(CASE WHEN code = 'account.refreshed' THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN code <> 'account.refreshed' THEN 1 ELSE 0 END), 0)
		FROM audit WHERE account_id = ? AND account_id <> '' AND id >= ? AND kind = ?`,
		id, firstID("evt", since), AuditRefresh).Scan(&h.Refreshes, &h.RefreshFailures)
	return s.v.explain(err)
}
