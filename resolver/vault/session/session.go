// Package session remembers the links by which people connect accounts: how far each
// got, and what its way to the service needs.
package session

import (
	"context"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/seal"
)

// Sessions is the sessions that one actor may see.
type Sessions struct {
	db    *database.DB
	seals *seal.Box
	view  *audit.View
}

// Desk is the sessions for those who have a link, and for those who serve them.
type Desk struct {
	db    *database.DB
	seals *seal.Box
}

// NewDesk is the sessions in db.
func NewDesk(db *database.DB, seals *seal.Box) Desk { return Desk{db, seals} }

// As is the sessions as view sees them.
func (s Desk) As(view *audit.View) Sessions { return Sessions{s.db, s.seals, view} }

// Session lets one person connect one account, and nothing else. Who has its
// token, which stands in the connect link, may act on it until it ends.
type Session struct {
	ID           string // ses_…
	Organisation string
	AccountID    string
	Flow         string // FlowRedirect, FlowDevice, FlowExchange; empty until one is chosen
	Stage        Stage
	Scopes       []string
	Data         Data
	Error        string // why it failed, for the person
	CreatedBy    string
	CreatedAt    time.Time
	ExpiresAt    time.Time
	Version      int64
}

// Flows of a session.
const (
	FlowRedirect = "redirect" // the service sends the person's browser back to us
	FlowExchange = "exchange" // it sends it elsewhere, and our caller brings what came
	FlowDevice   = "device"   // the person types a code, and we ask the service whether they did
	FlowForm     = "form"     // credentials were pasted
)

// Stage is how far a session got.
type Stage string

const (
	SessionOpen        Stage = "open"
	SessionAuthorizing Stage = "authorizing" // the person is at the service
	SessionDone        Stage = "done"
	SessionFailed      Stage = "failed"
)

// Over reports whether nothing more can happen in this stage.
func (s Stage) Over() bool { return s == SessionDone || s == SessionFailed }

const sessionColumns = "id, organisation, account_id, flow, stage, scopes, data, error, created_by, created_at, expires_at, version"

func scanSession(s database.Scanner) (x Session, err error) {
	err = s.Scan(&x.ID, &x.Organisation, &x.AccountID, &x.Flow, &x.Stage, database.JSON(&x.Scopes), database.JSON(&x.Data), &x.Error, &x.CreatedBy,
		database.Time(&x.CreatedAt), database.Time(&x.ExpiresAt), &x.Version)
	return x, err
}

// NewSession is what CreateSession makes a session of.
type NewSession struct {
	AccountID string
	Flow      string
	Scopes    []string
	Data      Data
	// Secrets are sealed: a PKCE verifier, a device code.
	Secrets secret.Values
	// State is OAuth's state parameter; zero where the flow has none yet.
	State    secret.Value
	Lifetime time.Duration
}

// CreateSession makes a session for an account of this view, and its token,
// which is shown this once.
func (s Sessions) CreateSession(ctx context.Context, n NewSession) (Session, secret.Value, error) {
	now := s.db.Now()
	token, hash, _ := seal.NewToken(seal.SessionToken)
	x := Session{
		ID: database.NewID("ses", now), AccountID: n.AccountID, Flow: n.Flow, Stage: SessionOpen, Scopes: n.Scopes, Data: n.Data,
		CreatedBy: s.view.Actor.String(), CreatedAt: now, ExpiresAt: now.Add(n.Lifetime), Version: 1,
	}
	err := s.db.Write(ctx, func(t *database.Tx) error {
		connector, org, err := s.account(ctx, t, n.AccountID)
		if err != nil {
			return err
		}
		x.Organisation = org
		_, err = t.Exec(ctx, `INSERT INTO connect_sessions (id, organisation, account_id, hash, state_hash, flow, stage, scopes, data, error, created_by, created_at, expires_at, version)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, 1)`,
			x.ID, x.Organisation, x.AccountID, hash, stateHash(n.State), x.Flow, string(x.Stage), database.JSONText(x.Scopes), database.JSONText(x.Data),
			x.CreatedBy, database.Micros(now), database.Micros(x.ExpiresAt))
		if err != nil {
			return err
		}
		if err := s.seals.Put(ctx, t, seal.Owner{ID: x.ID, Org: x.Organisation}, n.Secrets); err != nil {
			return err
		}
		e := s.view.Event(audit.KindAdmin, "session.created", x.Organisation)
		e.AccountID, e.Connector, e.Detail = n.AccountID, connector, x.Flow
		return audit.Write(ctx, t, e)
	})
	if err != nil {
		return Session{}, secret.Value{}, err
	}
	return x, token, nil
}

// account finds an account of this view and keeps it until the transaction ends.
func (s Sessions) account(ctx context.Context, t *database.Tx, id string) (connector, org string, err error) {
	err = t.Explain(t.Row(ctx, t.Locked("SELECT connector, organisation FROM accounts WHERE id = ?"), id).Scan(&connector, &org))
	if err == nil && !s.view.Sees(org) {
		err = database.ErrNotFound
	}
	return connector, org, err
}

func stateHash(state secret.Value) string {
	if state.IsZero() {
		return ""
	}
	return seal.Hash(state.Reveal())
}

// SessionByToken returns the session of a connect link. It returns ErrNotFound
// or ErrExpired; a session that is over is returned, so that its page can say so.
func (s Desk) SessionByToken(ctx context.Context, token secret.Value) (Session, error) {
	return s.liveSession(database.One(ctx, s.db.Reader, scanSession, "SELECT "+sessionColumns+" FROM connect_sessions WHERE hash = ?", seal.Hash(token.Reveal())))
}

func (s Desk) liveSession(x Session, err error) (Session, error) {
	if err == nil && seal.Over(x.ExpiresAt, s.db.Now()) && !x.Stage.Over() {
		err = database.ErrExpired
	}
	if err != nil {
		return Session{}, err
	}
	return x, nil
}

// Session returns a session of this view, whatever its stage.
func (s Sessions) Session(ctx context.Context, id string) (Session, error) {
	x, err := database.One(ctx, s.db.Reader, scanSession, "SELECT "+sessionColumns+" FROM connect_sessions WHERE id = ?", id)
	if err == nil && !s.view.Sees(x.Organisation) {
		err = database.ErrNotFound
	}
	if err != nil {
		return Session{}, err
	}
	return x, nil
}

// SessionSecrets opens what CreateSession and UpdateSession sealed.
func (s Desk) SessionSecrets(ctx context.Context, id string) (secret.Values, error) {
	return s.seals.UnsealAll(ctx, s.db.Reader, seal.Owner{ID: id})
}

// TakeState finds the session of an OAuth callback and uses its state up: the
// second callback with the same state gets ErrNotFound. It returns ErrExpired
// and ErrUsed (the session is over) too.
func (s Desk) TakeState(ctx context.Context, state secret.Value) (Session, secret.Values, error) {
	if state.IsZero() {
		return Session{}, nil, database.ErrNotFound
	}
	var x Session
	var values secret.Values
	err := s.db.Write(ctx, func(t *database.Tx) (err error) {
		x, err = s.liveSession(database.One(ctx, t, scanSession, t.Locked("SELECT "+sessionColumns+" FROM connect_sessions WHERE state_hash = ?"), stateHash(state)))
		if err != nil {
			return err
		}
		if x.Stage.Over() {
			return database.ErrUsed
		}
		if _, err = t.Exec(ctx, "UPDATE connect_sessions SET state_hash = '' WHERE id = ?", x.ID); err != nil {
			return err
		}
		values, err = s.seals.UnsealAll(ctx, t, seal.Owner{ID: x.ID})
		return err
	})
	if err != nil {
		return Session{}, nil, err
	}
	return x, values, nil
}

// SessionEdit is what changes of a session; zero leaves a thing as it is.
type SessionEdit struct {
	Flow    string
	Stage   Stage
	Data    func(*Data)   // edits it
	Secrets secret.Values // named ones are replaced
	State   secret.Value  // a new state, to be used once
	Scopes  []string
	Error   string
}

// UpdateSession edits a session that is at version, or at any if version is 0. A
// session that is over stays as it is: ErrUsed. When it becomes so, its secrets
// are deleted.
func (s Desk) UpdateSession(ctx context.Context, id string, version int64, e SessionEdit) (Session, error) {
	var x Session
	err := s.db.Write(ctx, func(t *database.Tx) (err error) {
		x, err = s.liveSession(database.One(ctx, t, scanSession, t.Locked("SELECT "+sessionColumns+" FROM connect_sessions WHERE id = ?"), id))
		switch {
		case err != nil:
			return err
		case x.Stage.Over():
			return database.ErrUsed
		case version != 0 && version != x.Version:
			return database.ErrConflict
		}
		x.apply(e)
		_, err = t.Exec(ctx, "UPDATE connect_sessions SET flow = ?, stage = ?, scopes = ?, data = ?, error = ?, version = ? WHERE id = ?",
			x.Flow, string(x.Stage), database.JSONText(x.Scopes), database.JSONText(x.Data), database.Storable(x.Error), x.Version, id)
		if err != nil {
			return err
		}
		if !e.State.IsZero() {
			if _, err = t.Exec(ctx, "UPDATE connect_sessions SET state_hash = ? WHERE id = ?", stateHash(e.State), id); err != nil {
				return err
			}
		}
		if x.Stage.Over() {
			return s.seals.Drop(ctx, t, id)
		}
		return s.seals.Put(ctx, t, seal.Owner{ID: id, Org: x.Organisation}, e.Secrets)
	})
	if err != nil {
		return Session{}, err
	}
	return x, nil
}

func (x *Session) apply(e SessionEdit) {
	if e.Flow != "" {
		x.Flow = e.Flow
	}
	if e.Stage != "" {
		x.Stage = e.Stage
	}
	if e.Stage == SessionAuthorizing {
		x.Error = "" // it is tried once more
	}
	if e.Scopes != nil {
		x.Scopes = e.Scopes
	}
	if e.Error != "" {
		x.Error = e.Error
	}
	if e.Data != nil {
		e.Data(&x.Data)
	}
	x.Version++
}
