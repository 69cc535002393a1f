package database

import (
	"context"
	"time"
)

// Moment joins a time of the database's clock, which leases and expiries follow,
// with the same moment of this process's. The clocks of replicas may be minutes
// apart, and may be set at any time; the database's is one for all of them.
type Moment struct {
	local time.Time // with a monotonic reading, where the clock has one
	skew  time.Duration
}

// MomentOf is for a time that the database told between before and after. Clocks
// that may be the same are taken as such.
func MomentOf(before, after, database time.Time) Moment {
	m := Moment{local: after}
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

// ToLocal is what t, a time of the database's clock, is by ours. It does not
// move when our clock is set later. Zero stays zero.
func (m Moment) ToLocal(t time.Time) time.Time {
	if t.IsZero() || m.local.IsZero() {
		return t
	}
	return m.local.Add(t.Add(-m.skew).Sub(m.local.Round(0)))
}

// ToDatabase is the inverse of ToLocal.
func (m Moment) ToDatabase(t time.Time) time.Time {
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
func (d *DB) Clock(ctx context.Context) time.Time {
	m := d.told.Load()
	if m == nil || d.now().Sub(m.local).Abs() > clockFor {
		if fresh, err := d.askClock(ctx, d.Reader); err == nil {
			m = &fresh
			d.told.Store(m)
		}
	}
	if m == nil {
		return d.now()
	}
	return m.ToDatabase(d.now())
}

// Expiry is the end of a token, told by our clock, by the database's.
func (t *Tx) Expiry(ctx context.Context, at time.Time) (time.Time, error) {
	if at.IsZero() {
		return at, nil
	}
	m, err := t.db.askClock(ctx, t)
	if err != nil {
		return time.Time{}, err
	}
	return Whole(m.ToDatabase(at)), nil
}

// LeaseNow is the database's clock in SQL, in microseconds. It has the parameters
// that ClockArgs appends.
func (d *DB) LeaseNow() string {
	if d.clock.Load() {
		return "CAST(? AS BIGINT)"
	}
	return d.dialect.now
}

// ClockArgs appends the parameter of LeaseNow where it has one: where a test gave
// the clock.
func (d *DB) ClockArgs(args []any) []any {
	if d.clock.Load() {
		return append(args, Micros(d.now()))
	}
	return args
}

func (d *DB) askClock(ctx context.Context, q Querier) (Moment, error) {
	asked := d.now()
	var database time.Time
	if err := q.Row(ctx, "SELECT "+d.LeaseNow(), d.ClockArgs(nil)...).Scan(Time(&database)); err != nil {
		return Moment{}, err
	}
	return MomentOf(asked, d.now(), database), nil
}

// FollowDatabase makes leases and expiries follow the database's clock although
// Config.Now gave another one: a replica whose clock is off, for tests.
func (d *DB) FollowDatabase() { d.clock.Store(false) }
