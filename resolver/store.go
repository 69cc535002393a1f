package resolver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
)

// Store remembers the tokens of accounts beyond this process and decides, between
// replicas, who may refresh. Accounts of the Caddyfile have none.
type Store interface {
	// Stored returns what is remembered now.
	Stored(ctx context.Context, account string) (Stored, error)
	// Lease takes the right to refresh. It returns a *LeasedError while another
	// replica holds it.
	Lease(ctx context.Context, account string) (Lease, error)
}

// Stored are an account's tokens as they are remembered. The credential's
// Generation counts them.
type Stored struct {
	Credential   secret.Credential
	RefreshToken secret.Value
}

// LeasedError says that another replica is refreshing the account.
type LeasedError struct{ Left time.Duration }

func (e *LeasedError) Error() string {
	return fmt.Sprintf("another replica is refreshing, for at most %v", e.Left)
}

// ErrFenced says that a lease was lost meanwhile: the result was not stored.
var ErrFenced = errors.New("the lease was lost")

// Lease is the right to refresh one account. Begin writes the intent before the
// call; Save, Fail or Release end the lease.
type Lease interface {
	// Stored is what was remembered when the lease was given.
	Stored() Stored
	// Abandoned says that a former holder began a call whose outcome nobody knows.
	Abandoned() bool
	Begin(ctx context.Context) error
	// Save commits the answer. When it returns, the tokens may be used.
	Save(ctx context.Context, t *oauth.Token) (*secret.Credential, error)
	// Fail records that the service refused for good.
	Fail(ctx context.Context, to State, code, detail string) error
	// Release ends the lease without a result. Uncertain means that nobody
	// knows what the call did: no answer came.
	Release(ctx context.Context, uncertain bool) error
}

// errNoAutoRefresh is for accounts whose tokens only a person renews.
var errNoAutoRefresh = fmt.Errorf("the token has ended, and this account is not refreshed by itself: %w", oauth.ErrNeedsConsent)

// leasePoll is how often a replica looks whether another one's refresh is done.
const leasePoll = 50 * time.Millisecond

// shared obtains a token for an account with a store: what is remembered, if it
// works, else one refresh by one replica, committed before it is used. A
// rejected credential is not returned again.
func (c *Credentials) shared(ctx context.Context, a *Account, rejected *secret.Credential) (*secret.Credential, error) {
	for {
		s, err := a.Store.Stored(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		if c.usable(&s, rejected) {
			return &s.Credential, nil
		}
		if a.Limits.NoRefresh {
			return nil, errNoAutoRefresh
		}
		lease, err := a.Store.Lease(ctx, a.ID)
		var held *LeasedError
		if errors.As(err, &held) {
			if err := pause(ctx, min(leasePoll, held.Left)); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		cred, err := c.refresh(ctx, a, lease, rejected)
		if errors.Is(err, ErrFenced) {
			continue // another replica went on meanwhile: take its result
		}
		return cred, err
	}
}

// usable reports whether what is remembered works and is newer than what was rejected.
func (c *Credentials) usable(s *Stored, rejected *secret.Credential) bool {
	return !s.Credential.Token.IsZero() && works(&s.Credential, c.now()) &&
		(rejected == nil || s.Credential.Generation > rejected.Generation)
}

// refresh makes the one call while the lease is ours.
func (c *Credentials) refresh(ctx context.Context, a *Account, lease Lease, rejected *secret.Credential) (*secret.Credential, error) {
	s := lease.Stored()
	if c.usable(&s, rejected) { // the last holder was faster
		return &s.Credential, release(ctx, lease, false)
	}
	if err := lease.Begin(ctx); err != nil {
		return nil, err
	}
	tok, err := a.Option.OAuth.Token(ctx, oauth.Request{
		HTTP: c.HTTP(a.Connector), App: a.App, Fields: s.Credential.Fields, Account: a.Meta,
		RefreshToken: s.RefreshToken, Token: s.Credential.Token, Now: c.Now,
	})
	if err == nil {
		return lease.Save(ctx, tok)
	}
	return nil, c.refreshFailed(ctx, lease, err)
}

// refreshFailed records what the failure means for the account. A failure of
// the endpoint changes no state; invalid_grant does, and after an abandoned
// call it is an error of ours and not a revocation.
func (c *Credentials) refreshFailed(ctx context.Context, lease Lease, err error) error {
	var e *oauth.Error
	gone := errors.Is(err, oauth.ErrInvalidGrant) || errors.Is(err, oauth.ErrNeedsConsent)
	var end error
	switch {
	case gone && lease.Abandoned():
		end = lease.Fail(ctx, StateError, "refresh_interrupted", "a refresh was interrupted, and its refresh token does not work any more")
	case gone:
		end = lease.Fail(ctx, StateExpired, "invalid_grant", "the service does not take the refresh token any more")
	default:
		uncertain := !errors.As(err, &e) || e.Status == 0
		end = lease.Release(ctx, uncertain)
	}
	if end != nil && !errors.Is(end, ErrFenced) {
		return errors.Join(err, end)
	}
	return err
}

func release(ctx context.Context, lease Lease, uncertain bool) error {
	if err := lease.Release(ctx, uncertain); err != nil && !errors.Is(err, ErrFenced) {
		return err
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(max(d, 5*time.Millisecond))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
