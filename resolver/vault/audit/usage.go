package audit

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Usage is what one account was used for on one day (UTC).
type Usage struct {
	AccountID  string
	Day        time.Time // midnight
	Calls      int64
	Errors     int64 // answers from 400 on, calls without an answer, our refusals after the match
	AuthErrors int64 // the 401 among them
	BytesIn    int64
	BytesOut   int64
}

// usageKey and usageSum are one row of usage in the making.
type usageKey struct {
	account string
	day     int64 // YYYYMMDD
}

type usageSum struct {
	calls, errors, authErrors, bytesIn, bytesOut int64
	lastUsed, lastSuccess, lastErrorAt           time.Time
	lastError                                    string
}

// usageCounter adds up events until they are written.
type usageCounter struct {
	sums  map[usageKey]*usageSum
	calls map[pathKey]int64
	paths *knownPaths
}

type pathKey struct {
	usageKey
	path string
}

// maxPaths is how many operations and paths are counted apart per account and day; the
// others count as otherPaths. maxKnown bounds the accounts whose paths are remembered;
// beyond it the count of paths begins anew, which is still a bound.
const (
	maxPaths   = 100
	maxKnown   = 10_000
	otherPaths = "(other)"
	// maxName is how long an operation's name may be, in bytes, to be counted by.
	maxName = 200
)

// knownPaths remembers which paths are counted today. It forgets at midnight.
type knownPaths struct {
	day   int64
	known map[string]map[string]bool // by account
}

// add counts an event that is a use of an account's credential.
func (c *usageCounter) add(e *Event) {
	if e.Kind != KindUse || e.AccountID == "" {
		return
	}
	if c.sums == nil {
		c.sums, c.calls = map[usageKey]*usageSum{}, map[pathKey]int64{}
	}
	key := usageKey{e.AccountID, DayOf(e.At)}
	s := c.sums[key]
	if s == nil {
		s = &usageSum{}
		c.sums[key] = s
	}
	s.add(e)
	c.calls[pathKey{key, c.paths.name(key, e.does())}]++
}

func (s *usageSum) add(e *Event) {
	s.calls++
	s.bytesIn += e.BytesIn
	s.bytesOut += e.BytesOut
	s.lastUsed = e.At
	if e.Status > 0 && e.Status < http.StatusBadRequest {
		s.lastSuccess = e.At
		return
	}
	s.errors++
	if e.Status == http.StatusUnauthorized {
		s.authErrors++
	}
	s.lastErrorAt, s.lastError = e.At, e.Code
	if e.Code == "" && e.Status > 0 {
		s.lastError = strings.TrimSpace(strconv.Itoa(e.Status) + " " + http.StatusText(e.Status))
	} else if e.Code == "" {
		s.lastError = "no answer"
	}
}

func (k *knownPaths) name(key usageKey, path string) string {
	if k.day != key.day || len(k.known) >= maxKnown {
		k.day, k.known = key.day, map[string]map[string]bool{}
	}
	known := k.known[key.account]
	if known == nil {
		known = map[string]bool{}
		k.known[key.account] = known
	}
	if !known[path] {
		if len(known) >= maxPaths {
			return otherPaths
		}
		known[path] = true
	}
	return path
}

// does is what a call counts as: its operation, or else its method and path.
func (e *Event) does() string {
	if e.Operation != "" && len(e.Operation) <= maxName {
		return e.Operation
	}
	return e.Method + " " + pathShape(e.Path)
}

// pathShape makes paths that differ in an id the same: at most four segments,
// those that look like ids as *.
func pathShape(path string) string {
	segments := strings.SplitN(strings.Trim(path, "/"), "/", 6)
	for i, s := range segments {
		if i == 4 {
			segments = append(segments[:4], "…")
			break
		}
		if looksLikeID(s) {
			segments[i] = "*"
		}
	}
	return "/" + strings.Join(segments, "/")
}

// looksLikeID: a number, or something long in which digits stand.
func looksLikeID(s string) bool {
	digits := 0
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			digits++
		}
	}
	return digits > 0 && digits == len(s) || digits > 2 && len(s) >= 16 || len(s) > 40
}

// DayOf is the day of t (UTC) as a number: YYYYMMDD.
func DayOf(t time.Time) int64 {
	y, m, d := t.UTC().Date()
	return int64(y*10000 + int(m)*100 + d)
}

func dayTime(n int64) time.Time {
	return time.Date(int(n/10000), time.Month(n/100%100), int(n%100), 0, 0, 0, 0, time.UTC)
}

// write adds what was counted. Accounts are taken in one order, so that two
// replicas cannot wait for each other.
func (c *usageCounter) write(ctx context.Context, t *database.Tx) error {
	for _, k := range sortedUsage(c.sums) {
		s := c.sums[k]
		_, err := t.Exec(ctx, `INSERT INTO usage (account_id, day, calls, errors, auth_errors, bytes_in, bytes_out, last_used, last_success, last_error_at, last_error)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (account_id, day) DO UPDATE SET calls = usage.calls + excluded.calls, errors = usage.errors + excluded.errors,
				auth_errors = usage.auth_errors + excluded.auth_errors,
				bytes_in = usage.bytes_in + excluded.bytes_in, bytes_out = usage.bytes_out + excluded.bytes_out,
				last_used = CASE WHEN excluded.last_used > usage.last_used THEN excluded.last_used ELSE usage.last_used END,
				last_success = CASE WHEN excluded.last_success > usage.last_success THEN excluded.last_success ELSE usage.last_success END,
				last_error = CASE WHEN excluded.last_error_at > usage.last_error_at THEN excluded.last_error ELSE usage.last_error END,
				last_error_at = CASE WHEN excluded.last_error_at > usage.last_error_at THEN excluded.last_error_at ELSE usage.last_error_at END`,
			k.account, k.day, s.calls, s.errors, s.authErrors, s.bytesIn, s.bytesOut,
			database.Micros(s.lastUsed), database.Micros(s.lastSuccess), database.Micros(s.lastErrorAt), s.lastError)
		if err != nil {
			return err
		}
	}
	for _, k := range sortedPaths(c.calls) {
		_, err := t.Exec(ctx, `INSERT INTO usage_paths (account_id, day, path, calls) VALUES (?, ?, ?, ?)
			ON CONFLICT (account_id, day, path) DO UPDATE SET calls = usage_paths.calls + excluded.calls`, k.account, k.day, k.path, c.calls[k])
		if err != nil {
			return err
		}
	}
	return nil
}

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
