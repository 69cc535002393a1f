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

// disconnectTimeout bounds how long the service, and a refresh that is under way,
// are waited for.
const disconnectTimeout = 40 * time.Second

// What became of the tokens at the service.
const (
	atServiceRevoked = "revoked"
	atServiceCannot  = "cannot_revoke"
	atServiceFailed  = "failed"
)

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
	ctx = context.WithoutCancel(ctx) // the caller may hang up; half of it would be the worst
	acct, result, err := a.disconnect(ctx, c, acct, version, in.why(vault.ReasonRevoked))
	if err != nil {
		return nil, err
	}
	shown, err := a.shown(ctx, c, acct)
	if err != nil {
		return nil, err
	}
	return &disconnectedOut{ETag: shown.ETag, Body: Disconnected{shown.Body, result}}, nil
}

// disconnect makes an account of no use here, and then has its tokens taken back
// at the service. What the service says changes only what is told of it.
func (a *API) disconnect(ctx context.Context, c *Caller, acct vault.Account, version int64, why vault.Reason) (vault.Account, string, error) {
	ask := a.revocation(ctx, acct) // while the account can still be read
	r, err := c.Revoke(ctx, acct.ID, version, why)
	if err != nil {
		return vault.Account{}, "", err
	}
	if err := r.Unopened; err != nil {
		ask = func(context.Context, vault.Unsealed) error { return err }
	}
	asking, cancel := context.WithTimeout(ctx, disconnectTimeout)
	result, sentence := a.takeBack(asking, r.Had, ask)
	cancel()
	if sentence == "" {
		return r.Account, result, nil
	}
	now, err := c.Revocation(ctx, r.Account, result, sentence)
	if err != nil {
		a.log.Warn("recording what the service said to a revocation", "account", acct.ID, "result", result, "error", err)
		return r.Account, result, nil
	}
	return now, result, nil
}

// revocation is how to take an account's tokens back.
func (a *API) revocation(ctx context.Context, acct vault.Account) Revocation {
	err := error(oauth.ErrCannotRevoke)
	if a.c.Connections != nil && !acct.TestMode {
		var ask Revocation
		if ask, err = a.c.Connections.Revocation(ctx, acct.ID); err == nil {
			return ask
		}
	}
	return func(context.Context, vault.Unsealed) error { return err }
}

// takeBack revokes tokens at the service, and says in a word and in a sentence,
// for the audit, what came of it.
func (a *API) takeBack(ctx context.Context, had vault.Unsealed, ask Revocation) (result, sentence string) {
	err := ask(ctx, had)
	switch {
	case err == nil && had.Account.ConnectedAt.IsZero():
		return atServiceRevoked, "" // there was nothing to revoke
	case err == nil:
		return atServiceRevoked, "The service revoked the tokens."
	case errors.Is(err, oauth.ErrCannotRevoke):
		return atServiceCannot, "The service has no way to revoke; remove the access in its own settings."
	}
	a.log.Warn("revoking at the service", "account", had.Account.ID, "error", err)
	return atServiceFailed, "The service did not confirm that it revoked the tokens."
}
