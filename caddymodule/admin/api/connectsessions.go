package admin

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/attache-proxy/attache/resolver/vault"
)

func mountConnectSessions(a *API) {
	register(a, operation{id: "create-connect-session", method: http.MethodPost, path: "/connect/sessions", role: vault.RoleOperator, noun: "ACCOUNT", status: http.StatusCreated, summary: "Make a link that connects one account",
		detail: "Whoever opens the link can connect this account, in the ways that its connector has, and do nothing else. It ends with the first success, or at expires_at."}, a.createSession)
	register(a, operation{id: "list-connect-sessions", method: http.MethodGet, path: "/connect/sessions", role: vault.RoleViewer, noun: "ACCOUNT", summary: "List an account's sessions that are not over"}, a.listSessions)
	register(a, operation{id: "get-connect-session", method: http.MethodGet, path: "/connect/sessions/{id}", role: vault.RoleViewer, noun: "SESSION", summary: "How far a session got",
		detail: "For a device code this also asks the service, when its turn has come."}, a.getConnectSession)
	register(a, operation{id: "delete-connect-session", method: http.MethodDelete, path: "/connect/sessions/{id}", role: vault.RoleOperator, noun: "SESSION", status: http.StatusNoContent, summary: "Take a link back"}, a.deleteSession)
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
		out.Error = &Reason{s.Data[dataCode], s.Error}
	}
	if s.Flow == vault.FlowDevice && s.Stage == vault.SessionAuthorizing {
		out.UserCode, out.VerificationURI, out.Interval = s.Data[dataUserCode], s.Data[dataVerify], seconds(s.Data[dataInterval])
	}
	return out
}

// flowName is a session's flow in the words of the metadata.
func flowName(flow string) string {
	return map[string]string{vault.FlowRedirect: "popup_oauth", vault.FlowExchange: "popup_oauth", vault.FlowDevice: "device_code", vault.FlowForm: "credentials"}[flow]
}

func seconds(ms string) int {
	n, _ := strconv.Atoi(ms)
	return (n + 999) / 1000
}

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

func (a *API) createSession(ctx context.Context, c *Caller, in *createSessionIn) (*createSessionOut, error) {
	b := &in.Body
	if err := a.editable(b.AccountID); err != nil {
		return nil, err
	}
	if err := knownScopes(b.AdditionalScopes); err != nil {
		return nil, err
	}
	t, err := a.subject(ctx, c, b.AccountID, choice{option: b.Option})
	if err != nil {
		return nil, err
	}
	if t.acct.State == vault.Suspended {
		return nil, suspended
	}
	life := sessionLife
	if b.ExpiresIn > 0 {
		life = time.Duration(b.ExpiresIn) * time.Second
	}
	n := vault.NewSession{AccountID: b.AccountID, Lifetime: life, Data: map[string]string{
		dataReach: string(reachLink), dataPinned: b.Option, dataMore: strings.Join(b.AdditionalScopes, " ")}}
	if b.AllowOtherIdentity {
		n.Data[dataOther] = "1"
	}
	s, token, err := c.CreateSession(ctx, n)
	if err != nil {
		return nil, err
	}
	c.shownOnce("url")
	out := &createSessionOut{Location: Base + "/connect/sessions/" + s.ID}
	out.Body.ConnectSession, out.Body.URL = sessionOf(s), c.origin+ConnectPath+"/"+token.Reveal()
	return out, nil
}

type connectSessionOut struct{ Body ConnectSession }

type listSessionsIn struct {
	AccountID string `query:"account_id" required:"true" maxLength:"128"`
}

func (a *API) listSessions(ctx context.Context, c *Caller, in *listSessionsIn) (*listOut[ConnectSession], error) {
	all, err := c.AccountSessions(ctx, in.AccountID)
	return listed(vault.List[vault.Session]{Items: all}, err, sessionOf)
}

func (a *API) getConnectSession(ctx context.Context, c *Caller, in *PathID) (*connectSessionOut, error) {
	s, err := c.Session(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if s, err = a.pollDevice(ctx, s); err != nil {
		return nil, err
	}
	return &connectSessionOut{sessionOf(s)}, nil
}

func (a *API) deleteSession(ctx context.Context, c *Caller, in *PathID) (*nothing, error) {
	s, err := c.Session(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	_, err = a.v.UpdateSession(ctx, s.ID, 0, vault.SessionEdit{Stage: vault.SessionFailed, Error: "An operator took the link back.", Data: map[string]string{dataCode: "TAKEN_BACK"}})
	return &nothing{}, err
}
