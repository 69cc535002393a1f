package database

import (
	"testing"
	"time"
)

// TestClocksApart: an expiry is about as far away for a process whose clock is
// minutes off as it is for the database, and comes back to it as it was.
func TestClocksApart(t *testing.T) {
	for _, skew := range []time.Duration{0, 300 * time.Millisecond, 2 * time.Minute, -2 * time.Minute} {
		before := time.Now()
		after := before.Add(5 * time.Millisecond)
		database := before.Add(2*time.Millisecond + skew).Round(0)
		m := MomentOf(before, after, database)
		expires := database.Add(30 * time.Second)
		local := m.ToLocal(expires)
		want := 30 * time.Second
		if skew.Abs() < maxClockError {
			want += skew // near clocks are taken as the same
		}
		if got := local.Sub(after); (got - want).Abs() > 20*time.Millisecond {
			t.Errorf("skew %v: the token has %v to live here, want %v", skew, got, want)
		}
		if got := m.ToDatabase(local); got.Sub(expires).Abs() > time.Microsecond {
			t.Errorf("skew %v: %v came back as %v", skew, expires, got)
		}
	}
	if got := (Moment{local: time.Now(), skew: time.Hour}).ToLocal(time.Time{}); !got.IsZero() {
		t.Errorf("toLocal of no time = %v, want none", got)
	}
	// A question that took long tells nothing about clocks that may be the same.
	now := time.Now()
	if m := MomentOf(now.Add(-8*time.Second), now, now.Add(-7*time.Second).Round(0)); m.skew != 0 {
		t.Errorf("after a slow question skew = %v, want 0", m.skew)
	}
}
