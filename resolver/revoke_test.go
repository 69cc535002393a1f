package resolver_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/providerstest"
	"github.com/attache-proxy/attache/resolver"
)

const simRevocable = "key: svc\nhosts: [svc.example]\nauth: {oauth: {type: oauth2, authorize_url: 'https://idp.test/a', token_url: 'https://idp.test/t', revoke_url: 'https://idp.test/revoke'}}\n"

// revoker starts a replica on which an operator revokes the account.
func (s *sim) revoker(c *providers.Connector, o *providers.Option) *simReplica {
	r := s.replica("R", c, o)
	go func() {
		r.step("close")
		err := r.creds.Revoke(context.Background(), r.acct, s.close())
		s.mu.Lock()
		defer s.mu.Unlock()
		r.done, r.err = true, err
	}()
	return r
}

// exploreRevoke tries every order of a refresh and a revocation.
func exploreRevoke(t *testing.T, b walkBudget, m mutant, rotates bool) (v verdict) {
	t.Helper()
	c := providerstest.Connector(t, simRevocable)
	option, _ := c.Option("")
	synctest.Test(t, func(t *testing.T) {
		for e := (&explorer{}); ; {
			v.runs++
			s, left := newSim(m, rotates), b
			r := s.revoker(c, option)
			for i := range b.replicas {
				s.join(string(rune('A'+i)), c, option, nil)
			}
			trace := s.schedule(e.picker(&left))
			s.checkRevoked(r, left != b)
			if len(s.violations) > 0 {
				v.violation, v.trace = s.violations[0], strings.Join(trace, " ")
				return
			}
			if !e.next() {
				return
			}
		}
	})
	return v
}

// checkRevoked: nothing is left that works, here or at the service, unless a
// process died that alone could have told the service; and what the operator is
// told is true.
func (s *sim) checkRevoked(r *simReplica, disturbed bool) {
	dead := s.revoked || s.killed
	if r.crashed {
		return // before it began, or the operator has no answer
	}
	if s.stored.State != resolver.StateRevoked || !s.stored.RefreshToken.IsZero() || !s.stored.Credential.Token.IsZero() {
		s.violate("the account is %s, with tokens: %v", s.stored.State, !s.stored.RefreshToken.IsZero())
	}
	if !dead && !s.dropped {
		s.violate("a refresh token is alive at the service (told: %v)", r.err)
	}
	if !dead && r.err == nil {
		s.violate("the operator is told that the service forgot the tokens, and one is alive")
	}
	if r.err != nil && !disturbed {
		s.violate("nothing went wrong, and the operator is told: %v", r.err)
	}
}

// TestRevokeEveryOrder: a revocation that meets a refresh leaves no token alive.
func TestRevokeEveryOrder(t *testing.T) {
	t.Parallel()
	for _, b := range without(4, []walkBudget{
		{replicas: 1, switches: -1},
		{replicas: 1, crashes: 1, switches: -1},
		{replicas: 1, pauses: 1, switches: -1},
		{replicas: 2, switches: 3},
		{replicas: 2, pauses: 1, switches: 2},
		{replicas: 2, crashes: 1, switches: 1},
	}) {
		for _, rotates := range []bool{true, false} {
			name := fmt.Sprintf("replicas=%d crashes=%d pauses=%d rotates=%v", b.replicas, b.crashes, b.pauses, rotates)
			v := exploreRevoke(t, b, mutant{}, rotates)
			if v.violation != "" {
				t.Errorf("%s: %s\n%s", name, v.violation, v.trace)
			}
			t.Logf("%s: %d orders", name, v.runs)
		}
	}
}

// TestRevokeEveryOrderNotices: the checker finds what is wrong without a part.
func TestRevokeEveryOrderNotices(t *testing.T) {
	for name, c := range map[string]struct {
		b walkBudget
		m mutant
	}{
		"a late answer is thrown away": {walkBudget{replicas: 1, switches: -1}, mutant{dropsLate: true}},
		"the lease is taken away":      {walkBudget{replicas: 1, crashes: 1, switches: -1}, mutant{revokesOnly: true}},
	} {
		v := exploreRevoke(t, c.b, c.m, true)
		if v.violation == "" {
			t.Errorf("%s: nothing found in %d orders", name, v.runs)
		}
		t.Logf("%s: after %d orders: %s\n%s", name, v.runs, v.violation, v.trace)
	}
}

// TestRevokeTellsAgents: a request that waits for the token of an account which
// is revoked is told so.
func TestRevokeTellsAgents(t *testing.T) {
	c := providerstest.Connector(t, simRevocable)
	option, _ := c.Option("")
	synctest.Test(t, func(t *testing.T) {
		s := newSim(mutant{}, true)
		a, r := s.join("A", c, option, nil), s.revoker(c, option)
		s.schedule(func(ready []*simReplica, _ *simReplica) (*simReplica, bool, bool) {
			if contains(ready, a) && a.waiting.name != "save" || !contains(ready, r) {
				return a, false, false
			}
			return r, false, false
		})
		var ref *resolver.Refusal
		if !errors.As(a.err, &ref) || ref.Code != "account_revoked" || r.err != nil || !s.revoked {
			t.Errorf("the request got %v, the operator %v, the service forgot: %v; want account_revoked, nothing, true", a.err, r.err, s.revoked)
		}
	})
}
