package resolver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/endpoint"
)

// flight is the one token request of an account in this process, and what the
// last one taught.
type flight struct {
	mu      sync.Mutex
	running *attempt
	// After failures nobody asks the endpoint again before notBefore, and nobody
	// looks for another replica's token more often than every lookEvery.
	failures   int
	notBefore  time.Time
	looked     time.Time
	lastErr    error
	endpoint   string // host, where one is known
	generation uint64 // of accounts without a store
	// forced is the generation that a 401 brought about, and when.
	forced   uint64
	forcedAt time.Time
	// provoked is the generation whose rejection was counted last.
	provoked uint64
	// rotated replaced the refresh token of an account without a store. Only the
	// attempt that runs touches it.
	rotated secret.Value
}

const lookEvery = 200 * time.Millisecond

// attempt is a token request that runs; done is closed when cred and err are set.
type attempt struct {
	done chan struct{}
	cred *secret.Credential
	err  error
}

func (c *Credentials) flight(a *Account) *flight {
	if v, ok := c.flights.Load(a.CacheKey); ok {
		return v.(*flight)
	}
	v, _ := c.flights.LoadOrStore(a.CacheKey, &flight{generation: rand.Uint64()})
	return v.(*flight)
}

// Corrected lets an account's token be asked for at once, although it failed a moment
// ago: its credentials, its OAuth client or its connector is another one now. What an
// attempt comes to that runs already says nothing about those. Account is a cache key.
func (c *Credentials) Corrected(account string) { c.flights.Delete(account) }

// force reports whether a 401 to a credential may bring about another one.
func (f *flight) force(rejected *secret.Credential, now time.Time, may func() bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.forced == rejected.Generation && now.Sub(f.forcedAt) < forceEvery {
		return false
	}
	if f.provoked != rejected.Generation {
		if !may() {
			return false
		}
		f.provoked = rejected.Generation
	}
	return true
}

// wait joins the running attempt or starts one. The caller may hang up; the
// attempt goes on for the others. An attempt that began before the caller's
// token was rejected may bring just that: then there is another one.
func (c *Credentials) wait(ctx context.Context, a *Account, rejected *secret.Credential) (*secret.Credential, error) {
	late := time.NewTimer(c.tokenTimeout())
	defer late.Stop()
	for range 3 {
		at, err := c.start(ctx, a, rejected)
		if err != nil {
			return nil, err
		}
		select {
		case <-at.done:
			if at.err != nil || newer(a, at.cred, rejected) {
				return at.cred, at.err
			}
		case <-late.C:
			return nil, &Refusal{Code: "token_endpoint_unavailable", Detail: noToken(a) + fmt.Sprintf(": none came within %v", c.tokenTimeout()),
				Next: "Try again in a minute; if it goes on, tell the operator."}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, &Refusal{Code: "token_endpoint_unavailable", Detail: noToken(a) + ": the service rejects each one", Next: "Tell the operator."}
}

// start begins an attempt unless one runs. Where memory already holds a credential that is newer
// than the rejected one, another request was faster: that one is taken.
func (c *Credentials) start(ctx context.Context, a *Account, rejected *secret.Credential) (*attempt, error) {
	f := c.flight(a)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running != nil {
		return f.running, nil
	}
	now := c.now()
	if cred, ok := c.Cache.Near(a.CacheKey); ok && fits(a, cred, rejected, now) {
		at := &attempt{done: make(chan struct{}), cred: cred}
		close(at.done)
		return at, nil
	}
	if now.Before(f.notBefore) {
		if now.Sub(f.looked).Abs() < lookEvery {
			return nil, f.lastErr
		}
		f.looked = now
	}
	at := &attempt{done: make(chan struct{})}
	f.running = at
	f.generation++
	c.running.Add(1)
	go c.obtain(context.WithoutCancel(ctx), a, f, at, rejected)
	return at, nil
}

// obtain gets a token once and hands it out. It ends by itself: each call that
// it makes is bounded, and so is the time for which it waits for others.
func (c *Credentials) obtain(ctx context.Context, a *Account, f *flight, at *attempt, rejected *secret.Credential) {
	defer c.running.Done()
	ctx, cancel := context.WithTimeout(ctx, c.leaseFor()+c.tokenTimeout())
	defer cancel()
	cred, err := c.request(ctx, a, f, rejected)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		at.err = tokenRefusal(a, err)
		f.fail(c.now(), at.err, err)
	} else {
		at.cred, f.failures, f.notBefore, f.lastErr = cred, 0, time.Time{}, nil
	}
	f.running = nil
	close(at.done)
}

// fail decides for how long nobody asks again. The caller holds mu.
func (f *flight) fail(now time.Time, refusal, err error) {
	var e *oauth.Error
	if errors.As(err, &e) {
		f.endpoint = e.Endpoint
	}
	switch {
	case errors.Is(err, errBackingOff) && now.Before(f.notBefore):
		return // nothing new
	case errors.Is(err, errBackingOff), errors.Is(err, ErrStoreAway):
		f.notBefore = now.Add(lookEvery)
	default:
		f.failures++
		f.notBefore = now.Add(endpoint.Backoff(f.failures, err))
	}
	f.lastErr = refusal
}

// errBackingOff is what an attempt ends with that found no token elsewhere and
// must not ask the endpoint yet.
var errBackingOff = errors.New("the token endpoint is given time to recover")

// mayAsk reports, as an error, that the endpoint must not be asked now: it
// failed a moment ago, for this account or for others of its client.
func (c *Credentials) mayAsk(a *Account, f *flight) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.now().Before(f.notBefore) {
		return errors.Join(errBackingOff, f.lastErr)
	}
	if f.endpoint != "" {
		if err := c.endpoints.Check(endpoint.Key{Host: f.endpoint, Client: a.client()}); err != nil {
			return errors.Join(errBackingOff, err)
		}
	}
	return nil
}

// turn is what one try came to: a credential, or for how long at most to wait
// before the next.
type turn struct {
	cred *secret.Credential
	wait time.Duration
}

// again is a turn after which the next one follows at once: another replica went
// on meanwhile, and its result is taken.
var again = turn{wait: time.Millisecond}

// afterOthers is a turn that found another replica at it, for at most left.
func afterOthers(left time.Duration) turn { return turn{wait: max(left, again.wait)} }

// request looks in the shared cache, then where the account is remembered, and
// asks the token endpoint last.
func (c *Credentials) request(ctx context.Context, a *Account, f *flight, rejected *secret.Credential) (*secret.Credential, error) {
	try := c.turnWithStore
	if a.Store == nil {
		try = c.turnWithLock
	}
	for n := 0; ; n++ {
		changed, stop := c.Cache.Watch(a.CacheKey)
		t, err := try(ctx, a, f, rejected)
		if err == nil && t.cred == nil {
			err = awaitChange(ctx, changed, n, t.wait)
			if err == nil {
				stop()
				continue
			}
		}
		stop()
		return t.cred, err
	}
}

// awaitChange waits until the account's credential changes. It also ends after a
// while, since who is at it may fail or die, and when left is over.
func awaitChange(ctx context.Context, changed <-chan struct{}, n int, left time.Duration) error {
	d := min(50*time.Millisecond<<min(n, 4), left) // up to 800 ms
	t := time.NewTimer(max(d/2+rand.N(d/2+1), 5*time.Millisecond))
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// shared is what the replicas' cache has, if it works and is not what was
// rejected. What memory holds, and does not, stands in nobody's way.
func (c *Credentials) shared(ctx context.Context, a *Account, rejected *secret.Credential) (*secret.Credential, bool) {
	useless := rejected
	if near, ok := c.Cache.Near(a.CacheKey); ok && !fits(a, near, rejected, c.now()) {
		useless = near
	}
	cred, ok := c.Cache.Fetch(ctx, a.CacheKey, useless)
	return cred, ok && fits(a, cred, rejected, c.now())
}

// turnWithLock is one try for an account that only the cache knows.
func (c *Credentials) turnWithLock(ctx context.Context, a *Account, f *flight, rejected *secret.Credential) (turn, error) {
	if cred, ok := c.shared(ctx, a, rejected); ok {
		return turn{cred: cred}, nil
	}
	if err := c.mayAsk(a, f); err != nil {
		return turn{}, err
	}
	unlock, ok := c.Cache.Lock(ctx, a.CacheKey, c.leaseFor())
	if !ok {
		return afterOthers(c.leaseFor()), nil
	}
	defer unlock()
	if cred, ok := c.shared(ctx, a, rejected); ok {
		return turn{cred: cred}, nil // the last holder was faster
	}
	began := c.now()
	tok, err := c.ask(ctx, a, oauth.Request{Fields: a.Fields, RefreshToken: f.rotated}, time.Now().Add(c.leaseFor()))
	if tok != nil && !tok.RefreshToken.IsZero() { // also where a later step failed
		f.rotated = tok.RefreshToken
		if c.Observer != nil && !a.Fields.Get("refresh_token").IsZero() {
			c.Observer.Rotated(a)
		}
	}
	if errors.Is(err, endpoint.ErrTooLate) {
		return again, nil
	}
	if err != nil {
		return turn{}, err
	}
	cred := tok.Credential
	if cred.Fields == nil {
		cred.Fields = a.Fields
	}
	cred.Generation = f.generation
	c.ready(a, &cred, began)
	c.Cache.Put(ctx, a.CacheKey, &cred)
	return turn{cred: &cred}, nil
}

// ready fixes when a new credential is renewed ahead of time.
func (c *Credentials) ready(a *Account, cred *secret.Credential, issued time.Time) {
	cred.RefreshAt = endpoint.Schedule(cred.Expiry, issued, a.Option.OAuth.Margin(), rand.Float64())
}

// ask makes the one call to the token endpoint. It is sent only while there is
// time before the lease ends, and given up before that.
func (c *Credentials) ask(ctx context.Context, a *Account, r oauth.Request, leaseEnds time.Time) (*oauth.Token, error) {
	ends := time.Now().Add(c.tokenTimeout())
	if last := leaseEnds.Add(-c.leaseFor() / 10); last.Before(ends) {
		ends = last
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), ends)
	defer cancel()
	guard := endpoint.NewInTime(c.endpoints.Circuit(a.client(), c.HTTP(a.Connector)), ends)
	r.HTTP, r.App, r.Account, r.Ambient, r.Now = guard, a.App, a.Meta, a.Ambient, c.Now
	began := c.now()
	tok, err := a.Option.OAuth.Token(ctx, r)
	if life := a.Limits.TokenLife; err == nil && life > 0 && tok.Credential.Expiry.IsZero() {
		tok.Credential.Expiry = c.now().Add(life)
	}
	if err != nil && guard.Missed() {
		return tok, errors.Join(endpoint.ErrTooLate, err)
	}
	if c.Observer != nil {
		c.Observer.TokenRequest(a, c.now().Sub(began), err)
	}
	return tok, err
}

// noToken is how a refusal begins.
func noToken(a *Account) string {
	return fmt.Sprintf("no token for account %s of connector %s", a.Name, a.Connector.Key)
}

// tokenRefusal tells the agent why there is no token.
func tokenRefusal(a *Account, err error) error {
	if ref, ok := AsRefusal(err); ok {
		return ref // of an attempt before
	}
	about := noToken(a)
	if errors.Is(err, ErrStoreAway) {
		return &Refusal{Code: "vault_unavailable", Err: err, Detail: about + ": the vault cannot be reached, and the token has ended", Next: "Try again in a few seconds."}
	}
	if errors.Is(err, oauth.ErrInvalidGrant) || errors.Is(err, oauth.ErrNeedsConsent) {
		return &Refusal{Code: "account_expired", ConnectURL: a.ConnectURL, Err: err, Detail: about + ": " + err.Error(), Next: connectStep(a)}
	}
	if errors.Is(err, oauth.ErrInvalidClient) {
		return &Refusal{Code: "account_error", Err: err, Detail: about + ": " + clientRefused(err), Next: "Do not repeat this request. Ask the operator to correct the OAuth client."}
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
