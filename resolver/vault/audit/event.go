package audit

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Kinds of audit events.
const (
	KindUse     = "use"     // a credential was placed on a request
	KindOpen    = "open"    // such a request goes on: a stream, an upgrade; its use is told at its end
	KindRefusal = "refusal" // we refused a request; Code says why
	KindRefresh = "refresh" // a token was obtained
	KindState   = "state"   // an account changed its state
	KindAdmin   = "admin"   // somebody edited something
	KindSystem  = "system"  // a key rotation, an import
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
	// Operation, Effect and Resource are what the request does, where that is known; several
	// operations of one request are joined by " + ".
	Operation, Effect, Resource string
	Run                         string // run_…, where it was made in one
}

// Declared begins the id of an agent or an account of the configuration file, for those
// who ask; the audit has the rest of it alone.
const Declared = "file:"

// Columns are those of the table audit.
const Columns = `id, at, kind, code, organisation, actor_kind, actor, agent_id, connector, account_id,
	method, host, path, status, bytes_in, bytes_out, micros, detail, operation, effect, resource, run`

var insertAudit = "INSERT INTO audit (" + Columns + ") VALUES "

// auditRow is the placeholder of one row; several are inserted at once.
var auditRow = "(" + strings.TrimSuffix(strings.Repeat("?, ", strings.Count(Columns, ",")+1), ", ") + ")"

func (e *Event) values() []any {
	return []any{e.ID, database.Micros(e.At), e.Kind, e.Code, e.Organisation, e.Actor.Kind, e.Actor.Name, e.AgentID, e.Connector, e.AccountID,
		e.Method, e.Host, e.Path, int64(e.Status), e.BytesIn, e.BytesOut, e.Duration.Microseconds(), e.Detail, e.Operation, e.Effect, e.Resource, e.Run}
}

func scanEvent(s database.Scanner) (e Event, err error) {
	var us int64
	err = s.Scan(&e.ID, database.Time(&e.At), &e.Kind, &e.Code, &e.Organisation, &e.Actor.Kind, &e.Actor.Name, &e.AgentID, &e.Connector, &e.AccountID,
		&e.Method, &e.Host, &e.Path, &e.Status, &e.BytesIn, &e.BytesOut, &us, &e.Detail, &e.Operation, &e.Effect, &e.Resource, &e.Run)
	e.Duration = time.Duration(us) * time.Microsecond
	return e, err
}

// complete gives the event its id and time and cuts what is too long.
func (e *Event) complete(now time.Time) {
	if e.At.IsZero() {
		e.At = now
	}
	e.At = database.Whole(e.At)
	e.ID = database.NewID("evt", e.At)
	if e.Organisation == "" {
		e.Organisation = DefaultOrganisation
	}
	for _, s := range []*string{&e.Code, &e.Method, &e.Host, &e.Path, &e.Detail, &e.Operation, &e.Resource, &e.AgentID, &e.AccountID, &e.Connector, &e.Actor.Name} {
		*s = database.Storable(*s)
	}
}

// Write writes an event in the transaction of what it tells of.
func Write(ctx context.Context, t *database.Tx, e Event) error {
	e.complete(t.Now())
	_, err := t.Exec(ctx, insertAudit+auditRow, e.values()...)
	return err
}

// Filter narrows the audit; empty fields match all.
type Filter struct {
	Kind, Code, Organisation, AgentID, AccountID, Connector, Actor, Run string
	// Path is the beginning of one.
	Method, Path string
	// Operation is one whole name.
	Operation string
	// Outcome is OutcomeOK, OutcomeFailed or OutcomeRefused; empty for any.
	Outcome  string
	From, To time.Time
}

// Outcomes of calls and refreshes.
const (
	OutcomeOK      = "ok"
	OutcomeFailed  = "failed"
	OutcomeRefused = "refused"
)

// searched is how many events one part of a list looks at for what no index has.
const searched = 20_000

// Audit lists events, the newest first.
func (s *View) Audit(ctx context.Context, f Filter, p database.Page) (database.List[Event], error) {
	w := s.where(f)
	if f.Actor == "" && f.Method == "" && f.Path == "" {
		return list.Read(ctx, s.log.db.Reader, w, p)
	}
	// What no index has is looked for among so many events at a time; a part may then
	// be empty and yet have a next.
	bound, err := s.bound(ctx, f, p)
	if err != nil {
		return database.List[Event]{}, err
	}
	if bound.ID != "" {
		w.Add("id >= ?", bound.ID)
	}
	l, err := list.Read(ctx, s.log.db.Reader, w, p)
	if err == nil && l.Next == "" && bound.ID != "" {
		l.Next = list.After(bound, p)
	}
	return l, err
}

// bound is the last event that a part of a list looks at; without an id: all.
func (s *View) bound(ctx context.Context, f Filter, p database.Page) (e Event, err error) {
	f.Actor, f.Method, f.Path = "", "", ""
	w := s.where(f)
	if err := list.Begin(w, p); err != nil {
		return e, err
	}
	ids, err := database.Collect(ctx, s.log.db.Reader, database.Text, "SELECT id FROM audit"+w.String()+" ORDER BY id DESC LIMIT 1 OFFSET ?", append(w.Args, searched)...)
	if len(ids) > 0 {
		e.ID = ids[0]
	}
	return e, err
}

func (s *View) where(f Filter) *database.Where {
	w := s.Where("organisation")
	w.Is("organisation", f.Organisation)
	w.Is("kind", f.Kind)
	w.Is("actor", f.Actor)
	w.Is("method", f.Method)
	if f.Path != "" {
		w.Add("substr(path, 1, ?) = ?", utf8.RuneCountInString(f.Path), f.Path)
	}
	switch f.Outcome {
	case OutcomeOK:
		w.Add("((kind = 'use' AND status > 0 AND status < 400) OR (kind = 'refresh' AND code = 'account.refreshed'))")
	case OutcomeFailed: // as the index says it
		w.Add("((kind = 'use' AND (status >= 400 OR status = 0)) OR (kind = 'refresh' AND code <> 'account.refreshed'))")
	case OutcomeRefused:
		w.Is("kind", KindRefusal)
	}
	if f.Code != "" {
		w.Add("code = ? AND code <> ''", f.Code)
	}
	if f.Operation != "" {
		w.Add("operation = ? AND operation <> ''", f.Operation)
	}
	if f.Run != "" {
		w.Add("run = ? AND run <> ''", f.Run)
	}
	if f.Connector != "" {
		w.Add("connector = ? AND connector <> ''", f.Connector)
	}
	// The indexes leave out empty ids, and the planner must see that we do.
	if f.AgentID != "" {
		w.Add("agent_id = ? AND agent_id <> ''", strings.TrimPrefix(f.AgentID, Declared))
	}
	if f.AccountID != "" {
		w.Add("account_id = ? AND account_id <> ''", strings.TrimPrefix(f.AccountID, Declared))
	}
	if !f.From.IsZero() {
		w.Add("id >= ?", database.FirstID("evt", f.From))
	}
	if !f.To.IsZero() {
		w.Add("id < ?", database.FirstID("evt", f.To))
	}
	return w
}

var list = database.Listing[Event]{
	Columns: Columns, From: "audit", Key: "id", Kind: "evt", NewestFirst: true,
	Scan: scanEvent, ID: func(e Event) string { return e.ID },
}
