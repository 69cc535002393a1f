package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountAuthorize(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "authorize-account", Method: http.MethodPost, Path: "/accounts/{id}/authorize", Role: vault.RoleOperator, Noun: "ACCOUNT", Summary: "Begin to connect an account by OAuth",
		Detail: "popup_oauth: open authorization_url in a browser; the service sends it back to our callback. device_code: show user_code and verification_uri; this server asks the service until the person has decided. Either way GET /connect/sessions/{session_id} says how it ended. " +
			"The account changes only when the person approved, the token passed the connector's test, and it is the same identity at the service as before."}, a.authorize)
	rest.Register(a.rest, rest.Operation{ID: "exchange-code", Method: http.MethodPost, Path: "/accounts/{id}/exchange", Role: vault.RoleOperator, Noun: "SESSION", Summary: "End an authorization whose callback is your own",
		Detail: "For a redirect_uri that was given to authorize. Send the whole query that the service's redirect brought, as params; or its code and state."}, a.exchange)
}

type authorizeIn struct {
	rest.PathID
	Body *Authorize
}

// Authorize says how an account is to be connected; without it, as it is.
type Authorize struct {
	Option             string            `json:"option,omitempty" maxLength:"128" doc:"Another of the connector's ways to connect; default: the account's."`
	AppID              string            `json:"app_id,omitempty" maxLength:"128" doc:"Another OAuth client; default: the account's, else the connector's."`
	Fields             map[string]string `json:"fields,omitempty" writeOnly:"true" doc:"Fields of the option that the account does not have yet, such as a subdomain."`
	RedirectURI        string            `json:"redirect_uri,omitempty" maxLength:"2048" doc:"Your own callback: one of the app's redirect_uris. Default: ours."`
	State              string            `json:"state,omitempty" writeOnly:"true" minLength:"8" maxLength:"512" pattern:"^[!-~]+$" doc:"With a redirect_uri of your own: the state that comes back to it. One for each sign-in, and not to be guessed. Default: one of ours."`
	AdditionalScopes   []string          `json:"additional_scopes,omitempty" maxItems:"100" doc:"Beyond the connector's and those that the account has."`
	AllowOtherIdentity bool              `json:"allow_other_identity,omitempty" doc:"Let the account become somebody else's at the service."`
}

// Authorization is an attempt to connect that waits for a person.
type Authorization struct {
	SessionID               string    `json:"session_id" example:"ses_0sgcas6yb073d30fdcwgd2k734"`
	Flow                    string    `json:"flow" enum:"popup_oauth,device_code"`
	AuthorizationURL        string    `json:"authorization_url,omitempty" doc:"Open it in a browser. It works once."`
	UserCode                string    `json:"user_code,omitempty" doc:"What the person types at verification_uri."`
	VerificationURI         string    `json:"verification_uri,omitempty"`
	VerificationURIComplete string    `json:"verification_uri_complete,omitempty" doc:"The same with the code in it."`
	Interval                int       `json:"interval,omitempty" doc:"Seconds between our questions to the service."`
	ExpiresAt               time.Time `json:"expires_at"`
	Scopes                  []string  `json:"scopes,omitempty" doc:"That are asked for."`
}

type authorizationOut struct{ Body Authorization }

func (a *API) authorize(ctx context.Context, c *signin.Caller, in *authorizeIn) (*authorizationOut, error) {
	if err := a.editable(in.ID); err != nil {
		return nil, err
	}
	b := in.Body
	if b == nil {
		b = &Authorize{}
	}
	if err := scopeTokens("additional_scopes", b.AdditionalScopes); err != nil {
		return nil, err
	}
	t, err := a.turns.Subject(ctx, c.View, in.ID, connect.Choice{Option: b.Option, AppID: b.AppID, Fields: b.Fields})
	if err != nil {
		return nil, err
	}
	uri, own := c.Origin+paths.Callback, true
	if b.RedirectURI != "" && b.RedirectURI != uri {
		if !t.Registered(b.RedirectURI) {
			return nil, problem.New(http.StatusUnprocessableEntity, "REDIRECT_URI_NOT_REGISTERED", "This redirect_uri is none of the app's redirect_uris. Register it there, and at the service.").At("body.redirect_uri", "is not registered")
		}
		uri, own = b.RedirectURI, false
	}
	if err := a.ownState(ctx, t, b.State, own); err != nil {
		return nil, err
	}
	begun, err := a.turns.Begin(ctx, t, uri, t.Scopes(b.AdditionalScopes))
	if err != nil {
		return nil, err
	}
	if !own && begun.Edit.Flow == vault.FlowRedirect {
		begun.Edit.Flow = vault.FlowExchange
	}
	begun.Set(func(d *vault.SessionData) {
		d.Reach, d.Other = string(connect.ReachAPI), vault.SessionFlag(b.AllowOtherIdentity)
	})
	s, _, err := a.openSession(ctx, c.View, in.ID, begun, time.Until(begun.Until))
	if err != nil {
		return nil, err
	}
	c.ShownOnce("authorization_url", "user_code", "verification_uri_complete")
	return &authorizationOut{authorizationOf(s, begun)}, nil
}

// ownState lets a caller's own state go to the service. A sign-in that was begun with
// the same one before ends.
func (a *API) ownState(ctx context.Context, t *connect.Subject, state string, ourCallback bool) error {
	switch {
	case state == "":
		return nil
	case ourCallback:
		return problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "A state of your own goes with a redirect_uri of your own: our callback knows ours alone.").At("body.state", "wants a redirect_uri")
	}
	t.State = secret.New(state)
	_, _, err := a.v.TakeState(ctx, connect.OwnState(t.Account.ID, t.State))
	if err == nil || errors.Is(err, vault.ErrNotFound) || errors.Is(err, vault.ErrExpired) || errors.Is(err, vault.ErrUsed) {
		return nil
	}
	return err
}

// openSession stores an attempt as a session of its own.
func (a *API) openSession(ctx context.Context, view *vault.View, accountID string, b *connect.Attempt, life time.Duration) (vault.Session, secret.Value, error) {
	s, token, err := view.CreateSession(ctx, vault.NewSession{AccountID: accountID, Flow: b.Edit.Flow, Lifetime: life})
	if err == nil {
		s, err = a.v.UpdateSession(ctx, s.ID, s.Version, b.Edit)
	}
	if err == nil && b.Edit.Flow == vault.FlowDevice {
		a.turns.PollSoon()
	}
	return s, token, err
}

func authorizationOf(s vault.Session, b *connect.Attempt) Authorization {
	out := Authorization{SessionID: s.ID, Flow: flowName(s.Flow), AuthorizationURL: b.URL, ExpiresAt: b.Until.UTC().Truncate(time.Second), Scopes: s.Scopes}
	out.UserCode, out.VerificationURI, out.VerificationURIComplete = s.Data.UserCode, s.Data.Verify, s.Data.Complete
	out.Interval = seconds(s.Data.Interval)
	return out
}

type exchangeIn struct {
	rest.PathID
	Body struct {
		SessionID string            `json:"session_id,omitempty" maxLength:"128" doc:"Default: the session whose state it is."`
		Params    map[string]string `json:"params,omitempty" writeOnly:"true" doc:"The query of the callback: state, and code or error, and iss and whatever else came."`
		Code      string            `json:"code,omitempty" writeOnly:"true" maxLength:"8192" doc:"Instead of params, where there is nothing else in the query."`
		State     string            `json:"state,omitempty" writeOnly:"true" maxLength:"8192" doc:"With code."`
	}
}

// params are the callback's query, however it was sent.
func (in *exchangeIn) params() (url.Values, error) {
	b, q := &in.Body, url.Values{}
	for name, v := range b.Params {
		q.Set(name, v)
	}
	switch {
	case b.Params == nil && b.Code == "" && b.State == "":
		return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "Send the query of the callback, as params; or its code and state.").At("body.params", "is missing")
	case b.Params != nil && b.Code+b.State != "":
		return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "Send params, or code and state, and not both.").At("body.params", "goes without code and state")
	case b.Params == nil:
		q.Set("code", b.Code)
		q.Set("state", b.State)
	}
	return q, nil
}

// exchange ends an authorization whose callback went to our caller. The state is
// used up before anything else is looked at, so that it works once.
func (a *API) exchange(ctx context.Context, c *signin.Caller, in *exchangeIn) (*accountOut, error) {
	q, err := in.params()
	if err != nil {
		return nil, err
	}
	if _, err := c.Account(ctx, in.ID); err != nil {
		return nil, err
	}
	if in.Body.SessionID != "" {
		s, err := c.Session(ctx, in.Body.SessionID)
		if err != nil {
			return nil, err
		}
		if s.AccountID != in.ID {
			return nil, vault.ErrNotFound
		}
		if s.Flow != vault.FlowExchange {
			return nil, notExchanged(s)
		}
	}
	state := secret.New(q.Get("state"))
	taken, sealed, err := a.v.TakeState(ctx, connect.OwnState(in.ID, state))
	if errors.Is(err, vault.ErrNotFound) {
		taken, sealed, err = a.v.TakeState(ctx, state)
	}
	if err != nil {
		return nil, connect.BadState(err)
	}
	if taken.AccountID != in.ID || taken.Flow != vault.FlowExchange || in.Body.SessionID != "" && taken.ID != in.Body.SessionID {
		_, _ = a.turns.Settle(ctx, taken, connect.ErrOtherSession)
		return nil, connect.ErrOtherSession
	}
	if _, err := a.turns.ComeBack(ctx, taken, sealed, q); err != nil {
		return nil, err
	}
	acct, err := c.Account(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return a.shown(ctx, c, acct)
}

// notExchanged says what ends a session whose callback is not our caller's.
func notExchanged(s vault.Session) error {
	how := map[string]string{
		vault.FlowRedirect: "of the flow popup_oauth with our own callback, which the service's redirect comes to",
		vault.FlowDevice:   "of the flow device_code, and this server asks the service itself",
		vault.FlowForm:     "of the flow credentials, and its form ends it",
		"":                 "a link, and the person has not chosen a way to connect",
	}[s.Flow]
	return problem.New(http.StatusConflict, "NOTHING_TO_EXCHANGE", "This session is "+how+": there is nothing to exchange. GET "+paths.API+"/connect/sessions/"+s.ID+
		" says how it ends; give authorize a redirect_uri of your own to end one here.").At("body.session_id", "is "+how)
}
