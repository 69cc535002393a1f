package audit

import (
	"context"
	"strings"
	"time"

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
}

// Columns are those of the table audit.
const Columns = `id, at, kind, code, organisation, actor_kind, actor, agent_id, connector, account_id,
	method, host, path, status, bytes_in, bytes_out, micros, detail`

var insertAudit = "INSERT INTO audit (" + Columns + ") VALUES "

// auditRow is the placeholder of one row; several are inserted at once.
var auditRow = "(" + strings.TrimSuffix(strings.Repeat("?, ", strings.Count(Columns, ",")+1), ", ") + ")"

func (e *Event) values() []any {
	return []any{e.ID, database.Micros(e.At), e.Kind, e.Code, e.Organisation, e.Actor.Kind, e.Actor.Name, e.AgentID, e.Connector, e.AccountID,
		e.Method, e.Host, e.Path, int64(e.Status), e.BytesIn, e.BytesOut, e.Duration.Microseconds(), e.Detail}
}

func scanEvent(s database.Scanner) (e Event, err error) {
	var us int64
	err = s.Scan(&e.ID, database.Time(&e.At), &e.Kind, &e.Code, &e.Organisation, &e.Actor.Kind, &e.Actor.Name, &e.AgentID, &e.Connector, &e.AccountID,
		&e.Method, &e.Host, &e.Path, &e.Status, &e.BytesIn, &e.BytesOut, &us, &e.Detail)
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
	for _, s := range []*string{&e.Code, &e.Method, &e.Host, &e.Path, &e.Detail, &e.AgentID, &e.AccountID, &e.Connector, &e.Actor.Name} {
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
	Kind, Code, Organisation, AgentID, AccountID, Connector, Actor string
	From, To                                                       time.Time
}

// Audit lists events, the newest first.
func (s *View) Audit(ctx context.Context, f Filter, p database.Page) (database.List[Event], error) {
	return list.Read(ctx, s.log.db.Reader, s.where(f), p)
}

func (s *View) where(f Filter) *database.Where {
	w := s.Where("organisation")
	w.Is("organisation", f.Organisation)
	w.Is("kind", f.Kind)
	w.Is("code", f.Code)
	w.Is("connector", f.Connector)
	w.Is("actor", f.Actor)
	// The indexes leave out empty ids, and the planner must see that we do.
	if f.AgentID != "" {
		w.Add("agent_id = ? AND agent_id <> ''", f.AgentID)
	}
	if f.AccountID != "" {
		w.Add("account_id = ? AND account_id <> ''", f.AccountID)
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
