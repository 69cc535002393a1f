package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// reach is who has a session, and so what it may do.
type reach string

const (
	// reachAPI sessions are our caller's, who knows the id alone.
	reachAPI reach = "api"
	// reachLink sessions have a link that an operator made: credentials may be
	// pasted, fields filled in, a way to connect chosen.
	reachLink reach = "link"
	// reachAgent sessions were begun by a link that an agent was given: the
	// service's own authorization of exactly this account, and nothing else.
	reachAgent reach = "agent"
)

func reachOf(s vault.Session) reach { return reach(s.Data[dataReach]) }

// attemptOver reports whether the person took too long at the service. Now is by
// the database's clock.
func attemptOver(s vault.Session, now time.Time) bool {
	until, err := strconv.ParseInt(s.Data[dataUntil], 10, 64)
	return err != nil || now.Unix() >= until
}

// underWay reads the subject of an attempt that is under way.
func (a *API) underWay(ctx context.Context, s vault.Session, sealed secret.Values) (*subject, error) {
	ch := choice{option: s.Data[dataOption], appID: s.Data[dataApp], fields: map[string]string{}}
	for name, v := range sealed {
		if field, ok := strings.CutPrefix(name, sealedField); ok {
			ch.fields[field] = v.Reveal()
		}
	}
	t, err := a.subject(ctx, a.person(s.Organisation), s.AccountID, ch)
	if err != nil {
		return nil, err
	}
	if t.acct.State == vault.Suspended {
		return nil, suspended
	}
	for name := range t.fields {
		if !t.opt.HasField(name) { // of another way to connect, tried before
			delete(t.fields, name)
		}
	}
	return t, t.complete()
}

// comeBack ends an attempt with what the service's redirect brought: the code is
// traded for a token, the token is tried, the account is connected. What goes
// wrong is noted in the session.
func (a *API) comeBack(ctx context.Context, s vault.Session, sealed secret.Values, q url.Values) (vault.Session, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishFor)
	defer cancel()
	return a.settle(ctx, s, a.redeem(ctx, s, sealed, q))
}

func (a *API) redeem(ctx context.Context, s vault.Session, sealed secret.Values, q url.Values) error {
	if attemptOver(s, a.v.Clock(ctx)) {
		return problem(http.StatusGone, "AUTHORIZATION_EXPIRED", "It took longer than ten minutes. Begin again.")
	}
	t, err := a.underWay(ctx, s, sealed)
	if err != nil {
		return err
	}
	cb, err := t.oauth.Callback(q)
	if err != nil {
		return a.badCallback(t, err)
	}
	req := a.request(t)
	req.Code, req.RedirectURI, req.Scopes = cb.Code, s.Data[dataRedirect], s.Scopes
	req.Verifier = sealed.Get(sealedVerifier)
	if token := sealed.Get(sealedToken); !token.IsZero() {
		if !token.Equal(secret.New(q.Get("oauth_token"))) {
			return problem(http.StatusBadRequest, "BAD_CALLBACK", "The service's answer is about another request token.")
		}
		req.Token, req.TokenSecret = token, sealed.Get(sealedSecret)
	}
	tok, err := t.oauth.Token(ctx, req)
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
func (a *API) badCallback(t *subject, err error) error {
	if p := (*Problem)(nil); errors.As(a.flowProblem(t, err), &p) && p.Code == "AUTHORIZATION_DENIED" {
		return p
	}
	return problem(http.StatusBadRequest, "BAD_CALLBACK", sentence(err.Error()))
}

// settle writes down how an attempt ended. A session with a link may be tried
// again until it ends; others are over.
func (a *API) settle(ctx context.Context, s vault.Session, err error) (vault.Session, error) {
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
	err = a.explain(err, "ACCOUNT", nil)
	e := vault.SessionEdit{Stage: vault.SessionFailed, Error: err.Error()}
	if p := (*Problem)(nil); errors.As(err, &p) {
		e.Error, e.Data = p.Detail, map[string]string{dataCode: p.Code}
	}
	if reachOf(s) != reachAPI {
		e.Stage = vault.SessionOpen
	}
	if failed, again := a.v.UpdateSession(ctx, s.ID, 0, e); again == nil {
		s = failed
	} else {
		s.Stage, s.Error = e.Stage, e.Error
	}
	a.note(ctx, s, e.Data[dataCode])
	return s, err
}

// note writes a failed attempt into the audit.
func (a *API) note(ctx context.Context, s vault.Session, code string) {
	acct, err := a.person(s.Organisation).Account(ctx, s.AccountID)
	if err != nil {
		return
	}
	err = a.v.Record(ctx, vault.Event{Kind: vault.AuditRefusal, Code: "connect_failed", Organisation: s.Organisation, Actor: vault.Actor{Kind: "person"},
		AccountID: s.AccountID, Connector: acct.Connector, Detail: code + ": " + s.Error})
	if err != nil {
		a.log.Warn("writing the audit", "error", err)
	}
}
