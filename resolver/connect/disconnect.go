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
	atServiceSkipped = "skipped" // only where the account is deleted
)

const cannotRevoke = "The service has no way to revoke; remove the access in its own settings."

func (a *API) revoke(ctx context.Context, c *Caller, in *actionIn) (*disconnectedOut, error) {
	acct, version, err := a.named(ctx, c, in.ID, in.IfMatch)
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
		return atServiceCannot, cannotRevoke
	}
	a.log.Warn("revoking at the service", "account", had.Account.ID, "error", err)
	return atServiceFailed, "The service did not confirm that it revoked the tokens."
}

// remove deletes an account, and has its tokens taken back at the service before
// that unless revoke is false. It says what became of them; nothing where there
// were none.
func (a *API) remove(ctx context.Context, c *Caller, acct vault.Account, version int64, revoke bool) (result string, err error) {
	if version != 0 && version != acct.Version {
		return "", vault.ErrConflict
	}
	ctx = context.WithoutCancel(ctx)
	ways := a.waysToRevoke(ctx, c, acct)
	switch {
	case ways == nil:
	case !revoke:
		result = atServiceSkipped
		acct, err = c.Revocation(ctx, acct, result, "The account was deleted, and the service was not to be asked.")
	case !ways.CanRevoke():
		result = atServiceCannot
		acct, err = c.Revocation(ctx, acct, result, cannotRevoke)
	default:
		acct, result, err = a.disconnect(ctx, c, acct, acct.Version, vault.Reason{Code: vault.ReasonRevoked, Detail: "It is being deleted."})
	}
	if err != nil {
		return "", err
	}
	return result, c.DeleteAccount(ctx, acct.ID, acct.Version)
}

// waysToRevoke is how the account's tokens came, and nil where it has none.
func (a *API) waysToRevoke(ctx context.Context, c *Caller, acct vault.Account) *oauth.Config {
	if a.c.Connections == nil || acct.TestMode || acct.State == vault.Revoked || neverConnected(&acct) {
		return nil
	}
	_, opt, err := a.option(ctx, c, acct.Connector, acct.Option)
	if err != nil {
		return nil // of a connector that is gone
	}
	return opt.OAuth
}
