package audit

import (
	"context"
	"slices"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// overlap is how far a Tail looks back behind the newest event it has seen: an
// id carries the clock of the replica that made it, and is written up to 100 ms
// later.
const overlap = 2 * time.Second

// maxWindow is how many events of one overlap a Tail can tell apart; maxTail is
// how many it returns at once.
const (
	maxWindow = 20_000
	maxTail   = 500
)

// Tail follows the audit. It belongs to one goroutine.
type Tail struct {
	s      *View
	f      Filter
	newest time.Time
	seen   map[string]bool
	// after is the event to go on after; empty to begin with what comes now.
	after  string
	primed bool
}

// Tail follows the events that match f, other replicas' too: those after the
// event afterID, or from now on if that is empty.
func (s *View) Tail(f Filter, afterID string) *Tail {
	t := &Tail{s: s, f: f, newest: s.log.db.Now(), seen: map[string]bool{}}
	if database.IsID("evt", afterID) {
		t.after, t.newest = afterID, database.IDTime(afterID)
	}
	return t
}

// Next returns the events that were written since the last call, oldest first;
// none when there is nothing new.
func (t *Tail) Next(ctx context.Context) ([]Event, error) {
	ids, err := t.window(ctx)
	if err != nil {
		return nil, err
	}
	if !t.primed { // what was there before is not news
		t.primed = true
		for _, id := range ids {
			if t.after == "" || id <= t.after {
				t.seen[id] = true
			}
		}
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return t.seen[id] })
	if len(ids) == 0 {
		return nil, nil
	}
	ids = ids[:min(len(ids), maxTail)]
	w := &database.Where{}
	w.OneOf("id", ids)
	out, err := database.Collect(ctx, t.s.log.db.Reader, scanEvent, "SELECT "+Columns+" FROM audit"+w.String()+" ORDER BY id", w.Args...)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		t.seen[id] = true
	}
	t.forget(database.IDTime(ids[len(ids)-1]))
	return out, nil
}

// window lists the ids of the events that may be new.
func (t *Tail) window(ctx context.Context) ([]string, error) {
	f := t.f
	f.From = t.newest.Add(-overlap)
	w := t.s.where(f)
	return database.Collect(ctx, t.s.log.db.Reader, database.Text, "SELECT id FROM audit"+w.String()+" ORDER BY id LIMIT ?", append(w.Args, maxWindow)...)
}

// forget drops what the next window does not reach back to.
func (t *Tail) forget(newest time.Time) {
	if !newest.After(t.newest) {
		return
	}
	t.newest = newest
	limit := database.FirstID("evt", newest.Add(-overlap))
	for id := range t.seen {
		if id < limit {
			delete(t.seen, id)
		}
	}
}
