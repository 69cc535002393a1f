// Package tool remembers the tools of MCP servers, and what people have looked at.
package tool

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/attache-proxy/attache/resolver/listing"
	"github.com/attache-proxy/attache/resolver/tool"
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/webhook"
)

// Tool is one, as people see it.
type Tool struct {
	ID string // tol_…
	tool.Server
	Name string
	// Digest is of Says: what it said when it was first seen, or last accepted, in JSON.
	Digest, Says string
	Hints        listing.Hints
	// NewDigest and NewSays are of what it has said since; empty where nothing else.
	NewDigest, NewSays string
	SeenAt             time.Time
	// ChangedAt and AcceptedAt are zero before.
	ChangedAt, AcceptedAt time.Time
	AcceptedBy            string
}

// Shelf is all of them: a tool.Store.
type Shelf struct{ db *database.DB }

// NewShelf is the shelf in db.
func NewShelf(db *database.DB) Shelf { return Shelf{db} }

// maxSays is how much of what is said is kept, in bytes; the digest is of all of it.
const maxSays = 16 << 10

const columns = "id, organisation, connector, account_id, account, host, name, digest, says, read_only, destructive, new_digest, new_says, seen_at, changed_at, accepted_by, accepted_at"

func scan(s database.Scanner) (t Tool, err error) {
	err = s.Scan(&t.ID, &t.Organisation, &t.Connector, &t.AccountID, &t.Account, &t.Host, &t.Name, &t.Digest, &t.Says, database.Bool(&t.Hints.ReadOnly), database.Bool(&t.Hints.Destructive),
		&t.NewDigest, &t.NewSays, database.Time(&t.SeenAt), database.Time(&t.ChangedAt), &t.AcceptedBy, database.Time(&t.AcceptedAt))
	return t, err
}

// ToolsOf implements tool.Store.
func (s Shelf) ToolsOf(ctx context.Context, of tool.Server) (map[string]tool.State, error) {
	return states(ctx, s.db.Reader.Keep(), of)
}

func states(ctx context.Context, q database.Querier, of tool.Server) (map[string]tool.State, error) {
	all, err := database.Collect(ctx, q, scan, "SELECT "+columns+" FROM tools WHERE account_id = ? AND host = ?", of.AccountID, of.Host)
	out := make(map[string]tool.State, len(all))
	for _, t := range all {
		out[t.Name] = tool.State{Digest: t.Digest, Hints: t.Hints, Changed: t.NewDigest != ""}
	}
	return out, err
}

// ToolsSeen implements tool.Store.
func (s Shelf) ToolsSeen(ctx context.Context, of tool.Server, seen []listing.Tool) (out map[string]tool.State, err error) {
	for try := 0; try < 3; try++ { // of two replicas that see one now, one reads what the other wrote
		err = s.db.Write(ctx, func(t *database.Tx) (err error) {
			out, err = see(ctx, t, of, seen)
			return err
		})
		if !errors.Is(err, database.ErrExists) {
			break
		}
	}
	return out, err
}

func see(ctx context.Context, t *database.Tx, of tool.Server, seen []listing.Tool) (map[string]tool.State, error) {
	known, err := states(ctx, t, of)
	if err != nil {
		return nil, err
	}
	var all int
	if err := t.Row(ctx, "SELECT COUNT(*) FROM tools WHERE account_id = ?", of.AccountID).Scan(&all); err != nil {
		return nil, err
	}
	changed := false
	for _, one := range seen {
		state, ok := known[one.Name]
		switch {
		case one.Digest == "" || !storable(one.Name):
			continue
		case !ok && (len(known) >= tool.Most || all >= maxOfAccount):
			continue
		case !ok:
			all++
			err = add(ctx, t, of, one)
			state = tool.State{Digest: one.Digest, Hints: one.Hints}
		case state.Digest == one.Digest:
			continue
		default:
			err = change(ctx, t, of, one, !state.Changed)
			state.Changed = true
		}
		if err != nil {
			return nil, err
		}
		known[one.Name], changed = state, true
	}
	if changed {
		t.Changed(database.Change{Kind: database.KindTool, Account: of.AccountID, Organisation: of.Organisation})
	}
	return known, nil
}

// maxOfAccount bounds the tools of one account, at all hosts that it reaches.
const maxOfAccount = 5000

func storable(name string) bool {
	return name != "" && len(name) <= 256 && database.Storable(name) == name
}

func says(text string) string {
	if text = database.Storable(text); len(text) > maxSays {
		text = database.Storable(text[:maxSays] + "…")
	}
	return text
}

func add(ctx context.Context, t *database.Tx, of tool.Server, one listing.Tool) error {
	_, err := t.Exec(ctx, "INSERT INTO tools ("+columns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		database.NewID("tol", t.Now()), of.Organisation, of.Connector, of.AccountID, of.Account, of.Host, one.Name, one.Digest, says(one.Says), database.Bit(one.Hints.ReadOnly), database.Bit(one.Hints.Destructive),
		"", "", database.Micros(t.Now()), int64(0), "", int64(0))
	return err
}

// change stops a tool. People are told where it was not stopped before.
func change(ctx context.Context, t *database.Tx, of tool.Server, one listing.Tool, first bool) error {
	_, err := t.Exec(ctx, "UPDATE tools SET new_digest = ?, new_says = ?, changed_at = ? WHERE account_id = ? AND host = ? AND name = ? AND new_digest <> ?",
		one.Digest, says(one.Says), database.Micros(t.Now()), of.AccountID, of.Host, one.Name, one.Digest)
	if err != nil || !first {
		return err
	}
	e := audit.Event{Kind: audit.KindSystem, Actor: audit.Actor{Kind: "system"}, Code: "tool.changed", Organisation: of.Organisation, AccountID: of.AccountID, Connector: of.Connector, Operation: "tools/call " + one.Name, Detail: "at " + of.Host}
	if err := audit.Write(ctx, t, e); err != nil {
		return err
	}
	return webhook.EnqueueTool(ctx, t, webhook.Tool{Organisation: of.Organisation, Connector: of.Connector, Account: of.Account, AccountID: of.AccountID, Host: of.Host, Tool: one.Name})
}

// Tools is those that one actor may see.
type Tools struct {
	shelf Shelf
	view  *audit.View
}

// As is the tools as view sees them.
func (s Shelf) As(view *audit.View) Tools { return Tools{s, view} }

// ToolFilter narrows a list; empty fields match all.
type ToolFilter struct {
	// Changed is only those that are stopped.
	Changed                            bool
	AccountID, Connector, Organisation string
}

// ListTools lists tools, the newest first.
func (s Tools) ListTools(ctx context.Context, f ToolFilter, p database.Page) (database.List[Tool], error) {
	w := s.view.Where("organisation")
	w.Is("organisation", f.Organisation)
	w.Is("account_id", f.AccountID)
	w.Is("connector", f.Connector)
	if f.Changed {
		w.Add("new_digest <> ''")
	}
	return list.Read(ctx, s.shelf.db.Reader, w, p)
}

var list = database.Listing[Tool]{Columns: columns, From: "tools", Key: "id", Kind: "tol", NewestFirst: true, Scan: scan, ID: func(t Tool) string { return t.ID }}

// ChangedTools counts those that are stopped.
func (s Tools) ChangedTools(ctx context.Context) (n int, err error) {
	w := s.view.Where("organisation")
	w.Add("new_digest <> ''")
	return database.One(ctx, s.shelf.db.Reader, func(r database.Scanner) (n int, err error) { return n, r.Scan(&n) }, "SELECT COUNT(*) FROM tools"+w.String(), w.Args...)
}

// Tool returns one, or ErrNotFound.
func (s Tools) Tool(ctx context.Context, id string) (Tool, error) {
	return s.one(ctx, s.shelf.db.Reader, "", id)
}

func (s Tools) one(ctx context.Context, q database.Querier, lock, id string) (Tool, error) {
	t, err := database.One(ctx, q, scan, "SELECT "+columns+" FROM tools WHERE id = ?"+lock, id)
	if err == nil && !s.view.Sees(t.Organisation) {
		err = database.ErrNotFound
	}
	if err != nil {
		return Tool{}, err
	}
	return t, nil
}

// AcceptTool lets a tool go on with what it says now. Digest is of what was looked at; it
// returns ErrConflict where that is not what the tool says.
func (s Tools) AcceptTool(ctx context.Context, id, digest string) (out Tool, err error) {
	err = s.shelf.db.Write(ctx, func(t *database.Tx) error {
		if out, err = s.one(ctx, t, "", id); err != nil {
			return err
		}
		if out.NewDigest == "" || out.NewDigest != digest {
			return database.ErrConflict
		}
		var said struct {
			Annotations listing.Hints `json:"annotations"`
		}
		_ = json.Unmarshal([]byte(out.NewSays), &said) // cut off: no hints
		by := s.view.Actor.String()
		n, err := t.Exec(ctx, "UPDATE tools SET digest = new_digest, says = new_says, read_only = ?, destructive = ?, new_digest = '', new_says = '', accepted_by = ?, accepted_at = ? WHERE id = ? AND new_digest = ?",
			database.Bit(said.Annotations.ReadOnly), database.Bit(said.Annotations.Destructive), by, database.Micros(t.Now()), id, digest)
		if err == nil && n == 0 {
			err = database.ErrConflict
		}
		if err != nil {
			return err
		}
		out.Digest, out.Says, out.Hints, out.NewDigest, out.NewSays, out.AcceptedBy, out.AcceptedAt = out.NewDigest, out.NewSays, said.Annotations, "", "", by, t.Now()
		t.Changed(database.Change{Kind: database.KindTool, ID: id, Account: out.AccountID, Organisation: out.Organisation})
		e := s.view.Event(audit.KindAdmin, "tool.accepted", out.Organisation)
		e.AccountID, e.Connector, e.Operation, e.Detail = out.AccountID, out.Connector, "tools/call "+out.Name, id
		return audit.Write(ctx, t, e)
	})
	return out, err
}

// Sweep deletes what is of accounts that are gone.
const Sweep = "DELETE FROM tools WHERE id IN (SELECT id FROM tools WHERE account_id LIKE 'acc!_%' ESCAPE '!' AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = tools.account_id) LIMIT ?)"
