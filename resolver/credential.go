package resolver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/endpoint"
)

// Cache forgets: it holds credentials by an account's cache key.
type Cache interface {
	// Near answers from memory. It is called on every request.
	Near(id string) (*secret.Credential, bool)
	// Fetch returns a credential other than not, by generation: from memory, else
	// from the cache that replicas share, in one round trip.
	Fetch(ctx context.Context, id string, not *secret.Credential) (*secret.Credential, bool)
	// Put replaces the credential here and everywhere, and tells the others.
	Put(ctx context.Context, id string, cred *secret.Credential)
	// Keep puts into memory what was read from where it is remembered.
	Keep(id string, cred *secret.Credential)
	Delete(ctx context.Context, id string)
	// Lock tries to take the right to obtain a token for an account that no vault
	// remembers, among all replicas, for at most ttl.
	Lock(ctx context.Context, id string, ttl time.Duration) (unlock func(), ok bool)
	// Watch returns a channel that is closed when the credential changes anywhere.
	Watch(id string) (changed <-chan struct{}, stop func())
	// Take counts one use of an account that may be used n times in any stretch of
	// time of length per, by all replicas together where they share the cache. When
	// that is used up it returns how long to wait.
	Take(ctx context.Context, id string, n int, per time.Duration) (wait time.Duration, ok bool)
}

// DefaultTokenTimeout bounds one attempt to obtain a token where an operator
// names no other bound.
const DefaultTokenTimeout = 30 * time.Second

// LeaseFor is how long a replica has the right to refresh an account: longer
// than the call may take, so that only a replica that died, was stopped or was
// cut off loses it.
func LeaseFor(tokenTimeout time.Duration) time.Duration { return tokenTimeout * 3 / 2 }

// Credentials obtains what a signer places: pasted values as they are, tokens
// from the cache or from the token endpoint, one request at a time per account.
type Credentials struct {
	// Cache must not be nil.
	Cache Cache
	// HTTP returns the guarded client for a connector's token endpoint.
	HTTP func(*providers.Connector) oauth.Doer
	// Observer hears of token requests; nil means nobody.
	Observer TokenObserver
	// TokenTimeout bounds one token request, all its steps together;
	// DefaultTokenTimeout when zero. The leases of Store are LeaseFor of it.
	TokenTimeout time.Duration
	// Now is time.Now when nil.
	Now func() time.Time

	flights   sync.Map // cache key → *flight
	endpoints endpoint.Set
	running   sync.WaitGroup
}

// TokenObserver hears of token requests. It must not block.
type TokenObserver interface {
	TokenRequest(account *Account, took time.Duration, err error)
	// Rotated hears that the service replaced the refresh token of an account that
	// no vault remembers: the new one is in this process alone.
	Rotated(account *Account)
}

// For returns a credential that works now, as far as we know. A rejected
// credential is one that the service answered 401 to: it is not returned again.
func (c *Credentials) For(ctx context.Context, a *Account, rejected *secret.Credential) (*secret.Credential, error) {
	if a.static != nil {
		return a.static, nil
	}
	if a.Option.OAuth == nil {
		return nil, fmt.Errorf("option %s of connector %s obtains no token", a.Option.Name, a.Connector.Key)
	}
	now := c.now()
	if cred, ok := c.Cache.Near(a.CacheKey); ok && fits(a, cred, rejected, now) {
		if !cred.RefreshAt.IsZero() && now.After(cred.RefreshAt) && !a.Limits.NoRefresh {
			c.start(ctx, a, cred) // in the background, while this one still works
		}
		return cred, nil
	}
	return c.wait(ctx, a, rejected)
}

// Refresh replaces an account's token now, whether or not it still works.
func (r *Resolver) Refresh(ctx context.Context, a *Account) error {
	if !r.credentials.CanRefresh(a) {
		return ErrNoRefresh
	}
	old, ok := r.credentials.Cache.Near(a.CacheKey)
	if a.Store != nil {
		s, err := a.Store.Stored(ctx, a.ID)
		if err != nil {
			return err
		}
		old = &s.Credential
	} else if !ok {
		old, _ = r.credentials.Cache.Fetch(ctx, a.CacheKey, nil)
	}
	_, err := r.credentials.wait(ctx, a, old)
	return err
}

// ErrNoRefresh means that the account has nothing that could be refreshed.
var ErrNoRefresh = errors.New("this account has no token to refresh")

// CanRefresh reports whether a 401 can be answered with another token.
func (c *Credentials) CanRefresh(a *Account) bool { return a.static == nil && a.Option.OAuth != nil }

// forceEvery is how often a service that answers 401 to every token may make
// us fetch another.
const forceEvery = 30 * time.Second

// Force returns another credential than the rejected one. A service that
// rejects a forced token at once gets no further one for a while, and may is
// asked once for each credential that is rejected, however many requests got
// the 401: where it says no as well ok is false and the 401 is the answer.
func (c *Credentials) Force(ctx context.Context, a *Account, rejected *secret.Credential, may func() bool) (cred *secret.Credential, ok bool, err error) {
	f := c.flight(a)
	if !f.force(rejected, c.now(), may) {
		return nil, false, nil
	}
	cred, err = c.For(ctx, a, rejected)
	if err != nil {
		return nil, true, err
	}
	f.mu.Lock()
	f.forced, f.forcedAt = cred.Generation, c.now()
	f.mu.Unlock()
	return cred, true, nil
}

// fits reports whether a credential works, belongs to the account as it is
// now, and is newer than one that was rejected.
func fits(a *Account, cred, rejected *secret.Credential, now time.Time) bool {
	return endpoint.Works(cred, now) && cred.Generation >= a.oldest() && newer(a, cred, rejected)
}

// newer reports whether cred came after old. A store counts generations up;
// without one they are only different.
func newer(a *Account, cred, old *secret.Credential) bool {
	switch {
	case old == nil:
		return true
	case a.Store != nil:
		return cred.Generation > old.Generation
	}
	return cred.Generation != old.Generation
}

// Wait waits until no token request runs, or ctx ends. A process that ends
// before that may lose a refresh token which the service has just replaced.
func (c *Credentials) Wait(ctx context.Context) {
	done := make(chan struct{})
	go func() { c.running.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (c *Credentials) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// tokenTimeout bounds one token request.
func (c *Credentials) tokenTimeout() time.Duration {
	if c.TokenTimeout > 0 {
		return c.TokenTimeout
	}
	return DefaultTokenTimeout
}

func (c *Credentials) leaseFor() time.Duration { return LeaseFor(c.tokenTimeout()) }

// client is as whom the account asks at a token endpoint: the connector's OAuth
// client, which its accounts share, or itself where it has none.
func (a *Account) client() string {
	for _, vs := range []secret.Values{a.App, a.Fields} {
		if id := vs.Get("client_id").Reveal(); id != "" {
			return a.Connector.Key + "\n" + id
		}
	}
	return a.CacheKey
}
