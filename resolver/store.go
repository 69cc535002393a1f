package resolver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/endpoint"
)

// Store remembers the tokens of accounts beyond this process and decides, between
// replicas, who may refresh. Accounts of the Caddyfile have none.
type Store interface {
	// Stored returns what is remembered now.
	Stored(ctx context.Context, account string) (Stored, error)
	// Lease takes the right to refresh, for LeaseFor of the token timeout. It
	// returns a *LeasedError while another replica holds it.
	Lease(ctx context.Context, account string) (Lease, error)
}

// ErrStoreAway is what errors of a Store match that may be over in a moment.
var ErrStoreAway = errors.New("the store of accounts is away")

// Stored are an account's tokens as they are remembered. The credential's
// Generation counts them.
type Stored struct {
	Credential   secret.Credential
	RefreshToken secret.Value
	State        State
}

// LeasedError says that another replica is refreshing the account.
type LeasedError struct{ Left time.Duration }

func (e *LeasedError) Error() string {
	return fmt.Sprintf("another replica is refreshing, for at most %v", e.Left)
}

// ErrFenced says that a lease was lost meanwhile: the result was not stored.
var ErrFenced = errors.New("the lease was lost")

// ErrRevoked matches ErrFenced: somebody revoked the account meanwhile.
var ErrRevoked = fmt.Errorf("%w: the account was revoked", ErrFenced)

// Lease is the right to refresh one account. Begin writes the intent before the
// call; Save, Fail or Release end the lease.
type Lease interface {
	// Stored is what was remembered when the lease was given.
	Stored() Stored
	// Abandoned says that a former holder began a call whose outcome nobody
	// knows; orphan, that it did not give the lease back and may still come.
	Abandoned() (abandoned, orphan bool)
	Begin(ctx context.Context) error
	// Save commits the answer. When it returns, the tokens may be used. After
	// ErrRevoked from here or from Fail the lease is still to be released.
	Save(ctx context.Context, t *oauth.Token) (*secret.Credential, error)
	// Fail records that the service refused for good.
	Fail(ctx context.Context, to State, code, detail string) error
	// Release ends the lease without a result. Uncertain means that nobody
	// knows what the call did: no answer came. Why is nil where there was no call.
	Release(ctx context.Context, uncertain bool, why error) error
}

// errNoAutoRefresh is for accounts whose tokens only a person renews.
var errNoAutoRefresh = fmt.Errorf("the token has ended, and this account is not refreshed by itself: %w", oauth.ErrNeedsConsent)

// turnWithStore is one try for an account with a store: what is in the shared
// cache or remembered, if it works, else one refresh by one replica, committed
// before it is used.
func (c *Credentials) turnWithStore(ctx context.Context, a *Account, f *flight, rejected *secret.Credential) (turn, error) {
	if cred, ok := c.shared(ctx, a, rejected); ok {
		return turn{cred: cred}, nil
	}
	s, err := a.Store.Stored(ctx, a.ID)
	if err != nil {
		return turn{}, err
	}
	if cred, ok := c.remembered(a, &s, rejected); ok {
		return turn{cred: cred}, nil
	}
	if err := s.usableAs(a); err != nil {
		return turn{}, err
	}
	if a.Limits.NoRefresh {
		return turn{}, errNoAutoRefresh
	}
	if err := c.mayAsk(a, f); err != nil {
		return turn{}, err
	}
	asked := time.Now()
	lease, err := a.Store.Lease(ctx, a.ID)
	var held *LeasedError
	if errors.As(err, &held) {
		return afterOthers(held.Left), nil
	}
	if err != nil {
		return turn{}, err
	}
	cred, err := c.refresh(ctx, a, lease, rejected, asked.Add(c.leaseFor()))
	if errors.Is(err, ErrFenced) {
		return again, nil // another replica went on: take its result
	}
	return turn{cred: cred}, err
}

// usableAs refuses an account that stopped to be active since the caller read it:
// another replica, which had the lease before, found that only a person can help.
// An account that was not active then is being tried on purpose, unless it was
// revoked since.
func (s *Stored) usableAs(a *Account) error {
	if s.State != StateRevoked && (a.State != StateActive || s.State == StateActive) {
		return nil
	}
	return usable(&Account{State: s.State, Name: a.Name, Connector: a.Connector, ConnectURL: a.ConnectURL})
}

// remembered is what the store has, if it works and is newer than what was
// rejected. It is kept in memory from now on.
func (c *Credentials) remembered(a *Account, s *Stored, rejected *secret.Credential) (*secret.Credential, bool) {
	cred := s.Credential
	c.ready(a, &cred, c.now())
	if cred.Token.IsZero() || !fits(a, &cred, rejected, c.now()) {
		return nil, false
	}
	c.Cache.Keep(a.CacheKey, &cred)
	return &cred, true
}

// orphanGrace is how long an abandoned call may still come to an end: its replica
// may have been stopped or cut off, and may know the new refresh token.
const orphanGrace = 2 * time.Second

// refresh makes the one call while the lease is ours, which it is until ends.
func (c *Credentials) refresh(ctx context.Context, a *Account, lease Lease, rejected *secret.Credential, ends time.Time) (*secret.Credential, error) {
	s := lease.Stored()
	if cred, ok := c.remembered(a, &s, rejected); ok { // the last holder was faster
		return cred, release(ctx, lease)
	}
	if err := s.usableAs(a); err != nil {
		return nil, errors.Join(err, release(ctx, lease))
	}
	if _, orphan := lease.Abandoned(); orphan {
		changed, stop := c.Cache.Watch(a.CacheKey)
		err := rest(ctx, changed, orphanGrace)
		stop()
		if err != nil {
			return nil, errors.Join(err, release(ctx, lease))
		}
	}
	if err := lease.Begin(ctx); err != nil {
		return nil, err
	}
	began := c.now()
	tok, err := c.ask(ctx, a, oauth.Request{Fields: s.Credential.Fields, RefreshToken: s.RefreshToken, Token: s.Credential.Token}, ends)
	switch {
	case err == nil:
	case tok != nil && !tok.RefreshToken.IsZero(): // a later step failed: what was rotated must not be lost
		_, saved := c.commit(ctx, lease, &oauth.Token{Credential: s.Credential, RefreshToken: tok.RefreshToken})
		if errors.Is(saved, ErrRevoked) {
			c.takeBack(ctx, a, lease, tok)
		}
		return nil, errors.Join(err, saved)
	default:
		return nil, c.refreshFailed(ctx, a, lease, err)
	}
	cred, err := c.commit(ctx, lease, tok)
	if errors.Is(err, ErrRevoked) {
		c.takeBack(ctx, a, lease, tok)
	}
	if err != nil {
		return nil, err
	}
	c.ready(a, cred, began)
	c.Cache.Put(ctx, a.CacheKey, cred)
	return cred, nil
}

// keepTrying is for how long an answer that cannot be stored is not given up.
const keepTrying = 10 * time.Minute

// commit stores an answer. While the store is away it tries on: the service has
// replaced the refresh token, and the new one is only here.
func (c *Credentials) commit(ctx context.Context, lease Lease, t *oauth.Token) (*secret.Credential, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTrying)
	defer cancel()
	for unknown := 0; ; {
		once, done := context.WithTimeout(ctx, 10*time.Second)
		cred, err := lease.Save(once, t)
		done()
		if err == nil || errors.Is(err, ErrFenced) {
			return cred, err
		}
		if !errors.Is(err, ErrStoreAway) {
			if unknown++; unknown > 10 { // not an outage
				return nil, err
			}
		}
		if rest(ctx, nil, 100*time.Millisecond+rand.N(200*time.Millisecond)) != nil {
			return nil, err
		}
	}
}

// refreshFailed records what the failure means for the account. A failure of
// the endpoint changes no state; invalid_grant does, and after an abandoned
// call it is an error of ours and not a revocation.
// An account that waits for its first token goes on waiting.
func (c *Credentials) refreshFailed(ctx context.Context, a *Account, lease Lease, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	gone := errors.Is(err, oauth.ErrInvalidGrant) || errors.Is(err, oauth.ErrNeedsConsent)
	abandoned, _ := lease.Abandoned()
	var end error
	switch {
	case a.State == StatePending && !errors.Is(err, endpoint.ErrTooLate):
		end = lease.Release(ctx, abandoned || uncertain(err), err)
	case errors.Is(err, oauth.ErrInvalidClient):
		end, gone = lease.Fail(ctx, StateError, CodeInvalidClient, clientRefused(err)), true
	case gone && abandoned:
		end = lease.Fail(ctx, StateError, "refresh_interrupted", "a refresh was interrupted, and its refresh token does not work any more")
	case gone:
		end = lease.Fail(ctx, StateExpired, "invalid_grant", "the service does not take the refresh token any more")
	case errors.Is(err, endpoint.ErrTooLate):
		return errors.Join(ErrFenced, lease.Release(ctx, abandoned, nil)) // as good as lost: from the beginning
	default: // a call that failed clearly says nothing about one that was abandoned
		end = lease.Release(ctx, abandoned || uncertain(err), err)
	}
	if errors.Is(end, ErrRevoked) {
		_ = release(ctx, lease) // the service had forgotten it before
	}
	if errors.Is(end, ErrFenced) && gone {
		return ErrFenced // the refusal was about a token that is not ours any more
	}
	if end != nil && !errors.Is(end, ErrFenced) {
		return errors.Join(err, end)
	}
	return err
}

// CodeInvalidClient is why accounts are in error whose OAuth client is refused. They
// work again when it is corrected.
const CodeInvalidClient = "invalid_client"

// clientRefused is the sentence about it, for the account and for agents.
func clientRefused(err error) string {
	var e *oauth.Error
	_ = errors.As(err, &e)
	return "the service refuses the OAuth client, whose id or secret is wrong: " + e.Error()
}

// uncertain reports whether the endpoint may have done what it was asked for
// although no token came: no answer, one of a gateway, or one that cannot be read.
func uncertain(err error) bool {
	var e *oauth.Error
	return errors.As(err, &e) && !e.Unsent && (e.Status < 300 || e.Status >= 500)
}

// release gives back a lease that was not used.
func release(ctx context.Context, lease Lease) error {
	abandoned, _ := lease.Abandoned()
	if err := lease.Release(context.WithoutCancel(ctx), abandoned, nil); err != nil && !errors.Is(err, ErrFenced) && !errors.Is(err, ErrStoreAway) {
		return err
	}
	return nil
}

// rest waits for d or until changed; it returns ctx's error if that ends first.
func rest(ctx context.Context, changed <-chan struct{}, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
