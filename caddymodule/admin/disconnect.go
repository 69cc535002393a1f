package admin

import (
	"context"
	"errors"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Disconnected is an account after it was revoked, and what the service said.
type Disconnected struct {
	Account
	AtService string `json:"at_service" enum:"revoked,cannot_revoke,failed" doc:"revoked: the service forgot the tokens, or there were none. cannot_revoke: it has no way to; remove the access in its own settings. failed: it did not confirm; the tokens may work there until they end."`
}

type disconnectedOut struct {
	ETag string `header:"ETag"`
	Body Disconnected
}

// disconnectTimeout bounds how long the service may take to answer.
const disconnectTimeout = 40 * time.Second

// What became of the tokens at the service.
const (
	atServiceRevoked = "revoked"
	atServiceCannot  = "cannot_revoke"
	atServiceFailed  = "failed"
)

// revoke takes the tokens back at the service first, while they are still known.
// What the service says to that does not keep them here.
func (a *API) revoke(ctx context.Context, c *Caller, in *actionIn) (*disconnectedOut, error) {
	if err := a.editable(in.ID); err != nil {
		return nil, err
	}
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	acct, err := c.Account(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if version != 0 && version != acct.Version {
		return nil, vault.ErrConflict
	}
	if !acct.State.CanBecome(vault.Revoked) {
		return nil, &vault.TransitionError{From: acct.State, To: vault.Revoked}
	}
	// The caller may hang up; half of it would be the worst.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), disconnectTimeout)
	defer cancel()
	result, detail := a.takeBack(ctx, acct)
	why := in.why(vault.ReasonRevoked)
	why.Detail = appendSentence(why.Detail, detail)
	if acct, err = c.SetState(ctx, in.ID, version, vault.Revoked, why); err != nil {
		return nil, err
	}
	shown, err := a.shown(ctx, c, acct)
	if err != nil {
		return nil, err
	}
	return &disconnectedOut{ETag: shown.ETag, Body: Disconnected{shown.Body, result}}, nil
}

// takeBack revokes an account's tokens at the service, and says in a word and in
// a sentence, for the audit, what came of it.
func (a *API) takeBack(ctx context.Context, acct vault.Account) (result, detail string) {
	err := oauth.ErrCannotRevoke
	if a.c.Connections != nil && !acct.TestMode {
		err = a.c.Connections.Revoke(ctx, acct.ID)
	}
	switch {
	case err == nil && acct.ConnectedAt.IsZero():
		return atServiceRevoked, "" // there was nothing to revoke
	case err == nil:
		return atServiceRevoked, "The service revoked the tokens."
	case errors.Is(err, oauth.ErrCannotRevoke):
		return atServiceCannot, "The service has no way to revoke; remove the access in its own settings."
	}
	a.log.Warn("revoking at the service", "account", acct.ID, "error", err)
	return atServiceFailed, "The service did not confirm that it revoked the tokens."
}

func appendSentence(a, b string) string {
	if a == "" {
		return b
	}
	return a + " " + b
}
