package connect

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Reach is who has a session, and so what it may do.
type Reach string

const (
	// ReachAPI sessions are our caller's, who knows the id alone.
	ReachAPI Reach = "api"
	// ReachLink sessions have a link that an operator made: credentials may be
	// pasted, fields filled in, a way to connect chosen.
	ReachLink Reach = "link"
	// ReachAgent sessions were begun by a link that an agent was given: the
	// service's own authorization of exactly this account, and nothing else.
	ReachAgent Reach = "agent"
)

func ReachOf(s vault.Session) Reach { return Reach(s.Data.Reach) }

// AttemptOver reports whether the person took too long at the service. Now is by
// the database's clock.
func AttemptOver(s vault.Session, now time.Time) bool {
	return now.Unix() >= s.Data.Until
}

// underWay reads the subject of an attempt that is under way.
func (a *Turns) underWay(ctx context.Context, s vault.Session, sealed secret.Values) (*Subject, error) {
	ch := Choice{Option: s.Data.Option, AppID: s.Data.AppID, Fields: map[string]string{}}
	for name, v := range sealed {
		if field, ok := strings.CutPrefix(name, SealedField); ok {
			ch.Fields[field] = v.Reveal()
		}
	}
	t, err := a.Subject(ctx, a.Person(s.Organisation), s.AccountID, ch)
	if err != nil {
		return nil, err
	}
	if t.Account.State == vault.Suspended {
		return nil, ErrSuspended
	}
	for name := range t.Fields {
		if !t.Option.HasField(name) { // of another way to connect, tried before
			delete(t.Fields, name)
		}
	}
	return t, t.Complete()
}

// ComeBack ends an attempt with what the service's redirect brought: the code is
// traded for a token, the token is tried, the account is connected. What goes
// wrong is noted in the session.
func (a *Turns) ComeBack(ctx context.Context, s vault.Session, sealed secret.Values, q url.Values) (vault.Session, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishFor)
	defer cancel()
	return a.Settle(ctx, s, a.redeem(ctx, s, sealed, q))
}

func (a *Turns) redeem(ctx context.Context, s vault.Session, sealed secret.Values, q url.Values) error {
	if AttemptOver(s, a.v.Clock(ctx)) {
		return problem.New(http.StatusGone, "AUTHORIZATION_EXPIRED", "It took longer than ten minutes. Begin again.")
	}
	t, err := a.underWay(ctx, s, sealed)
	if err != nil {
		return err
	}
	cb, err := t.OAuth.Callback(q)
	if err != nil {
		return a.badCallback(t, err)
	}
	req := a.request(t)
	req.Code, req.RedirectURI, req.Scopes = cb.Code, s.Data.RedirectURI, s.Scopes
	req.Verifier = sealed.Get(sealedVerifier)
	if token := sealed.Get(sealedToken); !token.IsZero() {
		if !token.Equal(secret.New(q.Get("oauth_token"))) {
			return problem.New(http.StatusBadRequest, "BAD_CALLBACK", "The service's answer is about another request token.")
		}
		req.Token, req.TokenSecret = token, sealed.Get(sealedSecret)
	}
	tok, err := t.OAuth.Token(ctx, req)
	if err != nil {
		return a.flowProblem(t, err)
	}
	for name, v := range cb.Metadata {
		if tok.Metadata == nil {
			tok.Metadata = map[string]string{}
		}
		tok.Metadata[name] = v
	}
	return a.finish(ctx, s, t, tok)
}

// badCallback is for answers that bring no code. Their texts hold no value of
// the query.
func (a *Turns) badCallback(t *Subject, err error) error {
	if p := a.flowProblem(t, err); p.Code == "AUTHORIZATION_DENIED" {
		return p
	}
	return problem.New(http.StatusBadRequest, "BAD_CALLBACK", problem.Sentence(err.Error()))
}

// Settle writes down how an attempt ended. A session with a link may be tried
// again until it ends; others are over.
func (a *Turns) Settle(ctx context.Context, s vault.Session, err error) (vault.Session, error) {
	if err == nil {
		done, err := a.v.UpdateSession(ctx, s.ID, 0, vault.SessionEdit{Stage: vault.SessionDone})
		if errors.Is(err, vault.ErrUsed) || errors.Is(err, vault.ErrExpired) || errors.Is(err, vault.ErrNotFound) {
			done, err = s, nil // the account is connected all the same
			done.Stage = vault.SessionDone
		}
		return done, err
	}
	if errors.Is(err, vault.ErrUnavailable) {
		return s, err // nothing is known; nothing changes
	}
	p := problem.Of(err, "ACCOUNT", a.log)
	e := vault.SessionEdit{Stage: vault.SessionFailed, Error: p.Detail, Data: func(d *vault.SessionData) { d.ErrorCode = p.Code }}
	if ReachOf(s) != ReachAPI {
		e.Stage = vault.SessionOpen
	}
	failed, again := a.v.UpdateSession(ctx, s.ID, 0, e)
	if errors.Is(again, vault.ErrUsed) {
		if ended, readErr := a.Person(s.Organisation).Session(ctx, s.ID); readErr == nil && ended.Stage == vault.SessionDone {
			return ended, err // another replica was faster: nothing has failed
		}
	}
	if again == nil {
		s = failed
	} else {
		s.Stage, s.Error = e.Stage, e.Error
	}
	a.Note(ctx, s, p.Code)
	return s, err
}

// Note writes a failed attempt into the audit.
func (a *Turns) Note(ctx context.Context, s vault.Session, code string) {
	acct, err := a.Person(s.Organisation).Account(ctx, s.AccountID)
	if err != nil {
		return
	}
	err = a.v.Record(ctx, vault.Event{Kind: vault.AuditRefusal, Code: "connect_failed", Organisation: s.Organisation, Actor: vault.Actor{Kind: "person"},
		AccountID: s.AccountID, Connector: acct.Connector, Detail: code + ": " + s.Error})
	if err != nil {
		a.log.Warn("writing the audit", "error", err)
	}
}

var ErrOtherSession = problem.New(http.StatusBadRequest, "STATE_MISMATCH", "This state belongs to another session. Neither goes on; begin again.")

// BadState says why a state opens nothing.
func BadState(err error) error {
	switch {
	case errors.Is(err, vault.ErrNotFound):
		return problem.New(http.StatusBadRequest, "STATE_UNKNOWN", "This sign-in is not known here, or its answer came before. Begin again.")
	case errors.Is(err, vault.ErrExpired), errors.Is(err, vault.ErrUsed):
		return problem.New(http.StatusGone, "STATE_EXPIRED", "This sign-in took too long, or it has ended. Begin again.")
	}
	return err
}
