package connect

import (
	"context"
	"errors"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/resolver/vault"
)

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

// Disconnect makes an account of no use here, and then has its tokens taken back
// at the service. What the service says changes only what is told of it.
func (a *Turns) Disconnect(ctx context.Context, c *vault.View, acct vault.Account, version int64, why vault.Reason) (vault.Account, string, error) {
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
func (a *Turns) revocation(ctx context.Context, acct vault.Account) Revocation {
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
func (a *Turns) takeBack(ctx context.Context, had vault.Unsealed, ask Revocation) (result, sentence string) {
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

// Remove deletes an account, and has its tokens taken back at the service before
// that unless revoke is false. It says what became of them; nothing where there
// were none.
func (a *Turns) Remove(ctx context.Context, c *vault.View, acct vault.Account, version int64, revoke bool) (result string, err error) {
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
		acct, result, err = a.Disconnect(ctx, c, acct, acct.Version, vault.Reason{Code: vault.ReasonRevoked, Detail: "It is being deleted."})
	}
	if err != nil {
		return "", err
	}
	return result, c.DeleteAccount(ctx, acct.ID, acct.Version)
}

// waysToRevoke is how the account's tokens came, and nil where it has none.
func (a *Turns) waysToRevoke(ctx context.Context, c *vault.View, acct vault.Account) *oauth.Config {
	if a.c.Connections == nil || acct.TestMode || acct.State == vault.Revoked || NeverConnected(&acct) {
		return nil
	}
	_, opt, err := a.Option(ctx, c, acct.Connector, acct.Option)
	if err != nil {
		return nil // of a connector that is gone
	}
	return opt.OAuth
}
