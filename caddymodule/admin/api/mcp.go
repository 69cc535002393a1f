package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth/mcp"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Names in the form of a connector that was made of an MCP server's URL.
const (
	formMCP          = "mcp"
	formRegistration = "registration" // document, dynamic, or by_hand
)

// paramSecretEnd is an app's parameter: when its secret ends.
const paramSecretEnd = "client_secret_expires_at"

// mcpWork is what is to be stored for an MCP server: its client, unless the one
// that is there stays.
type mcpWork struct {
	con    *providers.Connector
	source string
	client *mcp.Registration
	agents []string
	org    string
}

// ofMCP finds a server out and makes its connector, and a client unless there is
// one already. before is the connector that is edited; nil for a new one.
func (a *API) ofMCP(ctx context.Context, c *signin.Caller, key string, f *ConnectorForm, form map[string]any, before *vault.Connector) (*mcpWork, error) {
	if a.c.MCP == nil {
		return nil, problem.New(http.StatusNotImplemented, "NOT_AVAILABLE", "Nothing finds MCP servers out here.")
	}
	if name := f.besideMCP(); name != "" {
		return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", name+" does not go with mcp, from which all of it is found out.").At("body."+name, "does not go with mcp")
	}
	w := &mcpWork{agents: f.Agents, org: vault.DefaultOrganisation}
	if f.Organisation != nil {
		w.org = *f.Organisation
	}
	if err := a.knownAgents(ctx, c, f.Agents, w.org); err != nil {
		return nil, err
	}
	s, err := a.c.MCP.Find(ctx, text(form, formMCP))
	if err != nil {
		return nil, mcpProblem(err)
	}
	if f.Scope != nil {
		s.Scopes = strings.Fields(*f.Scope)
	}
	auth, err := a.clientOf(ctx, c, s, f, form, before, w)
	if err != nil {
		return nil, err
	}
	src, err := mcp.Definition(key, text(form, "title"), s, auth)
	if err != nil {
		return nil, err
	}
	w.source = string(src)
	w.con, err = a.check(key, w.source)
	return w, err
}

// besideMCP names a member that says what the server says itself.
func (f *ConnectorForm) besideMCP() string {
	for name, set := range map[string]bool{
		"hosts": f.Hosts != nil, "base_url": f.BaseURL != nil, "grant_type": f.GrantType != nil, "token_url": f.TokenURL != nil, "authorize_url": f.AuthorizeURL != nil,
		"device_url": f.DeviceURL != nil, "content_type": f.ContentType != nil, "header_as_payload": f.HeaderAsPayload != nil, "test_path": f.TestPath != nil,
		"service_account": f.ServiceAccount != nil, "service_account_email": f.ServiceAccountEmail != nil, "refresh_token": f.RefreshToken != nil, "definition": f.Definition != nil,
	} {
		if set {
			return name
		}
	}
	return ""
}

// clientOf decides which client to be: one that was registered by hand, the one
// that this connector has at the same authorization server, or a new one. It
// returns the connector's token_auth.
func (a *API) clientOf(ctx context.Context, c *signin.Caller, s *mcp.Server, f *ConnectorForm, form map[string]any, before *vault.Connector, w *mcpWork) (auth string, err error) {
	anew := f.ClientID != nil && *f.ClientID == ""
	if !anew && (f.ClientID != nil || f.ClientSecret != nil) {
		w.client = &mcp.Registration{ClientID: text(form, "client_id"), How: "by_hand", Auth: "none"}
		if f.ClientSecret != nil {
			w.client.ClientSecret, w.client.Auth = secret.New(*f.ClientSecret), s.Proof()
		}
		form[formRegistration] = w.client.How
		return w.client.Auth, nil
	}
	if before != nil && !anew && a.stillRegistered(ctx, c, text(before.Form, formApp)) {
		if old, err := a.turns.Compiled(*before); err == nil && old.Options[0].OptionDef.OAuth.Issuer == s.Issuer && old.Options[0].OptionDef.OAuth.TokenURL == s.TokenURL {
			return old.Options[0].OptionDef.OAuth.TokenAuth, nil
		}
	}
	us := a.guard.Client(c.Origin)
	if w.client, err = a.c.MCP.Register(ctx, s, us); err != nil {
		if errors.Is(err, mcp.ErrNoRegistration) {
			return "", problem.New(http.StatusConflict, "APP_REQUIRED", "The authorization server "+s.Issuer+" registers no clients by itself. Register one there, with the redirect URI "+us.RedirectURIs[0]+", and send its client_id, and its client_secret if it has one, along with mcp.")
		}
		return "", mcpProblem(err)
	}
	form[formRegistration] = w.client.How
	delete(form, "client_id")
	return w.client.Auth, nil
}

// stillRegistered reports whether an app can go on being used: it is there, and
// its secret does not end within a day.
func (a *API) stillRegistered(ctx context.Context, c *signin.Caller, id string) bool {
	if id == "" {
		return false
	}
	app, err := c.App(ctx, id)
	if err != nil {
		return false
	}
	end, err := time.Parse(time.RFC3339, app.Params[paramSecretEnd])
	return err != nil || time.Until(end) > 24*time.Hour
}

// mcpProblem tells why a server cannot be used: the words are made of ours.
func mcpProblem(err error) error {
	var e *mcp.Error
	if errors.As(err, &e) && e.Temporary {
		return problem.New(http.StatusBadGateway, "MCP_SERVER_UNAVAILABLE", problem.Sentence(err.Error())).At("body.mcp", "does not answer")
	}
	return problem.New(http.StatusUnprocessableEntity, "MCP_SERVER_REFUSED", problem.Sentence(err.Error())).At("body.mcp", "cannot be used")
}

// storeMCP stores the client, and an account for the agents, of a connector that
// is stored already.
func (a *API) storeMCP(ctx context.Context, c *signin.Caller, v vault.Connector, w *mcpWork) (vault.Connector, error) {
	appID, err := a.saveClient(ctx, c, v, w)
	if err != nil {
		return v, err
	}
	accountID := text(v.Form, formAccount)
	if w.agents != nil {
		if accountID == "" {
			acct, err := c.CreateAccount(ctx, vault.NewAccount{Organisation: w.org, Connector: v.Key, Option: w.con.Options[0].Name, Name: formDefault, AppID: appID})
			if err != nil {
				return v, err
			}
			accountID = acct.ID
		}
		if err := a.grantTo(ctx, c, accountID, w.agents); err != nil {
			return v, err
		}
	}
	return c.UpdateConnector(ctx, v.Key, v.Version, nil, func(x *vault.Connector) error {
		if x.Form == nil {
			x.Form = map[string]any{}
		}
		x.Form[formApp] = appID
		if accountID != "" {
			x.Form[formAccount] = accountID
		}
		return nil
	})
}

// saveClient stores a client as the connector's managed app; nil keeps what is there.
func (a *API) saveClient(ctx context.Context, c *signin.Caller, v vault.Connector, w *mcpWork) (string, error) {
	id, r := text(v.Form, formApp), w.client
	if r == nil {
		return id, nil
	}
	hosts, err := w.con.FixHosts(secret.Values{}, nil)
	if err != nil {
		return id, badHosts(err)
	}
	params := map[string]string{}
	if !r.SecretExpiry.IsZero() {
		params[paramSecretEnd] = r.SecretExpiry.UTC().Format(time.RFC3339)
	}
	secrets := secret.Values{"client_secret": r.ClientSecret}
	if id != "" {
		_, err := c.UpdateApp(ctx, id, 0, vault.AppEdit{ClientID: &r.ClientID, Params: params, Secrets: secrets, Hosts: hosts})
		return id, err
	}
	if r.ClientSecret.IsZero() {
		secrets = nil
	}
	app, err := c.CreateApp(ctx, vault.App{Connector: v.Key, Mode: vault.AppManaged, Name: formDefault, ClientID: r.ClientID, Params: params, Hosts: hosts, Checked: w.con.Digest()}, secrets)
	return app.ID, err
}

// otherIssuer reports whether a connector's tokens would come from another
// authorization server than before.
func (a *API) otherIssuer(before *vault.Connector, now *providers.Connector) bool {
	old, err := a.turns.Compiled(*before)
	if err != nil || len(old.Options) == 0 {
		return true
	}
	was, is := &old.Options[0].OptionDef.OAuth, &now.Options[0].OptionDef.OAuth
	return was.Issuer != is.Issuer || was.TokenURL != is.TokenURL
}

// unbind forgets the tokens of a connector's accounts: they are bound to the issuer
// that gave them, and another one, which the server may name at any time, must not get
// them. People approve anew.
func (a *API) unbind(ctx context.Context, c *signin.Caller, key string) error {
	all := a.v.As(c.Actor, vault.All)
	f := vault.AccountFilter{Connector: key, States: []vault.State{vault.Active, vault.Expired, vault.Error, vault.Suspended}}
	for {
		l, err := all.Accounts(ctx, f, vault.Page{Limit: 100})
		if err != nil || len(l.Items) == 0 {
			return err
		}
		for _, acct := range l.Items {
			why := vault.Reason{Code: "issuer_changed", Detail: "the server has another authorization server now; its tokens are for the former"}
			if _, err := all.SetState(ctx, acct.ID, 0, vault.Revoked, why); err != nil {
				return err
			}
		}
	}
}
