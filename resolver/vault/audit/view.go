// Package audit remembers who did what: events, what accounts were used for, and who
// somebody is that acts on an organisation's rows.
package audit

import (
	"context"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// All is the organisation of a View that sees every organisation.
const All = "*"

// DefaultOrganisation is where rows go that name none.
const DefaultOrganisation = "default"

// Actor is who does something.
type Actor struct {
	Kind string // "admin" (a token), "agent", "person" (signed in, or with a connect link), "system"
	Name string // the token's or agent's name or id; empty for the system
}

func (a Actor) String() string { return a.Kind + ":" + a.Name }

// View is what one actor may see: one organisation, or All. What it does is audited
// under its actor's name.
type View struct {
	Org   string
	Actor Actor
	log   *Log
}

// As returns what actor sees in organisation org; All sees every one.
func (l *Log) As(actor Actor, org string) *View {
	if org == "" {
		org = DefaultOrganisation
	}
	return &View{org, actor, l}
}

// Organisation is the one that this view sees, or All.
func (s *View) Organisation() string { return s.Org }

// Sees reports whether rows of organisation org are there for this view.
func (s *View) Sees(org string) bool { return s.Org == All || s.Org == org }

// Place decides to which organisation a new row belongs: the one asked for, or
// the view's, or the default one.
func (s *View) Place(org string) (string, error) {
	switch {
	case org == "" && s.Org == All:
		return DefaultOrganisation, nil
	case org == "":
		return s.Org, nil
	case !s.Sees(org):
		return "", database.ErrOrganisation
	}
	return org, database.CheckName("organisation", org)
}

// PlaceShared is place for rows that may be everybody's: All must be asked for.
func (s *View) PlaceShared(org string) (string, error) {
	if org == All && s.Org == All {
		return All, nil
	}
	return s.Place(org)
}

// Where is the WHERE condition of this view; column is the organisation's.
func (s *View) Where(column string) *database.Where {
	w := &database.Where{}
	if s.Org != All {
		w.Is(column, s.Org)
	}
	return w
}

// Event begins an event of this view's actor.
func (s *View) Event(kind, code, org string) Event {
	return Event{Kind: kind, Code: code, Organisation: org, Actor: s.Actor}
}

// Note writes an admin action to the audit.
func (s *View) Note(ctx context.Context, t *database.Tx, code, org, detail string) error {
	e := s.Event(KindAdmin, code, org)
	e.Detail = detail
	return Write(ctx, t, e)
}

// Record adds an event of this view's actor, of the organisation of its account.
// See Log.Record.
func (s *View) Record(ctx context.Context, e Event) error {
	e.Actor = s.Actor
	if s.Org != All {
		e.Organisation = s.Org
	}
	return s.log.Record(ctx, e)
}
