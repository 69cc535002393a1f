package vault

import (
	"context"
	"time"
)

// moment joins a time of the database's clock, which leases and expiries follow,
// with the same moment of this process's. The clocks of replicas may be minutes
// apart, and may be set at any time; the database's is one for all of them.
type moment struct {
	local time.Time // with a monotonic reading, where the clock has one
	skew  time.Duration
}

// momentOf is for a time that the database told between before and after. Clocks
// that may be the same are taken as such.
func momentOf(before, after, database time.Time) moment {
	m := moment{local: after}
	switch least, most := database.Sub(after.Round(0)), database.Sub(before.Round(0)); {
	case least > maxClockError:
		m.skew = least
	case most < -maxClockError:
		m.skew = most
	}
	return m
}

// maxClockError is how far clocks may be apart before that counts. Hosts that
// follow NTP are closer.
const maxClockError = time.Second

// toLocal is what t, a time of the database's clock, is by ours. It does not
// move when our clock is set later. Zero stays zero.
func (m moment) toLocal(t time.Time) time.Time {
	if t.IsZero() || m.local.IsZero() {
		return t
	}
	return m.local.Add(t.Add(-m.skew).Sub(m.local.Round(0)))
}

// toDatabase is the inverse of toLocal.
func (m moment) toDatabase(t time.Time) time.Time {
	if t.IsZero() || m.local.IsZero() {
		return t
	}
	return m.local.Round(0).Add(t.Sub(m.local)).Add(m.skew)
}

// clockFor is how long what the database told of its clock is believed. Between
// two hosts that keep time, clocks drift by less than a second in it.
const clockFor = 10 * time.Minute

// Clock is the time by the database's clock, which is one for all replicas. It is
// this process's own as long as the database has told nothing.
func (v *Vault) Clock(ctx context.Context) time.Time {
	m := v.told.Load()
	if m == nil || v.now().Sub(m.local).Abs() > clockFor {
		if fresh, err := v.askClock(ctx, v.r); err == nil {
			m = &fresh
			v.told.Store(m)
		}
	}
	if m == nil {
		return v.now()
	}
	return m.toDatabase(v.now())
}

// expiry is the end of a token, told by our clock, by the database's.
func (t *tx) expiry(ctx context.Context, at time.Time) (time.Time, error) {
	if at.IsZero() {
		return at, nil
	}
	m, err := t.v.askClock(ctx, t)
	if err != nil {
		return time.Time{}, err
	}
	return whole(m.toDatabase(at)), nil
}

func (v *Vault) askClock(ctx context.Context, q querier) (moment, error) {
	asked := v.now()
	var database time.Time
	if err := q.row(ctx, "SELECT "+v.leaseNow, v.clockArgs(nil)...).Scan(timeCol{&database}); err != nil {
		return moment{}, err
	}
	return momentOf(asked, v.now(), database), nil
}
