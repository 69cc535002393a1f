package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountTestMode(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "get-test-tokens", Method: http.MethodGet, Path: "/accounts/{id}/test-tokens", Role: vault.RoleOperator, Noun: "ACCOUNT", Summary: "Read the made-up token of an account in test mode",
		Detail: "It opens nothing anywhere: a mock of the service can expect it. Accounts that are not in test mode have none to show."}, a.testTokens)
	rest.Register(a.rest, rest.Operation{ID: "play-account", Method: http.MethodPost, Path: "/accounts/{id}/play", Role: vault.RoleOperator, Noun: "ACCOUNT", Summary: "Let an account in test mode play what can happen to one",
		Detail: "expired, revoked and error are states, with all that follows from them: refusals, webhooks, audit. refresh makes up a new token. rate_limit and outage answer the agents' calls with 429 and 502 until something else is played. active ends all of it."}, a.play)
}

// inTestMode is an account that is.
func (a *API) inTestMode(ctx context.Context, c *signin.Caller, id string) (vault.Account, error) {
	if err := a.editable(id); err != nil {
		return vault.Account{}, err
	}
	acct, err := c.Account(ctx, id)
	if err == nil && !acct.TestMode {
		err = problem.New(http.StatusConflict, "NOT_TEST_MODE", "This account is not in test mode. Make one that is: POST /accounts with test_mode.")
	}
	return acct, err
}

type testTokensOut struct {
	Body struct {
		AccessToken string `json:"access_token,omitempty" doc:"Made up; absent where the connector's credentials are used as they are."`
		TokenSecret string `json:"token_secret,omitempty" doc:"Of OAuth 1.0a; made up."`
		TokenType   string `json:"token_type" enum:"Bearer"`
	}
}

func (a *API) testTokens(ctx context.Context, c *signin.Caller, in *rest.PathID) (*testTokensOut, error) {
	acct, err := a.inTestMode(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	if p := notUsable[acct.State]; p != nil {
		return nil, p
	}
	u, err := a.v.Unseal(ctx, acct.ID)
	if err != nil {
		return nil, err
	}
	out := &testTokensOut{}
	out.Body.TokenType = "Bearer"
	// What an operator pasted may be a sandbox's real key, and stays here.
	if connect.MadeUp(u.Credential.Token) {
		out.Body.AccessToken = u.Credential.Token.Reveal()
	}
	if s := u.Credential.Fields.Get("token_secret"); connect.MadeUp(s) {
		out.Body.TokenSecret = s.Reveal()
	}
	return out, nil
}

type playIn struct {
	rest.PathID
	Body struct {
		Event string `json:"event" enum:"active,expired,revoked,error,refresh,rate_limit,outage"`
	}
}

func (a *API) play(ctx context.Context, c *signin.Caller, in *playIn) (*accountOut, error) {
	acct, err := a.inTestMode(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	why := vault.Reason{Code: "played", Detail: "an operator let the account play it, in test mode"}
	switch event := in.Body.Event; event {
	case "active", "refresh":
		acct, err = a.made(ctx, c, acct, event == "refresh")
	case vault.PlayRateLimit, vault.PlayOutage:
		acct, err = c.UpdateAccount(ctx, acct.ID, 0, vault.AccountEdit{ChangeSettings: playing(event)})
	default:
		acct, err = c.SetState(ctx, acct.ID, 0, vault.State(event), why)
	}
	if err != nil {
		return nil, err
	}
	return a.shown(ctx, c, acct)
}

func playing(what string) func(vault.Settings) vault.Settings {
	return func(s vault.Settings) vault.Settings {
		s.Play = what
		return s
	}
}

// made gives an account in test mode a new made-up token, and ends what it plays
// unless it is only refreshed.
func (a *API) made(ctx context.Context, c *signin.Caller, acct vault.Account, refreshed bool) (vault.Account, error) {
	con, opt, err := a.turns.Option(ctx, c.View, acct.Connector, acct.Option)
	if err != nil {
		return acct, err
	}
	conn := vault.Connection{Reason: vault.Reason{Code: vault.ReasonConnected, Detail: "in test mode"}}
	if refreshed {
		if p := notUsable[acct.State]; p != nil {
			return acct, p
		}
		if opt.Type == providers.TypeCredentials {
			return acct, problem.New(http.StatusConflict, "NOTHING_TO_REFRESH", "These credentials are used as they are; there is no token to refresh.")
		}
		conn.Reason.Code = vault.ReasonRefreshed
	} else if acct, err = c.UpdateAccount(ctx, acct.ID, 0, vault.AccountEdit{ChangeSettings: playing("")}); err != nil {
		return acct, err
	}
	if acct.State == vault.Active && !refreshed {
		return acct, nil
	}
	if slices.Contains([]vault.State{vault.Revoked, vault.Pending}, acct.State) || refreshed {
		u, err := a.v.Unseal(ctx, acct.ID)
		if err != nil {
			return acct, err
		}
		had := map[string]string{}
		for name, v := range u.Credential.Fields {
			if opt.HasField(name) {
				had[name] = v.Reveal()
			}
		}
		values, err := connect.Validated(opt, connect.TestFields(opt, had))
		if err != nil {
			return acct, err
		}
		conn.Credentials = connect.CredentialsOf(con, opt, values)
		connect.GiveTestToken(opt, conn.Credentials)
	}
	return c.Connect(ctx, acct.ID, 0, conn)
}
