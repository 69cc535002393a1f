package resolver_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// Every order of steps. The replicas run the real protocol (package resolver's
// own code) over a simulated store, provider and clock; a scheduler tries every
// order in which their steps can come, with a crash before each step, and with
// more time passing before each step than a lease lasts, which is what a process
// that is stopped sees. docs/decisions/0006 says what must hold.

// walkBudget bounds what may go wrong in one run.
type walkBudget struct {
	replicas, crashes, pauses int
	// switches bounds how often the scheduler takes the turn from a replica that
	// could go on; less than 0 means no bound.
	switches int
}

// explorer walks the tree of choices depth first: each run repeats the choices
// of prefix and takes the first option from there on.
type explorer struct {
	prefix, options []int
	at              int
}

func (e *explorer) choose(n int) int {
	c := 0
	if e.at < len(e.prefix) {
		c = e.prefix[e.at]
	} else {
		e.prefix = append(e.prefix, 0)
		e.options = append(e.options, n)
	}
	e.at++
	return c
}

// next moves on to the next run; false when there is none.
func (e *explorer) next() bool {
	e.at = 0
	for i := len(e.prefix) - 1; i >= 0; i-- {
		if e.prefix[i]+1 < e.options[i] {
			e.prefix, e.options = e.prefix[:i+1], e.options[:i+1]
			e.prefix[i]++
			return true
		}
	}
	return false
}

// verdict is what the exploration of one configuration found.
type verdict struct {
	runs      int
	violation string
	trace     string
}

const simConnector = "key: svc\nhosts: [svc.example]\nauth: {oauth: {type: oauth2, authorize_url: 'https://idp.test/a', token_url: 'https://idp.test/t'}}\n"

// explore tries every order until something is wrong.
func explore(t *testing.T, b walkBudget, m mutant, rotates bool, rejected bool) (v verdict) {
	t.Helper()
	d, err := providers.Parse("svc.yaml", []byte(simConnector))
	if err != nil {
		t.Fatal(err)
	}
	c, err := providers.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	option, _ := c.Option("")
	synctest.Test(t, func(t *testing.T) {
		for e := (&explorer{}); ; {
			v.runs++
			s := newSim(m, rotates)
			trace := runOne(s, e, b, c, option, rejected)
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

// replica is one process with nothing to do.
func (s *sim) replica(name string, c *providers.Connector, o *providers.Option) *simReplica {
	r := &simReplica{s: s, name: name, cancel: func() {}}
	r.creds = &resolver.Credentials{Cache: &r.cache, TokenTimeout: simTimeout, HTTP: func(*providers.Connector) oauth.Doer { return r }}
	r.acct = &resolver.Account{ID: "acc", Name: "acc", Connector: c, Option: o, State: resolver.StateActive, Store: r, Generation: 1}
	_ = r.acct.Prepare()
	s.replicas = append(s.replicas, r)
	return r
}

// join starts a replica with one request that waits for a token.
func (s *sim) join(name string, c *providers.Connector, o *providers.Option, rejected *secret.Credential) *simReplica {
	r := s.replica(name, c, o)
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		cred, err := r.creds.For(ctx, r.acct, rejected)
		r.creds.Wait(context.Background()) // the attempt may go on after the request
		s.mu.Lock()
		defer s.mu.Unlock()
		r.done, r.err = true, err
		if err == nil && !s.committed[cred.Token.Reveal()] {
			s.violate("%s uses %s, which is not stored", name, cred.Token.Reveal())
		}
	}()
	return r
}

// runOne is one run: the replicas to their end, and then a last one that needs
// another token.
func runOne(s *sim, e *explorer, b walkBudget, c *providers.Connector, o *providers.Option, rejected bool) (trace []string) {
	var old *secret.Credential
	if rejected { // the service answered 401 to a token that should still work
		s.stored.Credential.Expiry = time.Now().Add(time.Hour)
		cred := s.stored.Credential
		old = &cred
	}
	for i := range b.replicas {
		s.join(string(rune('A'+i)), c, o, old)
	}
	left := b
	trace = s.schedule(e.picker(&left))
	if b.crashes == left.crashes && b.pauses == left.pauses {
		if s.requests > 1 {
			s.violate("%d token requests, want 1", s.requests)
		}
		for _, r := range s.replicas {
			if r.err != nil {
				s.violate("%s got no token although nothing went wrong: %v", r.name, r.err)
			}
		}
	}
	return append(trace, s.atRest(c, o)...)
}

// picker decides whose step is next, and what goes wrong, as long as left allows.
func (e *explorer) picker(left *walkBudget) func(ready []*simReplica, last *simReplica) (r *simReplica, crash, pause bool) {
	return func(ready []*simReplica, last *simReplica) (r *simReplica, crash, pause bool) {
		type option struct {
			r            *simReplica
			crash, pause bool
		}
		var options []option
		for _, r := range ready { // who was last goes on first
			if r == last {
				options = append([]option{{r: r}}, options...)
			} else if last == nil || left.switches != 0 || !contains(ready, last) {
				options = append(options, option{r: r})
			}
		}
		if left.crashes > 0 {
			for _, r := range ready {
				options = append(options, option{r: r, crash: true})
			}
		}
		if left.pauses > 0 {
			options = append(options, option{pause: true})
		}
		pick := options[e.choose(len(options))]
		if pick.crash {
			left.crashes--
		}
		if pick.pause {
			left.pauses--
		}
		if left.switches > 0 && pick.r != nil && !pick.crash && last != nil && pick.r != last && contains(ready, last) {
			left.switches--
		}
		return pick.r, pick.crash, pick.pause
	}
}

// atRest lets a new replica refresh once more: so it shows whether what is stored
// is what the provider expects, and whether a loss is told as what it was.
func (s *sim) atRest(c *providers.Connector, o *providers.Option) []string {
	if len(s.violations) > 0 {
		return nil
	}
	if s.stored.State == resolver.StateActive {
		time.Sleep(resolver.LeaseFor(simTimeout) + time.Second)
		cred := s.stored.Credential
		z := s.join("Z", c, o, &cred)
		trace := s.schedule(func(ready []*simReplica, _ *simReplica) (*simReplica, bool, bool) { return ready[0], false, false })
		if z.err != nil && !s.killed {
			s.violate("afterwards nobody gets a token although the family lives: %v", z.err)
		}
		if z.err == nil && s.killed {
			s.violate("a token came from a family that is dead")
		}
		if s.killed && s.stored.State != resolver.StateError {
			s.violate("the family is dead and the account is %s (%s)", s.stored.State, s.reason)
		}
		return append([]string{"|"}, trace...)
	}
	if s.killed && s.stored.State == resolver.StateExpired {
		s.violate("a refresh was interrupted, and the account is told to have expired (%s)", s.reason)
	}
	if !s.killed {
		s.violate("the account is %s (%s) although its family lives", s.stored.State, s.reason)
	}
	return nil
}

// schedule runs steps until every request has its answer.
func (s *sim) schedule(pick func(ready []*simReplica, last *simReplica) (*simReplica, bool, bool)) (trace []string) {
	var last *simReplica
	for ticks := 0; ; {
		synctest.Wait()
		ready, busy := s.ready()
		if len(ready) == 0 {
			if !busy {
				return trace
			}
			if ticks++; ticks > 120 {
				s.violate("somebody waits for ever")
				s.abandon()
				return trace
			}
			time.Sleep(time.Second)
			continue
		}
		r, crash, pause := pick(ready, last)
		switch {
		case pause:
			trace = append(trace, "pause")
			s.overdue()
			d := resolver.LeaseFor(simTimeout) + time.Second
			if s.paused {
				d = 2500 * time.Millisecond // longer than an orphan is waited for
			}
			s.paused = true
			time.Sleep(d)
			continue
		case crash:
			trace = append(trace, r.name+":crash@"+r.waiting.name)
			s.crash(r)
			continue
		}
		trace = append(trace, r.name+":"+r.waiting.name)
		op := r.waiting
		r.waiting, last = nil, r
		op.go_ <- true
	}
}

// ready are the replicas that have a step to do; busy says whether any request
// still waits, be it for time to pass.
func (s *sim) ready() (ready []*simReplica, busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.replicas {
		if r.waiting != nil {
			ready = append(ready, r)
		}
		busy = busy || !r.done && !r.crashed
	}
	return ready, busy
}

// crash ends a replica before its next step. What the provider answered it and
// it did not store is lost.
func (s *sim) crash(r *simReplica) {
	op := r.waiting
	r.waiting, r.crashed = nil, true
	if s.pending == r {
		s.lost, s.dropped, s.pending = true, true, nil
	}
	op.go_ <- false
	r.cancel()
}

// overdue notes that a lease ends while its holder is between answer and store:
// nobody can know then whether it will ever come back.
func (s *sim) overdue() {
	if s.pending != nil {
		s.lost = true
	}
}

// abandon ends everything, so that the bubble can.
func (s *sim) abandon() {
	for range 100 {
		synctest.Wait()
		ready, _ := s.ready()
		for _, r := range s.replicas {
			r.cancel()
		}
		for _, r := range ready {
			op := r.waiting
			r.waiting = nil
			op.go_ <- false
		}
		time.Sleep(time.Second)
	}
}

func contains(all []*simReplica, r *simReplica) bool {
	for _, x := range all {
		if x == r {
			return true
		}
	}
	return false
}

// TestEveryOrder: the protocol holds in every order of steps.
func TestEveryOrder(t *testing.T) {
	t.Parallel()
	for _, b := range without(3, []walkBudget{
		{replicas: 2, switches: -1},
		{replicas: 2, crashes: 1, switches: -1},
		{replicas: 2, pauses: 1, switches: 3},
		{replicas: 2, pauses: 2, switches: 2},
		{replicas: 2, crashes: 1, pauses: 1, switches: 1},
		{replicas: 3, crashes: 1, switches: 1},
		{replicas: 3, pauses: 1, switches: 1},
	}) {
		for _, rotates := range []bool{true, false} {
			for _, rejected := range []bool{false, true} {
				if rejected && (b.replicas > 2 || b.pauses > 0) {
					continue // it differs from the other only in where it begins
				}
				name := fmt.Sprintf("replicas=%d crashes=%d pauses=%d rotates=%v rejected=%v", b.replicas, b.crashes, b.pauses, rotates, rejected)
				v := explore(t, b, mutant{}, rotates, rejected)
				if v.violation != "" {
					t.Errorf("%s: %s\n%s", name, v.violation, v.trace)
				}
				t.Logf("%s: %d orders", name, v.runs)
			}
		}
	}
}

// without leaves all but the first budgets to integration/test.sh: they take half a
// minute together.
func without(first int, all []walkBudget) []walkBudget {
	if vaulttest.Thorough() {
		return all
	}
	return all[:first]
}

// TestEveryOrderNotices: the checker finds what is wrong when a part of the
// protocol is left out.
func TestEveryOrderNotices(t *testing.T) {
	t.Parallel()
	crash, pauses := walkBudget{replicas: 2, crashes: 1, switches: -1}, walkBudget{replicas: 2, pauses: 2, switches: 3}
	for name, c := range map[string]struct {
		b       walkBudget
		m       mutant
		rotates bool
	}{
		"no lease":                    {crash, mutant{noLease: true}, true},
		"no fence":                    {pauses, mutant{noFence: true}, false},
		"no intent":                   {crash, mutant{noIntent: true}, true},
		"read before the lease":       {crash, mutant{staleRead: true}, true},
		"sent after looking":          {pauses, mutant{lateSend: true}, true},
		"used before it is committed": {crash, mutant{earlyUse: true}, true},
		"a loss is forgotten":         {pauses, mutant{forgetsLoss: true}, true},
	} {
		v := explore(t, c.b, c.m, c.rotates, false)
		if v.violation == "" {
			t.Errorf("%s: nothing found in %d orders", name, v.runs)
		}
		t.Logf("%s: after %d orders: %s\n%s", name, v.runs, v.violation, v.trace)
	}
}
