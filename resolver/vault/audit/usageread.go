package audit

import (
	"context"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// UsageOf returns the days from start to end, both included, on which the account
// was used.
func (l *Log) UsageOf(ctx context.Context, accountID string, start, end time.Time) ([]Usage, error) {
	return database.Collect(ctx, l.db.Reader, func(r database.Scanner) (u Usage, err error) {
		var day int64
		err = r.Scan(&u.AccountID, &day, &u.Calls, &u.Errors, &u.AuthErrors, &u.BytesIn, &u.BytesOut)
		u.Day = dayTime(day)
		return u, err
	}, `SELECT account_id, day, calls, errors, auth_errors, bytes_in, bytes_out FROM usage
		WHERE account_id = ? AND day >= ? AND day <= ? ORDER BY day`, accountID, DayOf(start), DayOf(end))
}

// PathUsage is how often an operation or, where that has no name, a path was called; ids
// in paths are *.
type PathUsage struct {
	Path  string // "issues/create", "GET /users/*"
	Calls int64
}

// TopPaths returns the most used paths of an account, the most used first.
func (l *Log) TopPaths(ctx context.Context, accountID string, start, end time.Time, limit int) ([]PathUsage, error) {
	return database.Collect(ctx, l.db.Reader, func(r database.Scanner) (p PathUsage, err error) {
		err = r.Scan(&p.Path, &p.Calls)
		return p, err
	}, `SELECT path, CAST(SUM(calls) AS BIGINT) AS n FROM usage_paths WHERE account_id = ? AND day >= ? AND day <= ?
		GROUP BY path ORDER BY n DESC, path LIMIT ?`, accountID, DayOf(start), DayOf(end), limit)
}

// Uses sums up what an account was used for. The last error is the newer one of a
// call and of a refresh.
type Uses struct {
	Calls, Errors, AuthErrors          int64
	LastUsed, LastSuccess, LastErrorAt time.Time
	LastError                          string
	Refreshes, RefreshFailures         int64
}

// Uses sums up the time since.
func (l *Log) Uses(ctx context.Context, id string, since time.Time) (u Uses, err error) {
	days, err := database.Collect(ctx, l.db.Reader, func(r database.Scanner) (x usageSum, err error) {
		err = r.Scan(&x.calls, &x.errors, &x.authErrors, database.Time(&x.lastUsed), database.Time(&x.lastSuccess), database.Time(&x.lastErrorAt), &x.lastError)
		return x, err
	}, `SELECT calls, errors, auth_errors, last_used, last_success, last_error_at, last_error FROM usage
		WHERE account_id = ? AND day >= ? ORDER BY day`, id, DayOf(since))
	if err != nil {
		return Uses{}, err
	}
	for _, d := range days {
		u.Calls += d.calls
		u.Errors += d.errors
		u.AuthErrors += d.authErrors
		u.LastUsed = later(u.LastUsed, d.lastUsed)
		u.LastSuccess = later(u.LastSuccess, d.lastSuccess)
		if d.lastErrorAt.After(u.LastErrorAt) {
			u.LastErrorAt, u.LastError = d.lastErrorAt, d.lastError
		}
	}
	return u, l.countRefreshes(ctx, id, since, &u)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// countRefreshes reads the audit, which says of each refresh how it ended.
func (l *Log) countRefreshes(ctx context.Context, id string, since time.Time, u *Uses) error {
	err := l.db.Reader.Row(ctx, `SELECT COALESCE(SUM(CASE WHEN code = 'account.refreshed' THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN code <> 'account.refreshed' THEN 1 ELSE 0 END), 0)
		FROM audit WHERE account_id = ? AND account_id <> '' AND id >= ? AND kind = ?`,
		id, database.FirstID("evt", since), KindRefresh).Scan(&u.Refreshes, &u.RefreshFailures)
	if err != nil || u.RefreshFailures == 0 {
		return l.db.Explain(err)
	}
	var at time.Time
	var why string
	err = l.db.Reader.Row(ctx, `SELECT at, detail FROM audit WHERE account_id = ? AND account_id <> '' AND id >= ? AND kind = ? AND code <> 'account.refreshed'
		ORDER BY id DESC LIMIT 1`, id, database.FirstID("evt", since), KindRefresh).Scan(database.Time(&at), &why)
	if err == nil && at.After(u.LastErrorAt) {
		u.LastErrorAt, u.LastError = at, why
	}
	return l.db.Explain(err)
}
