package approval

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/printable"
	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
)

// What methods take and return.
type (
	Approval = approval.Approval
	Preview  = approval.Preview
	Answer   = approval.Answer
)

// Questions is those that one actor may see.
type Questions struct {
	docket Docket
	view   *audit.View
}

// As is the approvals as view sees them.
func (s Docket) As(view *audit.View) Questions { return Questions{s, view} }

// Approval returns one, with its preview, or ErrNotFound.
func (s Questions) Approval(ctx context.Context, id string) (Approval, error) {
	var sealed string
	a, err := database.One(ctx, s.docket.db.Reader, func(r database.Scanner) (a Approval, err error) {
		a, err = scan(and{r, &sealed})
		return a, err
	}, "SELECT "+columns+", preview FROM approvals WHERE id = ?", id)
	if err == nil && !s.view.Sees(a.Organisation) {
		err = database.ErrNotFound
	}
	if err != nil {
		return Approval{}, err
	}
	text, err := s.docket.seals.OpenLink(a.ID, sealed, 2*Keep)
	if err != nil || json.Unmarshal([]byte(text), &a.Preview) != nil {
		a.Preview = Preview{Bytes: -1, Note: "What was in the request cannot be opened any more: the key is gone that sealed it."}
	}
	return a, nil
}

// and scans one more column.
type and struct {
	database.Scanner
	last any
}

func (s and) Scan(dest ...any) error { return s.Scanner.Scan(append(dest, s.last)...) }

// ApprovalFilter narrows a list; empty fields match all.
type ApprovalFilter struct {
	// State is as the approval stands; past its end a question is expired.
	State approval.State
	// Kind is "request" for those of requests, or a kind; empty is any.
	Kind                                        string
	AgentID, AccountID, Connector, Organisation string
}

// Approvals lists approvals without their previews, the newest first.
func (s Questions) Approvals(ctx context.Context, f ApprovalFilter, p database.Page) (database.List[Approval], error) {
	w := s.view.Where("organisation")
	w.Is("organisation", f.Organisation)
	w.Is("agent_id", f.AgentID)
	w.Is("account_id", f.AccountID)
	w.Is("connector", f.Connector)
	switch f.Kind {
	case "":
	case "request":
		w.Add("kind = ''")
	default:
		w.Is("kind", f.Kind)
	}
	now := database.Micros(s.docket.db.Now())
	switch f.State {
	case "":
	case approval.Pending, approval.Approved:
		w.Is("state", string(f.State))
		w.Add("expires_at > ?", now)
	case approval.Expired:
		w.Add("(state = 'expired' OR state IN ('pending', 'approved') AND expires_at <= ?)", now)
	default:
		w.Is("state", string(f.State))
	}
	return list.Read(ctx, s.docket.db.Reader, w, p)
}

var list = database.Listing[Approval]{
	Columns: columns, From: "approvals", Key: "id", Kind: "apr", NewestFirst: true, Scan: scan, ID: func(a Approval) string { return a.ID },
}

// OpenApprovals counts the questions that are open.
func (s Questions) OpenApprovals(ctx context.Context) (n int, err error) {
	w := s.view.Where("organisation")
	w.Add("state = 'pending'")
	w.Add("expires_at > ?", database.Micros(s.docket.db.Now()))
	return database.One(ctx, s.docket.db.Reader, func(r database.Scanner) (n int, err error) { return n, r.Scan(&n) }, "SELECT COUNT(*) FROM approvals"+w.String(), w.Args...)
}

// Errors of Answer, beside ErrNotFound and those of a filter.
var (
	// ErrDecided means that somebody else has answered, or that nobody waits any more.
	ErrDecided = errors.New("the approval is decided already, or over")
	// ErrScope means that it does not offer what was said yes for.
	ErrScope = errors.New("the approval cannot be given for that")
)

// AnswerIn decides in a transaction of the caller's, who does what else the answer wants.
func (s Questions) AnswerIn(ctx context.Context, t *database.Tx, id string, x Answer) (Approval, error) {
	a, err := database.One(ctx, t, scan, t.Locked("SELECT "+columns+" FROM approvals WHERE id = ?"), id)
	if err == nil && !s.view.Sees(a.Organisation) {
		err = database.ErrNotFound
	}
	if err != nil {
		return a, err
	}
	now := t.Now()
	from := approval.Pending
	if x.Back {
		from = approval.Approved
	}
	if a.Stands(now) != from || x.Back && a.Kind == approval.Proposed {
		return a, ErrDecided
	}
	if x.Yes && !a.May(x.Scope) {
		return a, ErrScope
	}
	a.State, a.Scope, a.ExpiresAt = approval.Denied, "", now.Add(a.Kind.Refuses())
	code := "approval.denied"
	switch {
	case a.Kind == approval.Proposed && x.Yes:
		a.State, a.Scope, a.ExpiresAt, code = approval.Approved, x.Scope, now.Add(Keep), "proposal.accepted"
		if x.Rule != "" {
			a.Allow = x.Rule
		}
	case a.Kind == approval.Proposed:
		code = "proposal.refused"
	case x.Back:
		code = "approval.taken_back"
	case x.Yes:
		a.State, a.Scope, a.ExpiresAt, code = approval.Approved, x.Scope, now.Add(x.Scope.Lasts()), "approval.approved"
	}
	a.By, a.DecidedAt, a.Reason = s.view.Actor.String(), now, database.Storable(printable.Line(strings.Join(strings.Fields(x.Reason), " ")))
	n, err := t.Exec(ctx, "UPDATE approvals SET state = ?, allow = ?, scope = ?, decided_by = ?, reason = ?, decided_at = ?, expires_at = ? WHERE id = ? AND state = ?",
		string(a.State), a.Allow, string(a.Scope), a.By, a.Reason, database.Micros(now), database.Micros(a.ExpiresAt), id, string(from))
	if err == nil && n == 0 {
		err = ErrDecided
	}
	if err != nil {
		return a, err
	}
	return a, tell(ctx, t, &a, s.view.Event(audit.KindAdmin, code, a.Organisation), code)
}

// Old is the first id that is kept.
func Old(now time.Time) string { return database.FirstID("apr", now.Add(-Keep)) }
