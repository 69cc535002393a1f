package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountAccountActions(a *API) {
	post := func(id, action, summary, detail string, f func(context.Context, *signin.Caller, *actionIn) (*accountOut, error)) {
		rest.Register(a.rest, rest.Operation{ID: id, Method: http.MethodPost, Path: "/accounts/{id}/" + action, Role: vault.RoleOperator, Noun: "ACCOUNT", Summary: summary, Detail: detail},
			func(ctx context.Context, c *signin.Caller, in *actionIn) (*accountOut, error) {
				if err := a.editable(in.ID); err != nil {
					return nil, err
				}
				return f(ctx, c, in)
			})
	}
	post("suspend-account", "suspend", "Stop an account", "Its credentials stay, and are not used until it is resumed.", a.suspend)
	post("activate-account", "activate", "Let an account work without a test",
		"For credentials that the service takes although its test request does not succeed: because they may do less than it asks, or because it cannot be reached from here. The account must wait for its test, or be in error.", a.activate)
	post("resume-account", "resume", "Let a suspended account go on where it was", "", a.resume)
	rest.Register(a.rest, rest.Operation{ID: "revoke-account", Method: http.MethodPost, Path: "/accounts/{id}/revoke", Role: vault.RoleOperator, Noun: "ACCOUNT", Summary: "Disconnect an account",
		Detail: "It is of no use here at once, and its secrets are deleted; then its tokens are taken back at the service (RFC 7009, or the connector's way), those too that a refresh gets meanwhile. at_service says what the service said."}, a.revoke)
	rest.Register(a.rest, rest.Operation{ID: "test-account", Method: http.MethodPost, Path: "/accounts/{id}/test", Role: vault.RoleOperator, Noun: "ACCOUNT", Summary: "Run the connector's test request",
		Detail: "An account that waits for its test, expired or failed becomes active when the service takes its credentials; an active one becomes error when the service does not. " +
			"Where the connector has no test request a token is obtained, if there is one to obtain, and nothing is said of the credentials: tested is false, and the state is that which the account has."}, a.testAccount)
	rest.Register(a.rest, rest.Operation{ID: "refresh-account", Method: http.MethodPost, Path: "/accounts/{id}/refresh", Role: vault.RoleOperator, Noun: "ACCOUNT", Summary: "Obtain a new token now"}, a.refreshAccount)
}

func (a *API) suspend(ctx context.Context, c *signin.Caller, in *actionIn) (*accountOut, error) {
	version, err := in.Version()
	if err != nil {
		return nil, err
	}
	acct, err := c.SetState(ctx, in.ID, version, vault.Suspended, in.why(vault.ReasonSuspended))
	if err != nil {
		return nil, err
	}
	return a.shown(ctx, c, acct)
}

func (a *API) resume(ctx context.Context, c *signin.Caller, in *actionIn) (*accountOut, error) {
	version, err := in.Version()
	if err != nil {
		return nil, err
	}
	acct, err := c.Resume(ctx, in.ID, version, in.why(vault.ReasonResumed))
	if err != nil {
		return nil, err
	}
	return a.shown(ctx, c, acct)
}

type testOut struct {
	Body struct {
		OK       *bool  `json:"ok" nullable:"true" doc:"Whether the service takes the credentials; null where that was not tried."`
		Tested   bool   `json:"tested" doc:"False where the connector has no test request."`
		Obtained bool   `json:"obtained,omitempty" doc:"A token was obtained just now, which is all that can be tried where there is no test request."`
		Status   int    `json:"status,omitempty" doc:"What the service answered."`
		Expected int    `json:"expected,omitempty" doc:"What proves that the credentials work."`
		Error    string `json:"error,omitempty"`
		State    string `json:"state" doc:"The account's, now."`
	}
}

func (a *API) testAccount(ctx context.Context, c *signin.Caller, in *rest.PathID) (*testOut, error) {
	if err := a.editable(in.ID); err != nil {
		return nil, err
	}
	acct, err := c.Account(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	switch acct.State {
	case vault.Revoked:
		return nil, problem.New(http.StatusConflict, "ACCOUNT_REVOKED", "The account was revoked and has no credentials. Set new ones, or connect it again.")
	case vault.Suspended:
		return nil, connect.ErrSuspended
	}
	con, opt, err := a.turns.Option(ctx, c.View, acct.Connector, acct.Option)
	if err != nil {
		return nil, err
	}
	generation := acct.Generation
	out := &testOut{}
	var v connect.Verdict
	if !acct.TestMode {
		v, err = a.turns.Test(ctx, connect.Trial{Connector: con, Option: opt, AccountID: acct.ID})
		var p *problem.Problem
		if err != nil && (!errors.As(err, &p) || !v.Tested && !v.Asked) {
			return nil, err
		}
	}
	ok := err == nil
	out.Body.Tested, out.Body.Obtained, out.Body.Status, out.Body.Expected = v.Tested, v.Asked && ok, v.Status, v.Expected
	if v.Tested || !ok {
		out.Body.OK = &ok
	}
	if !ok {
		out.Body.Error = v.Why()
	}
	// The test itself may have fetched a token, which counts as a generation;
	// pasted credentials change only when somebody sets others.
	if opt.Type != providers.TypeCredentials {
		generation = 0
	}
	out.Body.State, err = a.afterTest(ctx, c, acct.ID, generation, v, ok && (v.Tested || acct.TestMode))
	return out, err
}

// afterTest draws the conclusion of a test for the account's state. A generation
// other than 0 is that of the credentials that were tested.
func (a *API) afterTest(ctx context.Context, c *signin.Caller, id string, generation uint64, v connect.Verdict, ok bool) (string, error) {
	now, err := c.Account(ctx, id)
	if err != nil {
		return "", err
	}
	same := generation == 0 || now.Generation == generation
	switch {
	case ok && same && now.State != vault.Active:
		conn := vault.Connection{Generation: now.Generation}
		if v.Tested {
			conn.Provider = &v.Provider
		}
		now, err = c.Connect(ctx, id, 0, conn)
	case v.Tested && v.Rejected && same && now.State == vault.Active:
		now, err = c.SetState(ctx, id, now.Version, vault.Error, vault.Reason{Code: vault.ReasonTestFailed, Detail: v.Why()})
	}
	if errors.Is(err, vault.ErrConflict) || errors.Is(err, vault.ErrNotAllowed) { // somebody was faster; theirs stands
		now, err = c.Account(ctx, id)
	}
	return string(now.State), err
}

func (a *API) refreshAccount(ctx context.Context, c *signin.Caller, in *rest.PathID) (*accountOut, error) {
	acct, err := a.refresh(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	return a.shown(ctx, c, acct)
}

// refresh obtains a new token for one account.
func (a *API) refresh(ctx context.Context, c *signin.Caller, id string) (vault.Account, error) {
	if err := a.editable(id); err != nil {
		return vault.Account{}, err
	}
	acct, err := c.Account(ctx, id)
	if err != nil {
		return vault.Account{}, err
	}
	if p := notUsable[acct.State]; p != nil {
		return vault.Account{}, p
	}
	_, opt, err := a.turns.Option(ctx, c.View, acct.Connector, acct.Option)
	if err != nil {
		return vault.Account{}, err
	}
	if acct.TestMode {
		return a.made(ctx, c, acct, true)
	}
	if opt.Type == providers.TypeCredentials {
		return vault.Account{}, problem.New(http.StatusConflict, "NOTHING_TO_REFRESH", "These credentials are used as they are; there is no token to refresh.")
	}
	if a.c.Connections == nil {
		return vault.Account{}, problem.New(http.StatusNotImplemented, "NOT_AVAILABLE", "Nothing refreshes tokens here.")
	}
	if err := a.c.Connections.Refresh(vault.ByHand(ctx, c.Actor), id); err != nil {
		switch now, again := c.Account(ctx, id); {
		case again == nil && now.State == vault.Expired:
			return vault.Account{}, problem.New(http.StatusConflict, "ACCOUNT_EXPIRED", "The service refused to refresh: the account must be connected again.")
		case again == nil && now.State == vault.Error:
			return vault.Account{}, problem.New(http.StatusConflict, "ACCOUNT_ERROR", problem.Sentence("the account is in error: "+now.Reason.Detail))
		}
		a.log.Warn("refreshing an account", "account", id, "error", err)
		return vault.Account{}, problem.New(http.StatusBadGateway, "REFRESH_FAILED", "The token endpoint gave no new token; the log has the cause. The account keeps what it has.")
	}
	return c.Account(ctx, id)
}

// activate lets credentials work that no test has proved.
func (a *API) activate(ctx context.Context, c *signin.Caller, in *actionIn) (*accountOut, error) {
	acct, version, err := a.named(ctx, c, in.ID, in.IfMatch)
	if err != nil {
		return nil, err
	}
	switch acct.State {
	case vault.Pending, vault.Error:
	case vault.Active:
		return nil, &vault.TransitionError{From: acct.State, To: vault.Active}
	case vault.Expired:
		return nil, problem.New(http.StatusConflict, "ACCOUNT_EXPIRED", "The service has ended this account's authorization: it must be connected again.")
	default:
		return nil, notUsable[acct.State]
	}
	_, opt, err := a.turns.Option(ctx, c.View, acct.Connector, acct.Option)
	if err != nil {
		return nil, err
	}
	if connect.NeedsPerson(opt) {
		return nil, problem.New(http.StatusConflict, "ACCOUNT_NOT_CONNECTED", "Only its owner can connect this account: POST …/authorize, or a link of POST /connect/sessions.")
	}
	held, err := a.v.Unseal(ctx, acct.ID)
	if err != nil {
		return nil, err
	}
	if _, err := opt.Validate(held.Credential.Fields); err != nil {
		return nil, problem.New(http.StatusConflict, "ACCOUNT_NOT_CONNECTED", "The account has no credentials yet. PUT …/credentials sets them.")
	}
	acct, err = c.Connect(ctx, acct.ID, version, vault.Connection{Generation: held.Account.Generation, Reason: in.why(vault.ReasonActivated)})
	if err != nil {
		return nil, err
	}
	return a.shown(ctx, c, acct)
}
