package vault

import (
	"context"
	"strings"
	"time"
)

// Kinds of audit events.
const (
	AuditUse     = "use"     // a credential was placed on a request
	AuditOpen    = "open"    // such a request goes on: a stream, an upgrade; its use is told at its end
	AuditRefusal = "refusal" // we refused a request; Code says why
	AuditRefresh = "refresh" // a token was obtained
	AuditState   = "state"   // an account changed its state
	AuditAdmin   = "admin"   // somebody edited something
	AuditSystem  = "system"  // a key rotation, an import
)

// Event is one line of the audit. It never holds a secret: Path has no query,
// and Detail is a sentence of ours.
type Event struct {
	ID           string // evt_…; set by the vault
	At           time.Time
	Kind         string
	Code         string // "account.expired", "not_permitted"; empty for a plain use
	Organisation string
	Actor        Actor
	AgentID      string
	Connector    string
	AccountID    string
	Method       string
	Host         string
	Path         string
	Status       int
	BytesIn      int64 // of the request's body
	BytesOut     int64 // of the answer's body
	Duration     time.Duration
	Detail       string
}

// event begins an event of this view's actor.
func (s *View) event(kind, code, org string) Event {
	return Event{Kind: kind, Code: code, Organisation: org, Actor: s.actor}
}

const auditColumns = `id, at, kind, code, organisation, actor_kind, actor, agent_id, connector, account_id,
	method, host, path, status, bytes_in, bytes_out, micros, detail`

var insertAudit = "INSERT INTO audit (" + auditColumns + ") VALUES "

// auditRow is the placeholder of one row; several are inserted at once.
var auditRow = "(" + strings.TrimSuffix(strings.Repeat("?, ", strings.Count(auditColumns, ",")+1), ", ") + ")"

func (e *Event) values() []any {
	return []any{e.ID, micros(e.At), e.Kind, e.Code, e.Organisation, e.Actor.Kind, e.Actor.Name, e.AgentID, e.Connector, e.AccountID,
		e.Method, e.Host, e.Path, int64(e.Status), e.BytesIn, e.BytesOut, e.Duration.Microseconds(), e.Detail}
}

func scanEvent(s scanner) (e Event, err error) {
	var us int64
	err = s.Scan(&e.ID, timeCol{&e.At}, &e.Kind, &e.Code, &e.Organisation, &e.Actor.Kind, &e.Actor.Name, &e.AgentID, &e.Connector, &e.AccountID,
		&e.Method, &e.Host, &e.Path, &e.Status, &e.BytesIn, &e.BytesOut, &us, &e.Detail)
	e.Duration = time.Duration(us) * time.Microsecond
	return e, err
}

// maxText bounds what an agent can make us store per event.
const maxText = 2048

// complete gives the event its id and time and cuts what is too long.
func (e *Event) complete(now time.Time) {
	if e.At.IsZero() {
		e.At = now
	}
	e.At = whole(e.At)
	e.ID = newID("evt", e.At)
	if e.Organisation == "" {
		e.Organisation = DefaultOrganisation
	}
	for _, s := range []*string{&e.Code, &e.Method, &e.Host, &e.Path, &e.Detail, &e.AgentID, &e.AccountID, &e.Connector, &e.Actor.Name} {
		*s = storable(*s)
	}
}

// storable cuts s and drops what PostgreSQL does not take in TEXT.
func storable(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// audit writes an event in the transaction of what it tells of.
func (t *tx) audit(ctx context.Context, e Event) error {
	e.complete(t.v.now())
	_, err := t.exec(ctx, insertAudit+auditRow, e.values()...)
	return err
}

// AuditFilter narrows the audit; empty fields match all.
type AuditFilter struct {
	Kind, Code, Organisation, AgentID, AccountID, Connector, Actor string
	From, To                                                       time.Time
}

// Audit lists events, the newest first.
func (s *View) Audit(ctx context.Context, f AuditFilter, p Page) (List[Event], error) {
	return auditList.read(ctx, s.v, s.auditWhere(f), p)
}

func (s *View) auditWhere(f AuditFilter) *where {
	w := s.where("organisation")
	w.is("organisation", f.Organisation)
	w.is("kind", f.Kind)
	w.is("code", f.Code)
	w.is("connector", f.Connector)
	w.is("actor", f.Actor)
	// The indexes leave out empty ids, and the planner must see that we do.
	if f.AgentID != "" {
		w.add("agent_id = ? AND agent_id <> ''", f.AgentID)
	}
	if f.AccountID != "" {
		w.add("account_id = ? AND account_id <> ''", f.AccountID)
	}
	if !f.From.IsZero() {
		w.add("id >= ?", firstID("evt", f.From))
	}
	if !f.To.IsZero() {
		w.add("id < ?", firstID("evt", f.To))
	}
	return w
}

var auditList = listing[Event]{
	columns: auditColumns, from: "audit", key: "id", kind: "evt", newestFirst: true,
	scan: scanEvent, id: func(e Event) string { return e.ID },
}
