package run

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// Desk is where runs are opened, known again and ended. It keeps in memory what goes
// on, and writes what it counted once a second. It outlives configurations.
type Desk struct {
	store Store
	log   func(what string, err error)
	now   func() time.Time

	mu       sync.Mutex
	byDigest map[string]*Known
	byID     map[string]*Known
	notes    map[string]*Note
	epoch    uint64        // counts what was let go of because it changed
	looking  chan struct{} // places for looking up tokens that are not known here

	stop, done chan struct{}
}

// Known is a run that goes on, as it is known here.
type Known struct {
	Run
	digest string
	// Checked is for who asks the desk: what was found right of it besides.
	Checked Checked
}

// Checked is when something about a run was found right, and at which state of the world.
type Checked struct {
	mu    sync.Mutex
	by    any
	at    time.Time
	epoch uint64
}

// Holds reports whether the same has found it right at the same epoch, no longer ago than
// a beat.
func (c *Checked) Holds(by any, epoch uint64, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by == by && c.epoch == epoch && now.Sub(c.at) < Beat
}

// Since reports whether the same has found it right at the same epoch, however long ago.
func (c *Checked) Since(by any, epoch uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by == by && c.epoch == epoch
}

// Found says that it was found right.
func (c *Checked) Found(by any, epoch uint64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by, c.at, c.epoch = by, now, epoch
}

const (
	// noteEvery is how often what was counted is written.
	noteEvery = time.Second
	// maxLooking is how many unknown tokens are looked up at a time: strangers can invent
	// as many as they like.
	maxLooking = 4
)

// NewDesk opens a desk; Close closes it. log is told what could not be written, and tried
// again.
func NewDesk(s Store, log func(what string, err error)) *Desk {
	d := &Desk{store: s, log: log, now: time.Now, byDigest: map[string]*Known{}, byID: map[string]*Known{}, notes: map[string]*Note{},
		looking: make(chan struct{}, maxLooking), stop: make(chan struct{}), done: make(chan struct{})}
	go d.work()
	return d
}

// Open opens a run.
func (d *Desk) Open(ctx context.Context, r Run) (Run, secret.Value, error) {
	token, digest := newToken()
	if err := d.store.OpenRun(ctx, &r, digest); err != nil {
		return Run{}, secret.Value{}, err
	}
	return r, token, nil
}

// Find is the run of a token, while it goes on; else its error is ErrNone.
func (d *Desk) Find(ctx context.Context, token string) (*Known, error) {
	digest := Digest(token)
	d.mu.Lock()
	k, ok := d.byDigest[digest]
	fresh := ok && k.Stands(d.now()) == Running
	epoch := d.epoch
	d.mu.Unlock()
	if fresh {
		return k, nil
	}
	select {
	case d.looking <- struct{}{}:
		defer func() { <-d.looking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r, err := d.store.RunOf(ctx, digest) // another replica may have heard of it
	if err != nil {
		return nil, err
	}
	switch r.Stands(d.now()) {
	case Ended:
		return nil, ErrEnded
	case Lapsed:
		return nil, ErrNone
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	k, ok = d.byDigest[digest]
	if !ok || k.Stands(d.now()) != Running {
		k = &Known{Run: r, digest: digest}
		if d.epoch == epoch { // else it may have ended since it was read
			d.byDigest[digest], d.byID[r.ID] = k, k
		}
	}
	return k, nil
}

// Beat says that a run goes on.
func (d *Desk) Beat(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k, ok := d.byID[id]; ok {
		k.Seen = d.now()
		d.note(id).Seen = k.Seen
	}
}

// Saw counts requests of a run.
func (d *Desk) Saw(id string, n int64, refused bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	note := d.note(id)
	if note.Calls += n; refused {
		note.Refusals += n
	}
}

func (d *Desk) note(id string) *Note {
	n, ok := d.notes[id]
	if !ok {
		n = &Note{ID: id}
		d.notes[id] = n
	}
	return n
}

// End ends a run at once, here; elsewhere as soon as it is heard.
func (d *Desk) End(ctx context.Context, id, why string) error {
	d.Forget(id)
	err := errors.Join(d.write(ctx), d.store.CloseRun(ctx, id, why))
	d.Forget(id) // it may have been looked up meanwhile
	return err
}

// Forget lets go of what is known of a run, or for the empty id of all: it is looked up
// again when somebody comes with its token.
func (d *Desk) Forget(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.epoch++
	if k, ok := d.byID[id]; ok {
		d.forget(k)
	}
	if id == "" {
		clear(d.byDigest)
		clear(d.byID)
	}
}

func (d *Desk) forget(k *Known) {
	delete(d.byDigest, k.digest)
	delete(d.byID, k.ID)
}

// work writes what was counted, until the desk is closed.
func (d *Desk) work() {
	defer close(d.done)
	tick := time.NewTicker(noteEvery)
	defer tick.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-tick.C:
		}
		if err := d.write(context.Background()); err != nil {
			d.log("what runs did could not be written", err)
		}
		d.sweep()
	}
}

// write writes the notes that there are. What fails is kept for the next time.
func (d *Desk) write(ctx context.Context) error {
	d.mu.Lock()
	var all []Note
	for _, n := range d.notes {
		all = append(all, *n)
	}
	clear(d.notes)
	d.mu.Unlock()
	if len(all) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Beat)
	defer cancel()
	err := d.store.NoteRuns(ctx, all)
	if err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, n := range all {
			kept := d.note(n.ID)
			kept.Calls, kept.Refusals = kept.Calls+n.Calls, kept.Refusals+n.Refusals
			if n.Seen.After(kept.Seen) {
				kept.Seen = n.Seen
			}
		}
	}
	return err
}

// sweep lets go of runs that were not heard of.
func (d *Desk) sweep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	for _, k := range d.byDigest {
		if k.Stands(now) != Running {
			d.forget(k)
		}
	}
}

// Close writes what is still to be written.
func (d *Desk) Close(ctx context.Context) error {
	close(d.stop)
	<-d.done
	return d.write(ctx)
}
