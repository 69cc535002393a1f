package vault_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// seedEnv repeats one run of TestNoImpossibleState.
const seedEnv = "ATTACHE_TEST_SEED"

// TestNoImpossibleState does random things in random order, crashes included,
// and checks after each that no account is in a state that cannot be, that each
// change of state was an allowed one with a reason, and that nothing dangles.
func TestNoImpossibleState(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv(seedEnv); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	steps := 600
	if !vaulttest.Thorough() {
		steps = 150
	}
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		t.Logf("%s=%d", seedEnv, seed)
		w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), clock: vaulttest.NewClock()}
		c.Now = w.clock.Now
		w.config = c
		w.open()
		for i := range 6 { // something to begin with
			a := active(t, w.v.As(vault.Actor{Kind: "test"}, []string{"acme", "other"}[i%2]), fmt.Sprint("first ", i))
			w.accounts = append(w.accounts, a.ID)
		}
		for i := range steps {
			action := actions[w.rnd.IntN(len(actions))]
			err := action.do(w)
			if err != nil && !expected(err) {
				t.Fatalf("step %d, %s: %v", i, action.name, err)
			}
			w.history = append(w.history, fmt.Sprintf("%s: %v", action.name, err))
			w.clock.Advance(time.Duration(w.rnd.IntN(2000)) * time.Millisecond)
			for _, p := range must[[]string](t)(w.v.Verify(t.Context())) {
				t.Errorf("after step %d: %s", i, p)
			}
			if t.Failed() {
				t.Fatalf("the last steps:\n%s", strings.Join(w.history[max(0, len(w.history)-12):], "\n"))
			}
		}
		w.checkPaths()
		if err := w.v.Close(); err != nil {
			t.Error(err)
		}
	})
}

// expected reports whether err is a refusal, as opposed to something broken.
func expected(err error) bool {
	for _, e := range []error{vault.ErrNotFound, vault.ErrConflict, vault.ErrExists, vault.ErrNotAllowed, vault.ErrFenced, vault.ErrLeased,
		vault.ErrOrganisation, vault.ErrUsed, vault.ErrExpired, vault.ErrInvalid} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// world is what the random actions act on.
type world struct {
	t        *testing.T
	rnd      *rand.Rand
	clock    *vaulttest.Clock
	config   vault.Config
	v        *vault.Vault
	accounts []string
	agents   []string
	grants   []string
	sessions []string
	leases   []*vault.Lease
	history  []string
	count    int
}

func (w *world) open() {
	w.v = must[*vault.Vault](w.t)(vault.Open(w.t.Context(), w.config))
}

// view is one organisation's, or the operator's.
func (w *world) view() *vault.View {
	return w.v.As(vault.Actor{Kind: "test"}, []string{"acme", "other", vault.All}[w.rnd.IntN(3)])
}

func (w *world) pick(ids []string) string {
	if len(ids) == 0 {
		return "acc_none"
	}
	return ids[w.rnd.IntN(len(ids))]
}

func (w *world) account() string { return w.pick(w.accounts) }

// version is right, wrong or any.
func (w *world) version() int64 { return []int64{0, 0, 0, 1, 2, 3}[w.rnd.IntN(6)] }

func (w *world) state() vault.State { return vault.States[w.rnd.IntN(len(vault.States))] }

func (w *world) why() vault.Reason { return vault.Reason{Code: "random"} }

func (w *world) lease() *vault.Lease {
	if len(w.leases) == 0 {
		return nil
	}
	return w.leases[w.rnd.IntN(len(w.leases))]
}

// withLease runs f on some lease, which may be lost long since.
func withLease(f func(w *world, l *vault.Lease) error) func(*world) error {
	return func(w *world) error {
		if l := w.lease(); l != nil {
			return f(w, l)
		}
		return nil
	}
}

var actions = []struct {
	name string
	do   func(w *world) error
}{
	{"create account", func(w *world) error {
		w.count++
		n := vault.NewAccount{Connector: "github", Option: "oauth", Name: fmt.Sprint("n", w.rnd.IntN(12))}
		if w.rnd.IntN(2) == 0 {
			n.Credentials = pasted(fmt.Sprint("key-", w.count))
		}
		a, err := w.view().CreateAccount(w.t.Context(), n)
		if err == nil {
			w.accounts = append(w.accounts, a.ID)
		}
		return err
	}},
	{"update account", func(w *world) error {
		name := fmt.Sprint("n", w.rnd.IntN(12))
		_, err := w.view().UpdateAccount(w.t.Context(), w.account(), w.version(), vault.AccountEdit{Name: &name})
		return err
	}},
	{"set credentials", func(w *world) error {
		_, err := w.view().SetCredentials(w.t.Context(), w.account(), w.version(), *pasted("x"))
		return err
	}},
	{"connect", func(w *world) error {
		c := minted("t", "r")
		_, err := w.view().Connect(w.t.Context(), w.account(), w.version(), vault.Connection{Credentials: &c, Generation: uint64(w.rnd.IntN(2))})
		return err
	}},
	{"connect with what is there", func(w *world) error {
		_, err := w.view().Connect(w.t.Context(), w.account(), 0, vault.Connection{})
		return err
	}},
	{"set state", func(w *world) error {
		_, err := w.view().SetState(w.t.Context(), w.account(), w.version(), w.state(), w.why())
		return err
	}},
	{"suspend", func(w *world) error {
		_, err := w.view().SetState(w.t.Context(), w.account(), 0, vault.Suspended, w.why())
		return err
	}},
	{"resume", func(w *world) error {
		_, err := w.view().Resume(w.t.Context(), w.account(), w.version(), w.why())
		return err
	}},
	{"delete account", func(w *world) error {
		if w.rnd.IntN(4) > 0 {
			return nil
		}
		return w.view().DeleteAccount(w.t.Context(), w.account(), w.version())
	}},
	{"revoke", func(w *world) error {
		if w.rnd.IntN(4) > 0 {
			return nil
		}
		r, err := w.view().Revoke(w.t.Context(), w.account(), w.version(), w.why())
		if err == nil && w.rnd.IntN(2) == 0 {
			_, err = w.view().Revocation(w.t.Context(), r.Account, "revoked", "So it said.")
		}
		return err
	}},
	{"lease", func(w *world) error {
		l, err := w.v.Lease(w.t.Context(), w.account(), fmt.Sprint("replica-", w.rnd.IntN(3)), time.Duration(w.rnd.IntN(3000))*time.Millisecond)
		if err == nil {
			w.leases = append(w.leases[max(0, len(w.leases)-5):], l)
		}
		return err
	}},
	{"begin", withLease(func(w *world, l *vault.Lease) error { return l.Begin(w.t.Context()) })},
	{"extend", withLease(func(w *world, l *vault.Lease) error { return l.Extend(w.t.Context(), time.Second) })},
	{"release", withLease(func(w *world, l *vault.Lease) error { return l.Release(w.t.Context(), w.rnd.IntN(2) == 0) })},
	{"save", withLease(func(w *world, l *vault.Lease) error { _, err := l.Save(w.t.Context(), minted("t", "r")); return err })},
	{"save late", withLease(func(w *world, l *vault.Lease) error {
		_, err := l.SaveLate(w.t.Context(), minted("t", "r"))
		return err
	})},
	{"fail", withLease(func(w *world, l *vault.Lease) error {
		_, err := l.Fail(w.t.Context(), []vault.State{vault.Expired, vault.Revoked, vault.Error}[w.rnd.IntN(3)], w.why())
		return err
	})},
	{"create agent", func(w *world) error {
		a, _, err := w.view().CreateAgent(w.t.Context(), vault.NewAgent{Name: fmt.Sprint("b", w.rnd.IntN(5))})
		if err == nil {
			w.agents = append(w.agents, a.ID)
		}
		return err
	}},
	{"delete agent", func(w *world) error { return w.view().DeleteAgent(w.t.Context(), w.pick(w.agents), 0) }},
	{"create grant", func(w *world) error {
		agent := w.pick(w.agents)
		if w.rnd.IntN(5) == 0 {
			agent = "file:local"
		}
		g, err := w.view().CreateGrant(w.t.Context(), vault.NewGrant{AgentID: agent, AccountID: w.account(), Scopes: []string{"read"}})
		if err == nil {
			w.grants = append(w.grants, g.ID)
		}
		return err
	}},
	{"delete grant", func(w *world) error { return w.view().DeleteGrant(w.t.Context(), w.pick(w.grants), 0) }},
	{"create session", func(w *world) error {
		x, _, err := w.view().CreateSession(w.t.Context(), vault.NewSession{AccountID: w.account(), Flow: "redirect", Lifetime: time.Minute})
		if err == nil {
			w.sessions = append(w.sessions, x.ID)
		}
		return err
	}},
	{"update session", func(w *world) error {
		_, err := w.v.UpdateSession(w.t.Context(), w.pick(w.sessions), 0, vault.SessionEdit{Stage: vault.SessionDone})
		return err
	}},
	{"sweep", func(w *world) error { return w.v.Sweep(w.t.Context()) }},
	{"start again", func(w *world) error {
		if w.rnd.IntN(4) > 0 {
			return nil
		}
		old := w.v
		w.open() // a replica beside it
		w.leases = nil
		return old.Close()
	}},
	{"long sleep", func(w *world) error { w.clock.Advance(time.Hour); return nil }},
}

// checkPaths walks each account's changes of state in the audit.
func (w *world) checkPaths() {
	at := map[string]vault.State{}
	var events []vault.Event
	for p := (vault.Page{Limit: 500}); ; {
		l := must[vault.List[vault.Event]](w.t)(w.v.System().Audit(w.t.Context(), vault.AuditFilter{Kind: vault.AuditState}, p))
		events = append(events, l.Items...)
		if p.After = l.Next; l.Next == "" {
			break
		}
	}
	for i := len(events) - 1; i >= 0; i-- {
		e := events[i]
		from, to := at[e.AccountID], vault.State(strings.TrimPrefix(e.Code, "account."))
		if from == "" {
			from = vault.Pending
		}
		if !from.CanBecome(to) || e.Detail == "" {
			w.t.Errorf("account %s went from %s to %s with the reason %q", e.AccountID, from, to, e.Detail)
		}
		at[e.AccountID] = to
	}
	for id, state := range at {
		a, err := w.v.System().Account(w.t.Context(), id)
		if errors.Is(err, vault.ErrNotFound) {
			continue
		}
		if err != nil || a.State != state {
			w.t.Errorf("account %s is %s, %v; the last change in the audit made it %s", id, a.State, err, state)
		}
	}
	if len(events) < len(w.history)/50 {
		w.t.Errorf("only %d changes of state happened: the test tests nothing", len(events))
	}
}
