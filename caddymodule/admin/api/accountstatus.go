package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountAccountStatus(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "get-account-status", Method: http.MethodGet, Path: "/accounts/{id}/status", Role: vault.RoleViewer, Noun: "ACCOUNT", Summary: "Where an account stands"}, a.accountStatus)
}

type statusOut struct {
	Body struct {
		ID        string     `json:"id"`
		State     string     `json:"state" enum:"pending,active,expired,revoked,error,suspended"`
		Reason    *Reason    `json:"reason,omitempty"`
		Since     time.Time  `json:"since"`
		ResumeTo  string     `json:"resume_to,omitempty" doc:"Where a suspended account goes on."`
		ExpiresAt *time.Time `json:"expires_at,omitempty"`
		Usable    bool       `json:"usable" doc:"Whether agents get its credential now."`
		Why       string     `json:"why,omitempty" doc:"Why not, where it is for the connector."`
		Next      []string   `json:"next" doc:"The states it can go to."`
	}
}

// Counted refuses accounts of the configuration file where only those of the vault
// have something to show.
func Counted(id string) error {
	if !strings.HasPrefix(id, vault.FileAgent) {
		return nil
	}
	return problem.New(http.StatusNotFound, "ACCOUNT_NOT_FOUND", "Accounts of the configuration file are not counted here; the metrics and the audit have them.")
}

func (a *API) accountStatus(ctx context.Context, c *signin.Caller, in *rest.PathID) (*statusOut, error) {
	if err := Counted(in.ID); err != nil {
		return nil, err
	}
	acct, err := c.Account(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &statusOut{}
	b := &out.Body
	b.ID, b.State, b.Since, b.ResumeTo, b.ExpiresAt = acct.ID, string(acct.State), acct.StateSince, string(acct.ResumeTo), rest.OptionalTime(acct.ExpiresAt)
	b.Reason = &Reason{acct.Reason.Code, acct.Reason.Detail}
	b.Usable = acct.State == vault.Active
	if _, err := a.turns.Connector(ctx, c.View, acct.Connector); err != nil {
		p := a.rest.Explain(err, "CONNECTOR", c)
		if p.Status >= http.StatusInternalServerError {
			return nil, err
		}
		b.Usable, b.Why = false, p.Detail
	}
	for _, s := range vault.States {
		if acct.State.CanBecome(s) && (acct.State != vault.Suspended || s == acct.ResumeTo || s == vault.Revoked) {
			b.Next = append(b.Next, string(s))
		}
	}
	return out, nil
}

// notUsable says why an account in a state cannot be worked with.
var notUsable = map[vault.State]*problem.Problem{
	vault.Suspended: connect.ErrSuspended,
	vault.Revoked:   problem.New(http.StatusConflict, "ACCOUNT_REVOKED", "The account was revoked. Connect it again."),
	vault.Pending:   problem.New(http.StatusConflict, "ACCOUNT_NOT_CONNECTED", "The account was never connected. Set its credentials or connect it."),
}
