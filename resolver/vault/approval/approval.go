// Package approval remembers the questions that requests put to people, and the answers.
package approval

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/seal"
	"github.com/attache-proxy/attache/resolver/vault/webhook"
)

// Docket is all of them: an approval.Store.
type Docket struct {
	db    *database.DB
	seals *seal.Box
}

// NewDocket is the docket in db.
func NewDocket(db *database.DB, seals *seal.Box) Docket { return Docket{db, seals} }

// Keep is how long an approval is kept after it was asked for.
const Keep = 30 * 24 * time.Hour

const columns = `id, organisation, agent_id, agent, account_id, account, connector, grant_id, operation, effect, resource, method, url, rule, allow, digest, act, place, flight,
	state, scope, decided_by, reason, requested_at, decided_at, used_at, expires_at, kind`

func scan(s database.Scanner) (a approval.Approval, err error) {
	err = s.Scan(&a.ID, &a.Organisation, &a.AgentID, &a.Agent, &a.AccountID, &a.Account, &a.Connector, &a.GrantID, &a.Operation, &a.Effect, &a.Resource, &a.Method, &a.URL,
		&a.Rule, &a.Allow, &a.Digest, &a.Act, &a.Place, database.Bool(&a.Flight), &a.State, &a.Scope, &a.By, &a.Reason,
		database.Time(&a.RequestedAt), database.Time(&a.DecidedAt), database.Time(&a.UsedAt), database.Time(&a.ExpiresAt), &a.Kind)
	return a, err
}

// FileApproval implements approval.Store.
func (s Docket) FileApproval(ctx context.Context, r *approval.Request) (a approval.Approval, filed bool, err error) {
	// A yes for a time is the answer to many requests: it is looked for without a lock.
	if a, err = standing(ctx, s.db.Reader.Keep(), s.db.Now(), r); err == nil && a.State == approval.Approved && !a.Single() {
		return a, false, nil
	}
	for try := 0; try < 3; try++ { // of two replicas that ask now, one reads what the other wrote
		err = s.db.Write(ctx, func(t *database.Tx) (err error) {
			a, filed, err = s.file(ctx, t, r)
			return err
		})
		if !errors.Is(err, database.ErrExists) {
			break
		}
	}
	return a, filed, err
}

func (s Docket) file(ctx context.Context, t *database.Tx, r *approval.Request) (approval.Approval, bool, error) {
	a, err := standing(ctx, t, t.Now(), r)
	if err == nil || !errors.Is(err, database.ErrNotFound) {
		return a, false, err
	}
	now := t.Now()
	us := database.Micros(now)
	if _, err := t.Exec(ctx, "UPDATE approvals SET state = 'expired' WHERE agent_id = ? AND state = 'pending' AND expires_at <= ?", r.AgentID, us); err != nil {
		return a, false, err
	}
	var open, proposed, hourly int
	err = t.Row(ctx, "SELECT COALESCE(SUM(CASE WHEN state = 'pending' AND kind = '' THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN state = 'pending' AND kind <> '' THEN 1 ELSE 0 END), 0), COUNT(*) FROM approvals WHERE agent_id = ? AND (id > ? OR kind <> '' AND state = 'pending')",
		r.AgentID, database.FirstID("apr", now.Add(-time.Hour))).Scan(&open, &proposed, &hourly)
	switch {
	case err != nil:
		return a, false, err
	case open >= approval.MaxPending || r.Kind == approval.Proposed && proposed >= approval.MaxProposals || hourly >= approval.MaxHourly:
		return a, false, approval.ErrTooMany
	}
	a = approval.Approval{ID: database.NewID("apr", now), Request: *r, State: approval.Pending, RequestedAt: now, ExpiresAt: now.Add(r.Kind.Lasts())}
	a.Preview = approval.Preview{}
	if a.Flight {
		a.Digest = a.ID // equal to none
	}
	for _, text := range []*string{&a.Operation, &a.Resource, &a.Method, &a.URL, &a.Rule, &a.Allow, &a.Agent, &a.Account} {
		*text = database.Storable(*text)
	}
	preview, err := json.Marshal(r.Preview)
	if err != nil {
		return a, false, err
	}
	_, err = t.Exec(ctx, "INSERT INTO approvals ("+columns+", preview) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		a.ID, a.Organisation, a.AgentID, a.Agent, a.AccountID, a.Account, a.Connector, a.GrantID, a.Operation, a.Effect, a.Resource, a.Method, a.URL, a.Rule, a.Allow, a.Digest, a.Act, a.Place, database.Bit(a.Flight),
		string(a.State), "", "", "", us, int64(0), int64(0), database.Micros(a.ExpiresAt), string(a.Kind), s.seals.SealLink(a.ID, string(preview)))
	if err != nil {
		return a, false, err
	}
	e := audit.Event{Kind: audit.KindSystem, Actor: audit.Actor{Kind: "agent", Name: a.Agent}}
	return a, true, tell(ctx, t, &a, e, event(&a))
}

// standing is the last answer that there is for a request, or the question that is open.
func standing(ctx context.Context, q database.Querier, now time.Time, r *approval.Request) (approval.Approval, error) {
	digest := r.Digest
	if r.Flight {
		digest = "-" // equal to none
	}
	return database.One(ctx, q, scan, "SELECT "+columns+` FROM approvals WHERE agent_id = ? AND account_id = ? AND grant_id = ? AND organisation = ? AND expires_at > ? AND (
			(digest = ? AND (state IN ('pending', 'denied') OR state = 'approved' AND kind = ''))
			OR (act = ? AND act <> '' AND state = 'approved' AND scope = 'minutes')
			OR (place = ? AND place <> '' AND state = 'approved' AND scope = 'resource'))
		ORDER BY CASE WHEN state = 'pending' THEN 1 ELSE 0 END, decided_at DESC, id DESC LIMIT 1`,
		r.AgentID, r.AccountID, r.GrantID, r.Organisation, database.Micros(now), digest, r.Act, r.Place)
}

// tell writes the audit's line, and tells webhooks and everybody who waits.
func tell(ctx context.Context, t *database.Tx, a *approval.Approval, e audit.Event, code string) error {
	t.Changed(database.Change{Kind: database.KindApproval, ID: a.ID, Organisation: a.Organisation})
	e.Code, e.Organisation, e.AgentID, e.AccountID, e.Connector = code, a.Organisation, a.AgentID, a.AccountID, a.Connector
	e.Operation, e.Effect, e.Resource, e.Method = a.Operation, a.Effect, a.Resource, a.Method
	e.Detail = a.ID
	if a.Scope != "" {
		e.Detail += " (" + string(a.Scope) + ")"
	}
	if a.Reason != "" {
		e.Detail += ": " + a.Reason
	}
	if err := audit.Write(ctx, t, e); err != nil {
		return err
	}
	return webhook.EnqueueApproval(ctx, t, event(a), told(a))
}

// event is what webhooks hear.
func event(a *approval.Approval) string {
	switch pending := a.State == approval.Pending; {
	case a.Kind == approval.Proposed && pending:
		return "proposal.filed"
	case a.Kind == approval.Proposed:
		return "proposal.decided"
	case pending:
		return "approval.requested"
	}
	return "approval.decided"
}

// told is what webhooks hear: no body, no header, no query.
func told(a *approval.Approval) webhook.Approval {
	out := webhook.Approval{ID: a.ID, Organisation: a.Organisation, State: string(a.State), Agent: a.Agent, AgentID: a.AgentID, Connector: a.Connector, Account: a.Account, AccountID: a.AccountID,
		Operation: a.Operation, Effect: a.Effect, Resource: a.Resource, Method: a.Method, URL: a.URL, Rule: a.Rule, RequestedAt: a.RequestedAt, ExpiresAt: a.ExpiresAt,
		Scope: string(a.Scope), By: a.By, Reason: a.Reason}
	if a.Kind == approval.Proposed {
		out.Proposed = a.Allow
	}
	return out
}

// ApprovalNow implements approval.Store.
func (s Docket) ApprovalNow(ctx context.Context, id string) (approval.Approval, error) {
	return database.One(ctx, s.db.Reader.Keep(), scan, "SELECT "+columns+" FROM approvals WHERE id = ?", id)
}

// UseApproval implements approval.Store. A grant that was taken away has the last word.
func (s Docket) UseApproval(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(t *database.Tx) error {
		now := database.Micros(t.Now())
		n, err := t.Exec(ctx, `UPDATE approvals SET state = 'used', used_at = ? WHERE id = ? AND state = 'approved' AND scope IN ('once', 'rule') AND expires_at > ?
			AND (grant_id = '' OR EXISTS (SELECT 1 FROM grants r WHERE r.id = approvals.grant_id AND (r.expires_at = 0 OR r.expires_at > ?)))`, now, id, now, now)
		switch {
		case err != nil:
			return err
		case n == 0:
			return approval.ErrGone
		}
		t.Changed(database.Change{Kind: database.KindApproval, ID: id})
		return nil
	})
}

// WithdrawApproval implements approval.Store.
func (s Docket) WithdrawApproval(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(t *database.Tx) error {
		n, err := t.Exec(ctx, "UPDATE approvals SET state = 'withdrawn' WHERE id = ? AND state = 'pending'", id)
		if err != nil || n == 0 {
			return err
		}
		t.Changed(database.Change{Kind: database.KindApproval, ID: id})
		return nil
	})
}
