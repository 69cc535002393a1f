package resolver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
)

// Cache forgets: it holds credentials by an account's cache key. Get is called on every
// request and answers from memory.
type Cache interface {
	Get(ctx context.Context, id string) (*secret.Credential, bool)
	Put(ctx context.Context, id string, cred *secret.Credential)
	Delete(ctx context.Context, id string)
}

// tokenTimeout bounds one attempt to obtain a token.
const tokenTimeout = 30 * time.Second

// Credentials obtains what a signer places: pasted values as they are, tokens
// from the cache or from the token endpoint, one request at a time per account.
type Credentials struct {
	// Cache must not be nil.
	Cache Cache
	// HTTP returns the guarded client for a connector's token endpoint.
	HTTP func(*providers.Connector) oauth.Doer
	// Observer hears of token requests; nil means nobody.
	Observer TokenObserver
	// Now is time.Now when nil.
	Now func() time.Time

	flights sync.Map // cache key → *flight
}

// TokenObserver hears of token requests. It must not block.
type TokenObserver interface {
	TokenRequest(account *Account, took time.Duration, err error)
}

// flight is the one token request of an account, and what the last one taught.
type flight struct {
	mu      sync.Mutex
	running *attempt
	// After failures nobody asks again before notBefore.
	failures   int
	notBefore  time.Time
	lastErr    error
	generation uint64
	// forced is the generation that a 401 brought about, and when.
	forced   uint64
	forcedAt time.Time
}

// attempt is a token request that runs; done is closed when cred and err are set.
type attempt struct {
	done chan struct{}
	cred *secret.Credential
	err  error
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
	if cred, ok := c.Cache.Get(ctx, a.CacheKey); ok && works(cred, now) && !same(cred, rejected) {
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
	old, ok := r.credentials.Cache.Get(ctx, a.CacheKey)
	if !ok && a.Store != nil {
		s, err := a.Store.Stored(ctx, a.ID)
		if err != nil {
			return err
		}
		old = &s.Credential
	}
	_, err := r.credentials.wait(ctx, a, old)
	return err
}

// Revoke asks the service to forget an account's tokens. It returns
// oauth.ErrCannotRevoke where the service has no way to: then they live on there
// until they end, or until somebody removes them in the service's own settings.
func (r *Resolver) Revoke(ctx context.Context, a *Account) error {
	if a.Option.OAuth == nil || a.Store == nil {
		return oauth.ErrCannotRevoke
	}
	s, err := a.Store.Stored(ctx, a.ID)
	if err != nil {
		return err
	}
	c := r.credentials
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	return a.Option.OAuth.Revoke(ctx, oauth.Request{
		HTTP: c.HTTP(a.Connector), App: a.App, Fields: s.Credential.Fields, Account: a.Meta,
		RefreshToken: s.RefreshToken, Token: s.Credential.Token, Now: c.Now,
	})
}

// ErrNoRefresh means that the account has nothing that could be refreshed.
var ErrNoRefresh = errors.New("this account has no token to refresh")

// CanRefresh reports whether a 401 can be answered with another token.
func (c *Credentials) CanRefresh(a *Account) bool { return a.static == nil && a.Option.OAuth != nil }

// forceEvery is how often a service that answers 401 to every token may make
// us fetch another.
const forceEvery = 30 * time.Second

// Force returns another credential than the rejected one. A service that
// rejects a forced token at once gets no further one for a while: then ok is
// false and its 401 is the answer.
func (c *Credentials) Force(ctx context.Context, a *Account, rejected *secret.Credential) (cred *secret.Credential, ok bool, err error) {
	v, _ := c.flights.LoadOrStore(a.CacheKey, newFlight())
	f := v.(*flight)
	f.mu.Lock()
	again := f.forced == rejected.Generation && c.now().Sub(f.forcedAt) < forceEvery
	f.mu.Unlock()
	if again {
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

func newFlight() *flight { return &flight{generation: rand.Uint64()} }

// works reports whether the token has life left. The margin covers the way to
// the service; for very short tokens it is a tenth of their life.
func works(cred *secret.Credential, now time.Time) bool {
	if cred.Expiry.IsZero() {
		return true
	}
	margin := 5 * time.Second
	if life := cred.Expiry.Sub(cred.RefreshAt); !cred.RefreshAt.IsZero() && life/5 < margin {
		margin = life / 5
	}
	return !cred.Expired(now, margin)
}

func same(a, b *secret.Credential) bool {
	return a != nil && b != nil && a.Generation == b.Generation
}

// wait joins the running attempt or starts one. The caller may hang up; the
// attempt goes on for the others.
func (c *Credentials) wait(ctx context.Context, a *Account, rejected *secret.Credential) (*secret.Credential, error) {
	at, err := c.start(ctx, a, rejected)
	if err != nil {
		return nil, err
	}
	select {
	case <-at.done:
		return at.cred, at.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// start begins an attempt unless one runs. Where the cache already holds a
// newer credential than old, another request was faster: that one is taken.
func (c *Credentials) start(ctx context.Context, a *Account, old *secret.Credential) (*attempt, error) {
	v, _ := c.flights.LoadOrStore(a.CacheKey, newFlight())
	f := v.(*flight)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running != nil {
		return f.running, nil
	}
	now := c.now()
	if cred, ok := c.Cache.Get(ctx, a.CacheKey); ok && works(cred, now) && (old == nil || !same(cred, old)) {
		at := &attempt{done: make(chan struct{}), cred: cred}
		close(at.done)
		return at, nil
	}
	if now.Before(f.notBefore) {
		return nil, f.lastErr
	}
	at := &attempt{done: make(chan struct{})}
	f.running = at
	f.generation++
	go c.obtain(context.WithoutCancel(ctx), a, f, at, old)
	return at, nil
}

// obtain asks the token endpoint, or the account's store, once and hands out what came.
func (c *Credentials) obtain(ctx context.Context, a *Account, f *flight, at *attempt, old *secret.Credential) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	began := c.now()
	cred, err := c.request(ctx, a, old)
	if c.Observer != nil {
		c.Observer.TokenRequest(a, c.now().Sub(began), err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		at.err = tokenRefusal(a, err)
		f.lastErr = at.err
		f.failures++
		f.notBefore = c.now().Add(backoff(f.failures, err))
	} else {
		if a.Store == nil {
			cred.Generation = f.generation
		}
		schedule(cred, began, a.Option.OAuth.Margin())
		c.Cache.Put(ctx, a.CacheKey, cred)
		at.cred, f.failures, f.notBefore, f.lastErr = cred, 0, time.Time{}, nil
	}
	f.running = nil
	close(at.done)
}

func (c *Credentials) request(ctx context.Context, a *Account, old *secret.Credential) (*secret.Credential, error) {
	if a.Store != nil {
		return c.shared(ctx, a, old)
	}
	tok, err := a.Option.OAuth.Token(ctx, oauth.Request{
		HTTP: c.HTTP(a.Connector), App: a.App, Fields: a.Fields, Account: a.Meta, Now: c.Now,
	})
	if err != nil {
		return nil, err
	}
	cred := tok.Credential
	if cred.Fields == nil {
		cred.Fields = a.Fields
	}
	return &cred, nil
}

// schedule fixes when a new token is fetched ahead of time: at the larger of
// 60 s and a tenth of its life before the end, but not in its first half, and
// with jitter so that many accounts do not ask at once.
func schedule(cred *secret.Credential, issued time.Time, margin time.Duration) {
	if cred.Expiry.IsZero() {
		return
	}
	life := cred.Expiry.Sub(issued)
	if margin == 0 {
		margin = max(time.Minute, life/10)
		margin += rand.N(margin/10 + 1)
	}
	cred.RefreshAt = cred.Expiry.Add(-min(margin, life/2))
}

// backoff is how long nobody asks again after n failures in a row: from half a
// second, doubling up to a minute, with jitter; longer where the endpoint says so.
func backoff(n int, err error) time.Duration {
	d := 500 * time.Millisecond << min(n-1, 7)
	d = min(d, time.Minute)
	d = d/2 + rand.N(d/2+1)
	var e *oauth.Error
	if errors.As(err, &e) {
		d = max(d, min(e.RetryAfter, 5*time.Minute))
	}
	return d
}

// tokenRefusal tells the agent why there is no token.
func tokenRefusal(a *Account, err error) error {
	about := fmt.Sprintf("no token for account %s of connector %s", a.Name, a.Connector.Key)
	switch {
	case errors.Is(err, oauth.ErrInvalidGrant), errors.Is(err, oauth.ErrNeedsConsent):
		return &Refusal{Code: "account_expired", ConnectURL: a.ConnectURL, Err: err, Detail: about + ": " + err.Error(), Next: connectStep(a)}
	}
	var e *oauth.Error
	if errors.As(err, &e) && e.Temporary {
		return &Refusal{Code: "token_endpoint_unavailable", Err: err, Detail: about + ": " + e.Error(), Next: "Try again in a minute; if it goes on, tell the operator."}
	}
	if errors.As(err, &e) {
		return &Refusal{Code: "token_endpoint_unavailable", Err: err, Detail: about + ": " + e.Error(), Next: "Do not repeat this request. Tell the operator what the token endpoint said."}
	}
	return &Refusal{Code: "token_endpoint_unavailable", Err: err, Detail: about, Next: "Tell the operator; the log has the cause."}
}

func (c *Credentials) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}
