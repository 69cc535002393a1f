package resolver_test

import (
	"testing"
	"testing/synctest"

	"github.com/attache-proxy/attache/providers/providerstest"
	"github.com/attache-proxy/attache/resolver"
)

// TestCrashAtEachStep is the failure table of docs/decisions/0006: a replica dies
// before each step of a refresh, and another one goes on. The request that waits
// there may be told to come again; the next one gets the token.
func TestCrashAtEachStep(t *testing.T) {
	const active, interrupted = "active", "refresh_interrupted"
	for _, row := range []struct {
		before           string // the step that it does not do any more
		rotates          string // what becomes of the account where the provider rotates
		keeps            string // and where it does not
		requestsToRotate int
		requestsWhenKept int
		token            bool // for the next request, where the provider rotates
	}{
		{"read", active, active, 1, 1, true},
		{"lease", active, active, 1, 1, true},
		{"begin", active, active, 1, 1, true},
		{"send", active, active, 1, 1, true},
		{"answer", interrupted, active, 2, 2, false},
		{"save", interrupted, active, 2, 2, false},
		{"nothing", active, active, 1, 1, true}, // it was done
	} {
		for _, rotates := range []bool{true, false} {
			name, want, requests, token := "before "+row.before+", kept", row.keeps, row.requestsWhenKept, true
			if rotates {
				name, want, requests, token = "before "+row.before+", rotated", row.rotates, row.requestsToRotate, row.token
			}
			t.Run(name, func(t *testing.T) {
				s, next := crashOne(t, row.before, rotates)
				got := string(s.stored.State)
				if s.reason != "" {
					got = s.reason
				}
				if got != want || s.requests != requests || (next.err == nil) != token {
					t.Errorf("the account is %s after %d token requests, and the next request got %v; want %s, %d, a token: %v", got, s.requests, next.err, want, requests, token)
				}
				for _, v := range s.violations {
					t.Error(v)
				}
			})
		}
	}
}

// crashOne lets replica A die before a step, and B go on alone. Next is a request
// that comes later.
func crashOne(t *testing.T, before string, rotates bool) (s *sim, next *simReplica) {
	t.Helper()
	c := providerstest.Connector(t, simConnector)
	option, _ := c.Option("")
	synctest.Test(t, func(*testing.T) {
		s = newSim(mutant{}, rotates)
		a := s.join("A", c, option, nil)
		s.join("B", c, option, nil)
		s.schedule(func(ready []*simReplica, _ *simReplica) (*simReplica, bool, bool) {
			if ready[0] == a {
				return a, a.waiting.name == before, false
			}
			return ready[0], false, false
		})
		next = s.join("C", c, option, nil)
		s.schedule(func(ready []*simReplica, _ *simReplica) (*simReplica, bool, bool) { return ready[0], false, false })
	})
	return s, next
}

// first is a scheduler without choices.
func first(ready []*simReplica, _ *simReplica) (*simReplica, bool, bool) {
	return ready[0], false, false
}

// TestAnswerOutlivesAnOutage: while the store is away the answer is kept and
// offered again, for longer than a request waits.
func TestAnswerOutlivesAnOutage(t *testing.T) {
	c := providerstest.Connector(t, simConnector)
	option, _ := c.Option("")
	synctest.Test(t, func(t *testing.T) {
		s := newSim(mutant{}, true)
		s.away = 40
		s.join("A", c, option, nil)
		s.schedule(first)
		if got := s.stored.RefreshToken.Reveal(); got != "r1" || s.requests != 1 || s.killed {
			t.Errorf("after the outage the refresh token is %s after %d requests, want r1 after 1", got, s.requests)
		}
	})
}

// TestLaterStepFails: a step after the refresh fails. The new refresh token has
// replaced the old one already, and is stored.
func TestLaterStepFails(t *testing.T) {
	c := providerstest.Connector(t, "key: svc\nhosts: [svc.example]\nauth: {oauth: {type: oauth2, authorize_url: 'https://idp.test/a', token_url: 'https://idp.test/t', then: {get: 'https://idp.test/then'}}}\n")
	option, _ := c.Option("")
	synctest.Test(t, func(t *testing.T) {
		s := newSim(mutant{}, true)
		a := s.join("A", c, option, nil)
		trace := s.schedule(first)
		if got := s.stored.RefreshToken.Reveal(); got != "r1" || s.killed || a.err == nil {
			t.Errorf("after %v the refresh token is %s and the request got %v; want r1 and an error", trace, got, a.err)
		}
	})
}

var _ resolver.Store = (*simReplica)(nil)
