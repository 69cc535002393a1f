package vault

import (
	"context"
	"maps"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// Session lets one person connect one account, and nothing else. Who has its
// token, which stands in the connect link, may act on it until it ends.
type Session struct {
	ID           string // ses_…
	Organisation string
	AccountID    string
	Flow         string // FlowRedirect, FlowDevice, FlowExchange; empty until one is chosen
	Stage        Stage
	Scopes       []string
	// Data is what the flow needs and is not secret (a redirect address).
	Data      map[string]string
	Error     string // why it failed, for the person
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt time.Time
	Version   int64
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

func scanSession(s scanner) (x Session, err error) {
	err = s.Scan(&x.ID, &x.Organisation, &x.AccountID, &x.Flow, &x.Stage, jsonCol{&x.Scopes}, jsonCol{&x.Data}, &x.Error, &x.CreatedBy,
		timeCol{&x.CreatedAt}, timeCol{&x.ExpiresAt}, &x.Version)
	return x, err
}

// NewSession is what CreateSession makes a session of.
type NewSession struct {
	AccountID string
	Flow      string
	Scopes    []string
	Data      map[string]string
	// Secrets are sealed: a PKCE verifier, a device code.
	Secrets secret.Values
	// State is OAuth's state parameter; zero where the flow has none yet.
	State    secret.Value
	Lifetime time.Duration
}

// CreateSession makes a session for an account of this view, and its token,
// which is shown this once.
func (s *View) CreateSession(ctx context.Context, n NewSession) (Session, secret.Value, error) {
	now := s.v.moment()
	token, hash, _ := newToken(sessionTokenPrefix)
	x := Session{
		ID: newID("ses", now), AccountID: n.AccountID, Flow: n.Flow, Stage: SessionOpen, Scopes: n.Scopes, Data: n.Data,
		CreatedBy: s.actor.Kind + ":" + s.actor.Name, CreatedAt: now, ExpiresAt: now.Add(n.Lifetime), Version: 1,
	}
	err := s.v.write(ctx, func(t *tx) error {
		a, err := s.ownAccount(t.lockAccount(ctx, n.AccountID))
		if err != nil {
			return err
		}
		x.Organisation = a.Organisation
		_, err = t.exec(ctx, `INSERT INTO connect_sessions (id, organisation, account_id, hash, state_hash, flow, stage, scopes, data, error, created_by, created_at, expires_at, version)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, 1)`,
			x.ID, x.Organisation, x.AccountID, hash, stateHash(n.State), x.Flow, string(x.Stage), jsonText(x.Scopes), jsonText(x.Data),
			x.CreatedBy, micros(now), micros(x.ExpiresAt))
		if err != nil {
			return err
		}
		if err := t.putSecrets(ctx, owner{id: x.ID, org: x.Organisation}, n.Secrets); err != nil {
			return err
		}
		e := s.event(AuditAdmin, "session.created", x.Organisation)
		e.AccountID, e.Connector, e.Detail = a.ID, a.Connector, x.Flow
		return t.audit(ctx, e)
	})
	if err != nil {
		return Session{}, secret.Value{}, err
	}
	return x, token, nil
}

func stateHash(state secret.Value) string {
	if state.IsZero() {
		return ""
	}
	return hashToken(state.Reveal())
}

// SessionByToken returns the session of a connect link. It returns ErrNotFound
// or ErrExpired; a session that is over is returned, so that its page can say so.
func (v *Vault) SessionByToken(ctx context.Context, token secret.Value) (Session, error) {
	return v.liveSession(one(ctx, v, v.r, scanSession, "SELECT "+sessionColumns+" FROM connect_sessions WHERE hash = ?", hashToken(token.Reveal())))
}

func (v *Vault) liveSession(x Session, err error) (Session, error) {
	if err == nil && over(x.ExpiresAt, v.now()) && !x.Stage.Over() {
		err = ErrExpired
	}
	if err != nil {
		return Session{}, err
	}
	return x, nil
}

// Session returns a session of this view, whatever its stage.
func (s *View) Session(ctx context.Context, id string) (Session, error) {
	x, err := one(ctx, s.v, s.v.r, scanSession, "SELECT "+sessionColumns+" FROM connect_sessions WHERE id = ?", id)
	if err == nil && !s.sees(x.Organisation) {
		err = ErrNotFound
	}
	if err != nil {
		return Session{}, err
	}
	return x, nil
}

// SessionSecrets opens what CreateSession and UpdateSession sealed.
func (v *Vault) SessionSecrets(ctx context.Context, id string) (secret.Values, error) {
	return v.unsealAll(ctx, v.r, owner{id: id})
}

// TakeState finds the session of an OAuth callback and uses its state up: the
// second callback with the same state gets ErrNotFound. It returns ErrExpired
// and ErrUsed (the session is over) too.
func (v *Vault) TakeState(ctx context.Context, state secret.Value) (Session, secret.Values, error) {
	if state.IsZero() {
		return Session{}, nil, ErrNotFound
	}
	var x Session
	var values secret.Values
	err := v.write(ctx, func(t *tx) (err error) {
		x, err = v.liveSession(one(ctx, v, t, scanSession, t.locked("SELECT "+sessionColumns+" FROM connect_sessions WHERE state_hash = ?"), stateHash(state)))
		if err != nil {
			return err
		}
		if x.Stage.Over() {
			return ErrUsed
		}
		if _, err = t.exec(ctx, "UPDATE connect_sessions SET state_hash = '' WHERE id = ?", x.ID); err != nil {
			return err
		}
		values, err = v.unsealAll(ctx, t, owner{id: x.ID})
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
	Data    map[string]string // added to what is there
	Secrets secret.Values     // named ones are replaced
	State   secret.Value      // a new state, to be used once
	Scopes  []string
	Error   string
}

// UpdateSession edits a session that is at version, or at any if version is 0. A
// session that is over stays as it is: ErrUsed. When it becomes so, its secrets
// are deleted.
func (v *Vault) UpdateSession(ctx context.Context, id string, version int64, e SessionEdit) (Session, error) {
	var x Session
	err := v.write(ctx, func(t *tx) (err error) {
		x, err = v.liveSession(one(ctx, v, t, scanSession, t.locked("SELECT "+sessionColumns+" FROM connect_sessions WHERE id = ?"), id))
		switch {
		case err != nil:
			return err
		case x.Stage.Over():
			return ErrUsed
		case version != 0 && version != x.Version:
			return ErrConflict
		}
		x.apply(e)
		_, err = t.exec(ctx, "UPDATE connect_sessions SET flow = ?, stage = ?, scopes = ?, data = ?, error = ?, version = ? WHERE id = ?",
			x.Flow, string(x.Stage), jsonText(x.Scopes), jsonText(x.Data), storable(x.Error), x.Version, id)
		if err != nil {
			return err
		}
		if !e.State.IsZero() {
			if _, err = t.exec(ctx, "UPDATE connect_sessions SET state_hash = ? WHERE id = ?", stateHash(e.State), id); err != nil {
				return err
			}
		}
		if x.Stage.Over() {
			return t.dropSecrets(ctx, id)
		}
		return t.putSecrets(ctx, owner{id: id, org: x.Organisation}, e.Secrets)
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
	if len(e.Data) > 0 {
		data := maps.Clone(x.Data)
		if data == nil {
			data = map[string]string{}
		}
		maps.Copy(data, e.Data)
		x.Data = data
	}
	x.Version++
}
