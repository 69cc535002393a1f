// Package runs remembers runs of commands: by whom they were opened, how long they went
// on, how they ended.
package runs

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/attache-proxy/attache/resolver/run"
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Book is all of them: a run.Store.
type Book struct{ db *database.DB }

// NewBook is the book in db.
func NewBook(db *database.DB) Book { return Book{db} }

// keep is how long a run is kept after it began.
const keep = 90 * 24 * time.Hour

// Sweep deletes runs that began before a moment (see Old), so many at a time.
const Sweep = "DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE id < ? ORDER BY id LIMIT ?)"

// Old is the id before which runs are deleted.
func Old(now time.Time) string { return database.FirstID("run", now.Add(-keep)) }

const columns = `id, organisation, agent_id, agent, program, os_user, host, confined, opener, began_at, seen_at, ended_at, why, calls, refusals`

func scan(s database.Scanner) (r run.Run, err error) {
	err = s.Scan(&r.ID, &r.Organisation, &r.AgentID, &r.Agent, &r.Program, &r.User, &r.Host, database.Bool(&r.Confined), &r.Opener,
		database.Time(&r.Began), database.Time(&r.Seen), database.Time(&r.Ended), &r.Why, &r.Calls, &r.Refusals)
	return r, err
}

// OpenRun implements run.Store.
func (b Book) OpenRun(ctx context.Context, r *run.Run, digest string) error {
	return b.db.Write(ctx, func(t *database.Tx) error {
		now := t.Now()
		var open, hourly int
		err := t.Row(ctx, "SELECT COUNT(*) FROM runs WHERE agent_id = ? AND ended_at = 0 AND seen_at > ?", r.AgentID, database.Micros(now.Add(-run.Lease))).Scan(&open)
		if err == nil {
			err = t.Row(ctx, "SELECT COUNT(*) FROM runs WHERE agent_id = ? AND id > ?", r.AgentID, database.FirstID("run", now.Add(-time.Hour))).Scan(&hourly)
		}
		switch {
		case err != nil:
			return err
		case open >= run.MaxRuns || hourly >= run.MaxHourly:
			return run.ErrTooMany
		}
		r.ID, r.Began, r.Seen = database.NewID("run", now), now, now
		for _, text := range []*string{&r.Agent, &r.Program, &r.User, &r.Host} {
			*text = database.Storable(*text)
		}
		us := database.Micros(now)
		if _, err := t.Exec(ctx, "INSERT INTO runs ("+columns+", digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			r.ID, r.Organisation, r.AgentID, r.Agent, r.Program, r.User, r.Host, database.Bit(r.Confined), r.Opener, us, us, int64(0), "", int64(0), int64(0), digest); err != nil {
			return err
		}
		detail := r.Program
		if r.Confined {
			detail += " (confined)"
		}
		return audit.Write(ctx, t, event(r, audit.Event{Kind: audit.KindSystem, Actor: audit.Actor{Kind: "agent", Name: r.Agent}, Code: "run.opened", Detail: detail}))
	})
}

// event is one about a run.
func event(r *run.Run, e audit.Event) audit.Event {
	e.Organisation, e.AgentID, e.Run = r.Organisation, r.AgentID, r.ID
	return e
}

// RunOf implements run.Store.
func (b Book) RunOf(ctx context.Context, digest string) (run.Run, error) {
	r, err := database.One(ctx, b.db.Reader.Keep(), scan, "SELECT "+columns+" FROM runs WHERE digest = ?", digest)
	if errors.Is(err, database.ErrNotFound) {
		err = run.ErrNone
	}
	return r, err
}

// NoteRuns implements run.Store.
func (b Book) NoteRuns(ctx context.Context, notes []run.Note) error {
	return b.db.Write(ctx, func(t *database.Tx) error {
		for _, n := range notes {
			seen := database.Micros(n.Seen)
			if _, err := t.Exec(ctx, "UPDATE runs SET calls = calls + ?, refusals = refusals + ?, seen_at = CASE WHEN ended_at = 0 AND seen_at < ? THEN ? ELSE seen_at END WHERE id = ?",
				n.Calls, n.Refusals, seen, seen, n.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// CloseRun implements run.Store.
func (b Book) CloseRun(ctx context.Context, id, why string) error {
	return b.db.Write(ctx, func(t *database.Tx) error {
		r, err := database.One(ctx, t, scan, t.Locked("SELECT "+columns+" FROM runs WHERE id = ?"), id)
		if err != nil {
			return err
		}
		return end(ctx, t, &r, why, audit.Event{Kind: audit.KindSystem, Actor: audit.Actor{Kind: "agent", Name: r.Agent}})
	})
}

// end ends a run whose row is locked, if it has not ended; one that lapsed is told as
// such, and ended at the time.
func end(ctx context.Context, t *database.Tx, r *run.Run, why string, e audit.Event) error {
	now := t.Now()
	switch r.Stands(now) {
	case run.Ended:
		return nil
	case run.Lapsed:
		r.Ended, r.Why = r.Seen.Add(run.Lease), "lapsed"
	default:
		r.Ended, r.Why = now, why
	}
	if _, err := t.Exec(ctx, "UPDATE runs SET ended_at = ?, why = ? WHERE id = ?", database.Micros(r.Ended), database.Storable(r.Why), r.ID); err != nil {
		return err
	}
	t.Changed(database.Change{Kind: database.KindRun, ID: r.ID, Agent: r.AgentID, Organisation: r.Organisation})
	e.Code, e.Detail = "run.ended", r.Program+": "+r.Why
	return audit.Write(ctx, t, event(r, e))
}

// Known is the runs that one actor may see.
type Known struct {
	book Book
	view *audit.View
}

// As is the runs as view sees them.
func (b Book) As(view *audit.View) Known { return Known{b, view} }

// RunFilter narrows a list; empty fields match all.
type RunFilter struct {
	State                       run.State
	AgentID, User, Organisation string
}

// Runs lists runs, the newest first.
func (s Known) Runs(ctx context.Context, f RunFilter, p database.Page) (database.List[run.Run], error) {
	w := s.view.Where("organisation")
	w.Is("organisation", f.Organisation)
	w.Is("agent_id", strings.TrimPrefix(f.AgentID, audit.Declared))
	w.Is("os_user", f.User)
	late := database.Micros(s.book.db.Now().Add(-run.Lease))
	switch f.State {
	case run.Running:
		w.Add("ended_at = 0")
		w.Add("seen_at > ?", late)
	case run.Ended:
		w.Add("ended_at > 0")
	case run.Lapsed:
		w.Add("ended_at = 0")
		w.Add("seen_at <= ?", late)
	}
	return list.Read(ctx, s.book.db.Reader, w, p)
}

var list = database.Listing[run.Run]{
	Columns: columns, From: "runs", Key: "id", Kind: "run", NewestFirst: true, Scan: scan, ID: func(r run.Run) string { return r.ID },
}

// Run returns one, or ErrNotFound.
func (s Known) Run(ctx context.Context, id string) (run.Run, error) {
	return s.own(database.One(ctx, s.book.db.Reader, scan, "SELECT "+columns+" FROM runs WHERE id = ?", id))
}

func (s Known) own(r run.Run, err error) (run.Run, error) {
	if err == nil && !s.view.Sees(r.Organisation) {
		err = database.ErrNotFound
	}
	if err != nil {
		return run.Run{}, err
	}
	return r, nil
}

// EndRun ends one: its token works no more. One that is over stays as it is.
func (s Known) EndRun(ctx context.Context, id string) (r run.Run, err error) {
	err = s.book.db.Write(ctx, func(t *database.Tx) error {
		if r, err = s.own(database.One(ctx, t, scan, t.Locked("SELECT "+columns+" FROM runs WHERE id = ?"), id)); err != nil {
			return err
		}
		e := s.view.Event(audit.KindAdmin, "", r.Organisation)
		return end(ctx, t, &r, "ended by "+e.Actor.Name, e)
	})
	return r, err
}
