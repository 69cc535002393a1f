package connect

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// authorizeFor is how long a person may take at the service.
const authorizeFor = 10 * time.Minute

// Names of the sealed values of a session.
const (
	sealedVerifier = "verifier" // PKCE
	sealedDevice   = "device_code"
	sealedToken    = "request_token" // OAuth 1.0a
	sealedSecret   = "request_secret"
	SealedLink     = "link"   // the token of the session's own link
	SealedField    = "field." // begins the names of fields that were filled in
)

// Attempt waits for a person.
type Attempt struct {
	Edit vault.SessionEdit
	// URL is where the person's browser must go; empty in the device flow.
	URL   string
	Until time.Time
}

// Set edits the data of the session that the attempt becomes, after what was set
// before.
func (b *Attempt) Set(edit func(*vault.SessionData)) {
	before := b.Edit.Data
	b.Edit.Data = func(d *vault.SessionData) {
		if before != nil {
			before(d)
		}
		edit(d)
	}
}

// Begin makes the authorization request, or asks for a device code. Nothing is
// stored. scopes nil are the connector's.
func (a *Turns) Begin(ctx context.Context, t *Subject, redirectURI string, scopes []string) (*Attempt, error) {
	switch {
	case a.c.Connections == nil:
		return nil, problem.New(http.StatusNotImplemented, "NOT_AVAILABLE", "Nothing connects accounts here.")
	case !NeedsPerson(t.Option) || t.OAuth == nil:
		return nil, problem.New(http.StatusUnprocessableEntity, "NO_AUTHORIZATION", "This way to connect has no authorization by a person. Send its credentials: PUT /api/v1/accounts/{id}/credentials.")
	case t.Account.TestMode:
		return nil, problem.New(http.StatusConflict, "TEST_MODE", "An account in test mode is connected to no service.")
	case t.Account.State == vault.Suspended:
		return nil, ErrSuspended
	case t.App.Get("client_id").IsZero():
		return nil, problem.New(http.StatusConflict, "APP_REQUIRED", "There is no OAuth client for this connector. Register one at the service, with the redirect URI "+redirectURI+", and store it: POST /api/v1/apps.")
	}
	if err := t.Complete(); err != nil {
		return nil, err
	}
	b := &Attempt{Until: time.Now().Add(authorizeFor)}
	b.Edit = vault.SessionEdit{Stage: vault.SessionAuthorizing, Scopes: t.Asked(scopes), Secrets: secret.Values{}}
	for name, v := range t.Fields {
		b.Edit.Secrets[SealedField+name] = v
	}
	var err error
	switch t.OAuth.GrantType() {
	case "device_code":
		err = a.beginDevice(ctx, t, b, scopes)
	case "oauth1":
		err = a.beginOAuth1(ctx, t, b, redirectURI)
	default:
		err = a.beginRedirect(t, b, redirectURI, scopes)
	}
	if err == nil && b.Edit.Flow == vault.FlowRedirect && !webURL(b.URL) {
		err = errors.New("the authorization URL is no web page")
	}
	if err != nil {
		return nil, a.flowProblem(t, err)
	}
	until := a.v.Clock(ctx).Add(time.Until(b.Until)).Unix()
	b.Set(func(d *vault.SessionData) {
		d.Option, d.AppID, d.RedirectURI, d.Until = t.Option.Name, t.AppID, redirectURI, until
	})
	return b, nil
}

func (a *Turns) beginRedirect(t *Subject, b *Attempt, redirectURI string, scopes []string) (err error) {
	state, kept := t.states()
	verifier := oauth.NewVerifier()
	b.URL, err = t.OAuth.AuthorizeURL(oauth.Authorization{
		App: t.App, Fields: t.Fields, Account: t.meta(nil), RedirectURI: redirectURI,
		State: state.Reveal(), Verifier: verifier, Scopes: scopes,
	})
	b.Edit.Flow, b.Edit.State = vault.FlowRedirect, kept
	b.Edit.Secrets[sealedVerifier] = verifier
	return err
}

func (a *Turns) beginOAuth1(ctx context.Context, t *Subject, b *Attempt, redirectURI string) error {
	state, kept := t.states()
	req := a.request(t)
	req.RedirectURI = redirectURI
	rt, err := t.OAuth.StartOAuth1(ctx, req, state.Reveal())
	if err != nil {
		return err
	}
	b.URL, b.Edit.Flow, b.Edit.State = rt.URL, vault.FlowRedirect, kept
	b.Edit.Secrets[sealedToken], b.Edit.Secrets[sealedSecret] = rt.Token, rt.Secret
	return nil
}

func (a *Turns) beginDevice(ctx context.Context, t *Subject, b *Attempt, scopes []string) error {
	req := a.request(t)
	req.Scopes = scopes
	d, err := t.OAuth.AuthorizeDevice(ctx, req)
	if err != nil {
		return err
	}
	b.Until, b.Edit.Flow = d.Expiry, vault.FlowDevice
	b.Edit.Secrets[sealedDevice] = d.Code
	next := a.v.Clock(ctx).Add(d.Interval).UnixMilli()
	b.Set(func(data *vault.SessionData) {
		data.UserCode, data.Verify, data.Complete = d.UserCode, d.VerificationURI, d.VerificationURIComplete
		data.Interval, data.Next = d.Interval.Milliseconds(), next
	})
	return nil
}

// webURL keeps javascript: and the like away from people: some authorization URLs
// come from a server's own metadata.
func webURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// states are the state that is sent, and the one that it is kept as.
func (t *Subject) states() (sent, kept secret.Value) {
	if t.State.IsZero() {
		sent = NewState()
		return sent, sent
	}
	return t.State, OwnState(t.Account.ID, t.State)
}

// NewState is 256 random bits; only its hash is stored.
func NewState() secret.Value {
	var b [32]byte
	_, _ = rand.Read(b[:]) // does not fail, since Go 1.24
	return secret.New(base64.RawURLEncoding.EncodeToString(b[:]))
}

// flowProblem makes a problem of what a service said to the beginning or the end
// of a flow. An *oauth.Error holds no secret.
func (a *Turns) flowProblem(t *Subject, err error) *problem.Problem {
	var p *problem.Problem
	if errors.As(err, &p) {
		return p
	}
	var refused *oauth.Error
	var denied *oauth.DeniedError
	switch {
	case errors.As(err, &denied):
		return problem.New(http.StatusUnprocessableEntity, "AUTHORIZATION_DENIED", problem.Sentence(denied.Error()))
	case errors.As(err, &refused) && refused.Code == "access_denied":
		return problem.New(http.StatusUnprocessableEntity, "AUTHORIZATION_DENIED", "The person refused at the service.")
	case errors.As(err, &refused) && refused.Code == "expired_token":
		return problem.New(http.StatusGone, "AUTHORIZATION_EXPIRED", "Nobody confirmed the code in time.")
	case errors.As(err, &refused) && errors.Is(err, oauth.ErrInvalidClient):
		return problem.New(http.StatusUnprocessableEntity, "CLIENT_REJECTED", problem.Sentence("the service refuses the OAuth client: "+refused.Error()+". Its id or secret is wrong; correct the app"))
	case errors.As(err, &refused):
		return problem.New(http.StatusBadGateway, "AUTHORIZATION_FAILED", problem.Sentence(refused.Error()))
	}
	a.log.Warn("connecting an account", "account", t.Account.ID, "connector", t.Connector.Key, "error", err)
	return problem.New(http.StatusBadGateway, "AUTHORIZATION_FAILED", fmt.Sprintf("The authorization of %s failed; the log has the cause.", t.Connector.Key))
}

// Registered reports whether a redirect URI other than our own callback was
// registered for the app: the same text, since whatever is like it is another
// address (RFC 9700 §4.1.3).
func (t *Subject) Registered(uri string) bool { return slices.Contains(t.Redirects, uri) }
