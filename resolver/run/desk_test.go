package run

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// desk is one with a clock of the test's own.
func desk(t *testing.T, s Store) (*Desk, *atomic.Int64) {
	t.Helper()
	var ahead atomic.Int64
	d := NewDesk(s, func(what string, err error) { t.Logf("%s: %v", what, err) })
	d.mu.Lock()
	d.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	d.mu.Unlock()
	t.Cleanup(func() { _ = d.Close(context.Background()) })
	return d, &ahead
}

func open(t *testing.T, d *Desk) (Run, string) {
	t.Helper()
	r, token, err := d.Open(t.Context(), Run{AgentID: "a", Agent: "a", Program: "sh"})
	if err != nil {
		t.Fatal(err)
	}
	return r, token.Reveal()
}

// A token is good from its run's beginning to its end, at every desk that has the store.
func TestRunEnds(t *testing.T) {
	store := new(Memory)
	here, _ := desk(t, store)
	there, _ := desk(t, store)
	r, token := open(t, here)
	for _, d := range []*Desk{here, there} {
		if k, err := d.Find(t.Context(), token); err != nil || k.ID != r.ID {
			t.Fatalf("found %v, %v", k, err)
		}
	}
	if err := here.End(t.Context(), r.ID, "exited"); err != nil {
		t.Fatal(err)
	}
	there.Forget(r.ID) // as the vault tells
	for _, d := range []*Desk{here, there} {
		if _, err := d.Find(t.Context(), token); !errors.Is(err, ErrEnded) {
			t.Errorf("after its end: %v", err)
		}
		d.Beat(r.ID) // brings nothing back
		if _, err := d.Find(t.Context(), token); !IsOver(err) {
			t.Errorf("after a late beat: %v", err)
		}
	}
	for _, other := range []string{"", "atr_", token[:len(token)-1], token + "A", "att_" + token[4:]} {
		if k, err := here.Find(t.Context(), other); !errors.Is(err, ErrNone) {
			t.Errorf("%q is a run's: %v, %v", other, k, err)
		}
	}
}

// Who is not heard of is gone; who is, goes on.
func TestRunLapses(t *testing.T) {
	store := new(Memory)
	d, ahead := desk(t, store)
	kept, token := open(t, d)
	_, lost := open(t, d)
	if _, err := d.Find(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	ahead.Store(int64(Lease - time.Second))
	d.Beat(kept.ID)
	ahead.Store(int64(Lease + time.Second))
	if _, err := d.Find(t.Context(), token); err != nil {
		t.Errorf("it was heard of: %v", err)
	}
	if _, err := d.Find(t.Context(), lost); !errors.Is(err, ErrNone) {
		t.Errorf("it was not heard of: %v", err)
	}
}

// A run that ends while its token is looked up is not kept.
func TestRunEndsMeanwhile(t *testing.T) {
	store := &slow{Memory: new(Memory)}
	here, _ := desk(t, store)
	there, _ := desk(t, store)
	r, token := open(t, here)
	store.read = func() {
		store.read = nil
		if err := here.End(context.Background(), r.ID, "exited"); err != nil {
			t.Error(err)
		}
		there.Forget(r.ID)
	}
	_, _ = there.Find(t.Context(), token) // it was there when it was read
	if _, err := there.Find(t.Context(), token); !errors.Is(err, ErrEnded) {
		t.Errorf("after its end: %v", err)
	}
}

// slow lets something happen between a reading and what is made of it.
type slow struct {
	*Memory
	read func()
}

func (s *slow) RunOf(ctx context.Context, digest string) (Run, error) {
	r, err := s.Memory.RunOf(ctx, digest)
	if s.read != nil {
		s.read()
	}
	return r, err
}

// What is counted is written, and what could not be is tried again.
func TestRunCounts(t *testing.T) {
	store := &away{Memory: new(Memory)}
	d, _ := desk(t, store)
	r, token := open(t, d)
	d.Saw(r.ID, 2, false)
	d.Saw(r.ID, 3, true)
	store.gone.Store(true)
	if err := d.write(t.Context()); err == nil {
		t.Error("written to a store that is away")
	}
	store.gone.Store(false)
	d.Saw(r.ID, 1, false)
	if err := d.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := store.RunOf(t.Context(), Digest(token))
	if err != nil || got.Calls != 6 || got.Refusals != 3 {
		t.Errorf("%d calls, %d refusals, %v; want 6 and 3", got.Calls, got.Refusals, err)
	}
}

type away struct {
	*Memory
	gone atomic.Bool
}

func (s *away) NoteRuns(ctx context.Context, notes []Note) error {
	if s.gone.Load() {
		return errors.New("away")
	}
	return s.Memory.NoteRuns(ctx, notes)
}

func TestTooManyRuns(t *testing.T) {
	d, _ := desk(t, new(Memory))
	for range MaxRuns {
		open(t, d)
	}
	if _, _, err := d.Open(t.Context(), Run{AgentID: "a"}); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more: %v", err)
	}
	if _, _, err := d.Open(t.Context(), Run{AgentID: "b"}); err != nil {
		t.Errorf("another agent: %v", err)
	}
}
