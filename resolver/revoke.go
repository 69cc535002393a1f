package resolver

import (
	"context"
	"errors"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
)

// errUnheard is what Revoke returns where the tokens of a refresh may live on.
var errUnheard = errors.New("a refresh was under way, and nobody knows whether the service made tokens for it")

// Revoke asks the service to forget the tokens that an account had when it was
// revoked. The store has them no more: the account is of no use here, whatever
// comes of this.
//
// A refresh that runs meanwhile may get new tokens. It finds that it cannot save
// them and asks the service to forget those; Revoke waits for that, as long as ctx
// and the lease last.
//
// It returns oauth.ErrCannotRevoke where the service has no way to: then the
// tokens live on there until they end, or until somebody removes them in the
// service's own settings.
func (c *Credentials) Revoke(ctx context.Context, a *Account, had Stored) error {
	if a.Option.OAuth == nil || a.Store == nil {
		return oauth.ErrCannotRevoke
	}
	err := c.forget(ctx, a, had)
	if errors.Is(err, oauth.ErrCannotRevoke) {
		return err
	}
	return errors.Join(err, c.awaitRefresh(ctx, a))
}

// forget asks the service to forget tokens.
func (c *Credentials) forget(ctx context.Context, a *Account, s Stored) error {
	ctx, cancel := context.WithTimeout(ctx, c.tokenTimeout())
	defer cancel()
	return a.Option.OAuth.Revoke(ctx, oauth.Request{
		HTTP: c.HTTP(a.Connector), App: a.App, Fields: s.Credential.Fields, Account: a.Meta,
		RefreshToken: s.RefreshToken, Token: s.Credential.Token, Now: c.Now,
	})
}

// awaitRefresh waits until nobody refreshes a revoked account. It takes the lease
// for that, and finds with it what became of the call of the last holder.
func (c *Credentials) awaitRefresh(ctx context.Context, a *Account) error {
	for n := 0; ; n++ {
		changed, stop := c.Cache.Watch(a.CacheKey)
		lease, err := a.Store.Lease(ctx, a.ID)
		var held *LeasedError
		if errors.As(err, &held) {
			err = awaitChange(ctx, changed, n, max(held.Left, time.Millisecond))
			stop()
			if err != nil {
				return errUnheard
			}
			continue
		}
		stop()
		if err != nil {
			return err
		}
		err = release(ctx, lease)
		if abandoned, _ := lease.Abandoned(); abandoned {
			return errUnheard
		}
		return err
	}
}

// takeBack asks the service to forget what a refresh brought for an account that
// was revoked meanwhile: nobody else knows of it. Then the lease ends, for which
// who revoked the account waits.
func (c *Credentials) takeBack(ctx context.Context, a *Account, lease Lease, t *oauth.Token) {
	ctx = context.WithoutCancel(ctx)
	brought := Stored{Credential: t.Credential, RefreshToken: t.RefreshToken}
	if brought.Credential.Fields == nil {
		brought.Credential.Fields = lease.Stored().Credential.Fields
	}
	why := errTakenBack
	err := c.forget(ctx, a, brought)
	if err != nil {
		why = errors.Join(errNotTakenBack, err)
	}
	abandoned, _ := lease.Abandoned()
	_ = lease.Release(ctx, abandoned || err != nil, why)
}

var (
	errTakenBack    = errors.New("the account was revoked during the refresh; the service revoked what it had issued")
	errNotTakenBack = errors.New("the account was revoked during the refresh; the service did not confirm that it revoked what it had issued")
)
