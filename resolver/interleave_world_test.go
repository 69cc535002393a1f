package resolver_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
)

// simTimeout is the token timeout of the simulated replicas; their leases are
// half as long again.
const simTimeout = 4 * time.Second

// mutant leaves something out of the protocol, to show that the checker notices.
type mutant struct {
	noFence     bool // Save stores whoever holds the lease
	noIntent    bool // Begin writes nothing
	noLease     bool // everybody gets the lease
	staleRead   bool // what the lease shows was read before it was taken
	lateSend    bool // the request goes out some time after it was looked at the clock
	earlyUse    bool // Save returns before it commits
	forgetsLoss bool // Release forgets that a former call was abandoned
	dropsLate   bool // an answer for an account that was revoked is thrown away
	revokesOnly bool // who revokes takes the lease away instead of waiting for it
}

// sim is a store with leases, and a provider, for one account. What they do is
// one step each; a scheduler decides whose step is next.
type sim struct {
	m        mutant
	rotates  bool
	mu       sync.Mutex
	replicas []*simReplica

	// the store
	stored    resolver.Stored
	reason    string
	owner     *simReplica
	until     time.Time
	fence     int
	intent    bool
	orphan    bool
	calling   bool            // the holder of the lease has written its intent
	committed map[string]bool // access tokens
	// the provider
	issued     int
	current    string // refresh token
	killed     bool
	pending    *simReplica // was answered with a new refresh token that is not committed yet
	requests   int
	lost       bool // an answer that nobody could store
	dropped    bool // … because its receiver died or had given it up; or so did who revoked
	revoked    bool // the service was asked to forget the refresh token that lives
	violations []string
	away       int // how often Save finds the store away
	paused     bool
}

func newSim(m mutant, rotates bool) *sim {
	s := &sim{m: m, rotates: rotates, current: "r0", committed: map[string]bool{"a0": true}}
	s.stored = resolver.Stored{State: resolver.StateActive, RefreshToken: secret.New("r0"),
		Credential: secret.Credential{Token: secret.New("a0"), Expiry: time.Now().Add(-time.Second), Generation: 1}}
	return s
}

func (s *sim) violate(format string, args ...any) {
	s.violations = append(s.violations, fmt.Sprintf(format, args...))
}

// simReplica is one process: real Credentials over the simulated rest.
type simReplica struct {
	s       *sim
	name    string
	creds   *resolver.Credentials
	acct    *resolver.Account
	cache   simCache
	waiting *simOp // what it does next
	crashed bool
	cancel  context.CancelFunc
	done    bool
	err     error
}

type simOp struct {
	name string
	go_  chan bool // false: the process dies here
}

// step waits until the scheduler lets the replica go on.
func (r *simReplica) step(name string) {
	op := &simOp{name, make(chan bool)}
	r.s.mu.Lock()
	r.waiting = op
	r.s.mu.Unlock()
	if !<-op.go_ {
		runtime.Goexit()
	}
}

// Stored implements resolver.Store.
func (r *simReplica) Stored(context.Context, string) (resolver.Stored, error) {
	r.step("read")
	return r.s.stored, nil
}

// Lease implements resolver.Store.
func (r *simReplica) Lease(context.Context, string) (resolver.Lease, error) {
	s := r.s
	before := s.stored
	r.step("lease")
	if !s.m.staleRead {
		before = s.stored
	}
	if left := time.Until(s.until); s.owner != nil && left > 0 && !s.m.noLease {
		return nil, &resolver.LeasedError{Left: left}
	}
	s.fence++
	l := &simLease{r, s.fence, before, s.intent, s.intent && s.orphan}
	s.owner, s.until, s.calling = r, time.Now().Add(resolver.LeaseFor(simTimeout)), false
	return l, nil
}

type simLease struct {
	r                 *simReplica
	fence             int
	stored            resolver.Stored
	abandoned, orphan bool
}

func (l *simLease) held() bool { return l.r.s.fence == l.fence || l.r.s.m.noFence || l.r.s.m.noLease }

func (l *simLease) Stored() resolver.Stored             { return l.stored }
func (l *simLease) Abandoned() (abandoned, orphan bool) { return l.abandoned, l.orphan }

func (l *simLease) Begin(context.Context) error {
	l.r.step("begin")
	if !l.held() {
		return resolver.ErrFenced
	}
	if !l.r.s.m.noIntent {
		l.r.s.intent, l.r.s.orphan = true, true
	}
	l.r.s.calling = true
	return nil
}

// end gives the lease back.
func (l *simLease) end() {
	s := l.r.s
	s.owner, s.until, s.orphan = nil, time.Time{}, false
	s.fence++
}

// Save is vault's Save and SaveLate.
func (l *simLease) Save(_ context.Context, t *oauth.Token) (*secret.Credential, error) {
	s, cred := l.r.s, t.Credential
	if s.m.earlyUse {
		cred.Generation = l.stored.Credential.Generation + 1
		go func() { l.r.step("save"); l.commit(t) }()
		return &cred, nil
	}
	l.r.step("save")
	if s.away > 0 {
		s.away--
		return nil, resolver.ErrStoreAway
	}
	if s.stored.State == resolver.StateRevoked && !s.m.dropsLate {
		return nil, resolver.ErrRevoked
	}
	if !l.commit(t) {
		return nil, resolver.ErrFenced
	}
	cred.Generation = s.stored.Credential.Generation
	return &cred, nil
}

func (l *simLease) commit(t *oauth.Token) bool {
	s := l.r.s
	if !l.held() && s.stored.Credential.Generation != l.stored.Credential.Generation || s.stored.State == resolver.StateRevoked {
		return false
	}
	var was, is int
	fmt.Sscanf(s.stored.Credential.Token.Reveal(), "a%d", &was)
	fmt.Sscanf(t.Credential.Token.Reveal(), "a%d", &is)
	if is <= was {
		s.violate("%s stored a%d over the newer a%d", l.r.name, is, was)
	}
	gen := s.stored.Credential.Generation
	s.stored.Credential = t.Credential
	s.stored.Credential.Generation, s.stored.State, s.reason = gen+1, resolver.StateActive, ""
	if !t.RefreshToken.IsZero() {
		s.stored.RefreshToken = t.RefreshToken
		if t.RefreshToken.Reveal() == s.current {
			s.pending = nil
		}
	}
	s.committed[t.Credential.Token.Reveal()] = true
	s.intent = !l.held() // a late one; see vault's SaveLate
	l.end()
	for _, r := range s.replicas {
		r.cache.drop()
	}
	return true
}

func (l *simLease) Fail(_ context.Context, to resolver.State, code, _ string) error {
	l.r.step("fail")
	if l.r.s.stored.State == resolver.StateRevoked {
		return resolver.ErrRevoked
	}
	if !l.held() || l.r.s.stored.Credential.Generation != l.stored.Credential.Generation {
		return resolver.ErrFenced
	}
	l.r.s.stored.State, l.r.s.reason, l.r.s.intent = to, code, false
	l.end()
	return nil
}

func (l *simLease) Release(_ context.Context, uncertain bool, _ error) error {
	l.r.step("release")
	if !l.held() {
		return resolver.ErrFenced
	}
	l.r.s.intent = l.r.s.intent && uncertain && !l.r.s.m.forgetsLoss
	l.end()
	return nil
}

// Do is the token endpoint: the request arrives, and later its answer does.
func (r *simReplica) Do(req *http.Request) (*http.Response, error) {
	s := r.s
	if req.URL.Path == "/then" {
		r.step("then")
		return &http.Response{StatusCode: 500, Body: io.NopCloser(strings.NewReader("no")), Request: req}, nil
	}
	if req.URL.Path == "/revoke" {
		return r.forget(req)
	}
	var body []byte
	var err error
	if s.m.lateSend {
		body, err = io.ReadAll(req.Body)
	}
	r.step("send")
	if !s.m.lateSend {
		body, err = io.ReadAll(req.Body)
	}
	if err != nil {
		return nil, err
	}
	form, _ := url.ParseQuery(string(body))
	status, answer := s.answer(r, form.Get("refresh_token"))
	r.step("answer")
	if err := req.Context().Err(); err != nil {
		if s.pending == r {
			s.lost, s.dropped, s.pending = true, true, nil // nobody waited for it any more
		}
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(answer)), Request: req}, nil
}

// answer is what the provider does with a refresh token. One that it replaced
// kills the family.
func (s *sim) answer(r *simReplica, refresh string) (int, string) {
	s.requests++
	if s.revoked {
		return 400, `{"error":"invalid_grant"}`
	}
	if s.killed || refresh != s.current {
		if !s.killed && !s.lost && s.pending == nil {
			s.violate("%s used %s, which had been replaced by %s and stored", r.name, refresh, s.current)
		}
		if s.pending != nil && !s.lost {
			s.violate("%s used %s while %s was at work with it", r.name, refresh, s.pending.name)
		}
		s.killed = true
		return 400, `{"error":"invalid_grant"}`
	}
	s.issued++
	next := ""
	if s.rotates {
		s.current, s.pending = fmt.Sprintf("r%d", s.issued), r
		next = fmt.Sprintf(`,"refresh_token":%q`, s.current)
	}
	return 200, fmt.Sprintf(`{"access_token":"a%d","token_type":"Bearer","expires_in":3600%s}`, s.issued, next)
}

// forget is the revocation endpoint. A refresh token that was replaced before is
// nothing to it, and it says so to nobody (RFC 7009 §2.2).
func (r *simReplica) forget(req *http.Request) (*http.Response, error) {
	r.step("revoke")
	if err := req.Context().Err(); err != nil {
		r.s.dropped = true // the service was too slow
		return nil, err
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, _ := url.ParseQuery(string(body))
	r.s.revoked = r.s.revoked || form.Get("token") == r.s.current
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// close is vault's Revoke: the account is of no use from now on. It returns what
// the account had.
func (s *sim) close() resolver.Stored {
	had := s.stored
	s.stored = resolver.Stored{State: resolver.StateRevoked, Credential: secret.Credential{Generation: had.Credential.Generation + 1}}
	if s.owner == nil || !s.calling || s.m.revokesOnly {
		s.owner, s.until = nil, time.Time{}
		s.fence++
		s.intent = s.intent && !s.m.revokesOnly
	}
	return had
}

// simCache is a memory without a clock.
type simCache struct {
	mu      sync.Mutex
	cred    *secret.Credential
	waiters []chan struct{}
}

func (c *simCache) Near(string) (*secret.Credential, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cred, c.cred != nil
}

func (c *simCache) Fetch(_ context.Context, _ string, not *secret.Credential) (*secret.Credential, bool) {
	cred, ok := c.Near("")
	if !ok || not != nil && cred.Generation == not.Generation {
		return nil, false
	}
	return cred, true
}

func (c *simCache) Put(_ context.Context, _ string, cred *secret.Credential) { c.Keep("", cred) }
func (c *simCache) Keep(_ string, cred *secret.Credential) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cred = cred
}
func (c *simCache) Delete(context.Context, string) { c.drop() }
func (c *simCache) Lock(context.Context, string, time.Duration) (func(), bool) {
	return func() {}, true
}

func (c *simCache) Take(context.Context, string, int, time.Duration) (time.Duration, bool) {
	return 0, true
}

func (c *simCache) Watch(string) (<-chan struct{}, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan struct{})
	c.waiters = append(c.waiters, ch)
	return ch, func() {}
}

func (c *simCache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cred = nil
	for _, ch := range c.waiters {
		close(ch)
	}
	c.waiters = nil
}
