package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountConnectSessions(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "create-connect-session", Method: http.MethodPost, Path: "/connect/sessions", Role: vault.RoleOperator, Noun: "ACCOUNT", Status: http.StatusCreated, Summary: "Make a link that connects one account",
		Detail: "Whoever opens the link can connect this account, in the ways that its connector has, and do nothing else. It ends with the first success, or at expires_at."}, a.createSession)
	rest.Register(a.rest, rest.Operation{ID: "list-connect-sessions", Method: http.MethodGet, Path: "/connect/sessions", Role: vault.RoleViewer, Noun: "ACCOUNT", Summary: "List an account's sessions that are not over"}, a.listSessions)
	rest.Register(a.rest, rest.Operation{ID: "get-connect-session", Method: http.MethodGet, Path: "/connect/sessions/{id}", Role: vault.RoleViewer, Noun: "SESSION", Summary: "How far a session got",
		Detail: "For a device code this also asks the service, when its turn has come."}, a.getConnectSession)
	rest.Register(a.rest, rest.Operation{ID: "delete-connect-session", Method: http.MethodDelete, Path: "/connect/sessions/{id}", Role: vault.RoleOperator, Noun: "SESSION", Status: http.StatusNoContent, Summary: "Take a link back"}, a.deleteSession)
}

// ConnectSession is an attempt to connect an account, as the API shows it.
type ConnectSession struct {
	ID              string    `json:"id"`
	AccountID       string    `json:"account_id"`
	Flow            string    `json:"flow,omitempty" enum:"popup_oauth,device_code,credentials" doc:"Absent until the person has chosen."`
	Status          string    `json:"status" enum:"open,authorizing,done,failed,expired" doc:"authorizing: the person is at the service."`
	Error           *Reason   `json:"error,omitempty" doc:"Of the last attempt. A link that is still open may be tried again."`
	Scopes          []string  `json:"scopes,omitempty" doc:"That were asked for."`
	UserCode        string    `json:"user_code,omitempty"`
	VerificationURI string    `json:"verification_uri,omitempty"`
	Interval        int       `json:"interval,omitempty" doc:"Seconds."`
	CreatedBy       string    `json:"created_by"`
	CreatedAt       time.Time `json:"created_at"`
	ExpiresAt       time.Time `json:"expires_at"`
}

func sessionOf(s vault.Session) ConnectSession {
	out := ConnectSession{ID: s.ID, AccountID: s.AccountID, Flow: flowName(s.Flow), Status: string(s.Stage), Scopes: s.Scopes,
		CreatedBy: strings.TrimSuffix(s.CreatedBy, ":"), CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt}
	if !s.Stage.Over() && !time.Now().Before(s.ExpiresAt) {
		out.Status = "expired"
	}
	if s.Error != "" {
		out.Error = &Reason{s.Data.ErrorCode, s.Error}
	}
	if s.Flow == vault.FlowDevice && s.Stage == vault.SessionAuthorizing {
		out.UserCode, out.VerificationURI, out.Interval = s.Data.UserCode, s.Data.Verify, seconds(s.Data.Interval)
	}
	return out
}

// flowName is a session's flow in the words of the metadata.
func flowName(flow string) string {
	return map[string]string{vault.FlowRedirect: "popup_oauth", vault.FlowExchange: "popup_oauth", vault.FlowDevice: "device_code", vault.FlowForm: "credentials"}[flow]
}

func seconds(ms int64) int { return int(ms+999) / 1000 }

type createSessionIn struct {
	Body struct {
		AccountID          string   `json:"account_id" maxLength:"128"`
		Option             string   `json:"option,omitempty" maxLength:"128" doc:"The only way to connect that the link offers; default: the person chooses."`
		ExpiresIn          int      `json:"expires_in,omitempty" minimum:"60" maximum:"604800" doc:"Seconds; default 3600."`
		AdditionalScopes   []string `json:"additional_scopes,omitempty" maxItems:"100" doc:"To ask for beyond the connector's and those that the account has."`
		AllowOtherIdentity bool     `json:"allow_other_identity,omitempty" doc:"Let the account become somebody else's at the service."`
	}
}

type createSessionOut struct {
	Location string `header:"Location"`
	Body     struct {
		ConnectSession
		URL string `json:"url" doc:"The link. It is shown this once."`
	}
}

// sessionLife is how long a link works unless the operator says otherwise.
const sessionLife = time.Hour

func (a *API) createSession(ctx context.Context, c *signin.Caller, in *createSessionIn) (*createSessionOut, error) {
	b := &in.Body
	if err := a.editable(b.AccountID); err != nil {
		return nil, err
	}
	if err := scopeTokens("additional_scopes", b.AdditionalScopes); err != nil {
		return nil, err
	}
	t, err := a.turns.Subject(ctx, c.View, b.AccountID, connect.Choice{Option: b.Option})
	if err != nil {
		return nil, err
	}
	if t.Account.State == vault.Suspended {
		return nil, connect.ErrSuspended
	}
	life := sessionLife
	if b.ExpiresIn > 0 {
		life = time.Duration(b.ExpiresIn) * time.Second
	}
	s, token, err := c.CreateSession(ctx, vault.NewSession{AccountID: b.AccountID, Lifetime: life, Data: vault.SessionData{
		Reach: string(connect.ReachLink), Pinned: b.Option, More: strings.Join(b.AdditionalScopes, " "), Other: vault.SessionFlag(b.AllowOtherIdentity)}})
	if err != nil {
		return nil, err
	}
	c.ShownOnce("url")
	out := &createSessionOut{Location: paths.API + "/connect/sessions/" + s.ID}
	out.Body.ConnectSession, out.Body.URL = sessionOf(s), c.Origin+paths.Connect+"/"+token.Reveal()
	return out, nil
}

type connectSessionOut struct{ Body ConnectSession }

type listSessionsIn struct {
	AccountID string `query:"account_id" required:"true" maxLength:"128"`
}

func (a *API) listSessions(ctx context.Context, c *signin.Caller, in *listSessionsIn) (*rest.ListOut[ConnectSession], error) {
	all, err := c.AccountSessions(ctx, in.AccountID)
	return rest.Listed(vault.List[vault.Session]{Items: all}, err, sessionOf)
}

func (a *API) getConnectSession(ctx context.Context, c *signin.Caller, in *rest.PathID) (*connectSessionOut, error) {
	s, err := c.Session(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if s, err = a.turns.PollDevice(ctx, s); err != nil {
		return nil, err
	}
	return &connectSessionOut{sessionOf(s)}, nil
}

func (a *API) deleteSession(ctx context.Context, c *signin.Caller, in *rest.PathID) (*rest.Nothing, error) {
	s, err := c.Session(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	_, err = a.v.UpdateSession(ctx, s.ID, 0, vault.SessionEdit{Stage: vault.SessionFailed, Error: "An operator took the link back.", Data: func(d *vault.SessionData) { d.ErrorCode = "TAKEN_BACK" }})
	return &rest.Nothing{}, err
}
