package audit

import (
	"cmp"
	"context"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Kinds of traffic; the migration that made the table says what each is.
const (
	TrafficHour      = "hour"
	TrafficTook      = "took"
	TrafficRefusal   = "refusal"
	TrafficRefresh   = "refresh"
	TrafficConnector = "connector"
	TrafficAgent     = "agent"
)

// TrafficKinds are all of them.
var TrafficKinds = []string{TrafficHour, TrafficTook, TrafficRefusal, TrafficRefresh, TrafficConnector, TrafficAgent}

// Traffic is one sum of calls.
type Traffic struct {
	Name          string
	Slot          time.Time // the hour or the day (UTC) that it is of; zero in sums over several
	Calls, Errors int64
}

type trafficKey struct {
	kind, name, org string
	slot            int64
}

type trafficSum struct{ calls, errors int64 }

// trafficCounter adds up events until they are written.
type trafficCounter map[trafficKey]trafficSum

// add counts an event.
func (c trafficCounter) add(e *Event) {
	day, hour := DayOf(e.At), hourOf(e.At)
	switch e.Kind {
	case KindUse:
		failed := e.Status <= 0 || e.Status >= http.StatusBadRequest
		c.count(trafficKey{TrafficHour, "", e.Organisation, hour}, failed)
		c.count(trafficKey{TrafficTook, tookStep(e.Duration), e.Organisation, hour}, failed)
		if e.Connector != "" {
			c.count(trafficKey{TrafficConnector, e.Connector, e.Organisation, day}, failed)
		}
		if e.AgentID != "" {
			c.count(trafficKey{TrafficAgent, e.AgentID, e.Organisation, day}, failed)
		}
	case KindRefusal:
		c.count(trafficKey{TrafficRefusal, e.Code, e.Organisation, hour}, true)
	case KindRefresh:
		c.count(trafficKey{TrafficRefresh, "", e.Organisation, hour}, e.Code != "account.refreshed")
	}
}

func (c trafficCounter) count(k trafficKey, failed bool) {
	s := c[k]
	s.calls++
	if failed {
		s.errors++
	}
	c[k] = s
}

// tookStep is the step of a scale on which a duration lies: two steps double it.
func tookStep(d time.Duration) string {
	step := 0
	if ms := float64(d) / float64(time.Millisecond); ms > 1 {
		step = int(math.Ceil(2 * math.Log2(ms)))
	}
	return strconv.Itoa(min(step, 40))
}

// TookUntil is the longest duration on a step of the scale, which is a row's name.
func TookUntil(step string) time.Duration {
	n, _ := strconv.Atoi(step)
	return time.Duration(math.Pow(2, float64(n)/2) * float64(time.Millisecond))
}

func hourOf(t time.Time) int64 { return DayOf(t)*100 + int64(t.UTC().Hour()) }

// slotTime is the inverse of hourOf and dayOf.
func slotTime(n int64) time.Time {
	if n < 1e8 {
		return dayTime(n)
	}
	return dayTime(n / 100).Add(time.Duration(n%100) * time.Hour)
}

// SlotOf is the slot of a kind in which a moment lies.
func SlotOf(kind string, t time.Time) int64 {
	if kind == TrafficConnector || kind == TrafficAgent {
		return DayOf(t)
	}
	return hourOf(t)
}

// write adds what was counted, in one order, so that two replicas cannot wait
// for each other.
func (c trafficCounter) write(ctx context.Context, t *database.Tx) error {
	keys := slices.SortedFunc(maps.Keys(c), func(a, b trafficKey) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name), cmp.Compare(a.slot, b.slot), cmp.Compare(a.org, b.org))
	})
	for _, k := range keys {
		_, err := t.Exec(ctx, `INSERT INTO traffic (kind, name, slot, organisation, calls, errors) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (kind, name, slot, organisation) DO UPDATE SET calls = traffic.calls + excluded.calls, errors = traffic.errors + excluded.errors`,
			k.kind, k.name, k.slot, k.org, c[k].calls, c[k].errors)
		if err != nil {
			return err
		}
	}
	return nil
}

// Traffic returns what happened of a kind since a moment, by name and slot; only of
// the names, where there are any.
func (s *View) Traffic(ctx context.Context, kind string, names []string, since time.Time) ([]Traffic, error) {
	w := s.Where("organisation")
	w.Is("kind", kind)
	w.OneOf("name", names)
	w.Add("slot >= ?", SlotOf(kind, since))
	return database.Collect(ctx, s.log.db.Reader, func(r database.Scanner) (t Traffic, err error) {
		var slot int64
		err = r.Scan(&t.Name, &slot, &t.Calls, &t.Errors)
		t.Slot = slotTime(slot)
		return t, err
	}, "SELECT name, slot, CAST(SUM(calls) AS BIGINT), CAST(SUM(errors) AS BIGINT) FROM traffic"+w.String()+" GROUP BY name, slot ORDER BY slot, name", w.Args...)
}

// TrafficTop returns the names of a kind with the most calls since a moment.
func (s *View) TrafficTop(ctx context.Context, kind string, since time.Time, limit int) ([]Traffic, error) {
	w := s.Where("organisation")
	w.Is("kind", kind)
	w.Add("slot >= ?", SlotOf(kind, since))
	return database.Collect(ctx, s.log.db.Reader, func(r database.Scanner) (t Traffic, err error) {
		err = r.Scan(&t.Name, &t.Calls, &t.Errors)
		return t, err
	}, "SELECT name, CAST(SUM(calls) AS BIGINT) AS n, CAST(SUM(errors) AS BIGINT) FROM traffic"+w.String()+" GROUP BY name ORDER BY n DESC, name LIMIT ?", append(w.Args, limit)...)
}
