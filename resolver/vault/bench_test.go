package vault_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// The large vault: ATTACHE_BENCH_ACCOUNTS accounts (1 000 000 if it says "full"),
// a hundredth of that in agents, a tenth in grants, over 50 connectors and 200
// organisations. Run it with
//
//	ATTACHE_BENCH_ACCOUNTS=full go test -run '^$' -bench Large -benchtime 5000x -timeout 2h ./resolver/vault
//
// The figures mean something only on a machine that does nothing else.
const accountsEnv = "ATTACHE_BENCH_ACCOUNTS"

const (
	benchConnectors    = 50
	benchOrganisations = 200
)

var forTests = true

type large struct {
	v        *vault.Vault
	accounts int
	agents   []agentKey
	sample   []string // ids of accounts
}

type agentKey struct {
	id    string
	org   int
	token secret.Value
}

func benchSize(b *testing.B) int {
	switch s := os.Getenv(accountsEnv); s {
	case "":
		return 10_000
	case "full":
		return 1_000_000
	default:
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
}

// plain is account i as a line of an import.
func plain(i int) string {
	state := ""
	if i%7 > 0 {
		state = `,"active":true`
	}
	return fmt.Sprintf(`{"account":{"organisation":"org-%d","connector":"connector-%d","option":"token","name":"n%d","identifier":"user-%d","secrets":{"api_key":"secret-key-number-%d"}%s}}`+"\n",
		i%benchOrganisations, i/7%benchConnectors, i, i/3, i, state)
}

// lines makes the import of accounts from..to.
type lines struct {
	i, to int
	rest  bytes.Buffer
}

func (l *lines) Read(p []byte) (int, error) {
	for l.rest.Len() < len(p) && l.i < l.to {
		l.rest.WriteString(plain(l.i))
		l.i++
	}
	return l.rest.Read(p)
}

func fill(b *testing.B, c vault.Config) *large {
	b.Helper()
	n := benchSize(b)
	v, err := vault.Open(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { v.Close() })
	l := &large{v: v, accounts: n}
	ctx := context.Background()
	began := time.Now()
	if _, err := v.Import(ctx, &lines{to: n}, vault.ImportOptions{Name: "bench"}); err != nil {
		b.Fatal(err)
	}
	b.Logf("%s: %d accounts imported in %v (%.0f/s)", c.Driver, n, time.Since(began).Round(time.Millisecond), float64(n)/time.Since(began).Seconds())
	began = time.Now()
	l.addAgents(b, n/100)
	l.addGrants(b, n/10)
	b.Logf("%s: %d agents, %d grants in %v", c.Driver, n/100, n/10, time.Since(began).Round(time.Millisecond))
	st, err := v.Status(ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%s: %d MB", c.Driver, st.Bytes>>20)
	return l
}

// parallel runs f for 0..n-1 on eight goroutines, which PostgreSQL needs to be fast.
func parallel(b *testing.B, n int, f func(i int) error) {
	b.Helper()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < n; i += 8 {
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

func (l *large) addAgents(b *testing.B, n int) {
	l.agents = make([]agentKey, n)
	parallel(b, n, func(i int) error {
		org := i % benchOrganisations
		a, token, err := l.v.As(vault.Actor{Kind: "bench"}, fmt.Sprint("org-", org)).CreateAgent(context.Background(), vault.NewAgent{Name: fmt.Sprint("agent-", i)})
		l.agents[i] = agentKey{a.ID, org, token}
		return err
	})
}

// addGrants gives the agents accounts of their organisations in turn.
func (l *large) addGrants(b *testing.B, n int) {
	byOrg := make([][]string, benchOrganisations)
	for org := range byOrg {
		s := l.v.As(vault.Actor{Kind: "bench"}, fmt.Sprint("org-", org))
		for p := (vault.Page{Limit: 500}); len(byOrg[org]) < 2*n/benchOrganisations; {
			list, err := s.Accounts(context.Background(), vault.AccountFilter{}, p)
			if err != nil {
				b.Fatal(err)
			}
			for _, a := range list.Items {
				byOrg[org] = append(byOrg[org], a.ID)
			}
			if p.After = list.Next; p.After == "" {
				break
			}
		}
	}
	for _, ids := range byOrg {
		l.sample = append(l.sample, ids...)
	}
	parallel(b, n, func(i int) error {
		a := l.agents[i%len(l.agents)]
		ids := byOrg[a.org]
		// Different agents of one organisation meet different accounts.
		id := ids[(i/len(l.agents)*97+i%len(l.agents)/benchOrganisations*13)%len(ids)]
		_, err := l.v.System().CreateGrant(context.Background(), vault.NewGrant{AgentID: a.id, AccountID: id, Scopes: []string{"read"}})
		if err == vault.ErrExists {
			err = nil
		}
		return err
	})
}

// quantiles reports what took how long, under a name.
func quantiles(b *testing.B, name string, took []time.Duration) {
	slices.Sort(took)
	at := func(q float64) float64 {
		return float64(took[min(len(took)-1, int(float64(len(took))*q))].Nanoseconds()) / 1000
	}
	b.ReportMetric(at(0.5), name+"p50-µs")
	b.ReportMetric(at(0.99), name+"p99-µs")
	b.ReportMetric(float64(took[len(took)-1].Nanoseconds())/1000, name+"max-µs")
}

// BenchmarkLarge measures, on the large vault, what the issue bounds: resolving
// from cold (below 2 ms at the 99th percentile) and lists with a filter (below
// 50 ms).
func BenchmarkLarge(b *testing.B) {
	for _, driver := range []string{"sqlite", "postgres"} {
		b.Run(driver, func(b *testing.B) {
			c := vaulttest.SQLite(b)
			if driver == "postgres" {
				c = vaulttest.Postgres(b)
			}
			l := fill(b, c)
			b.Run("resolve", l.resolve)
			b.Run("in use", l.inUse)
			b.Run("lease", l.lease)
			for name, f := range map[string]vault.AccountFilter{
				"organisation":        {Organisation: "org-7"},
				"connector":           {Connector: "connector-3"},
				"state":               {States: []vault.State{vault.Pending}},
				"connector+state":     {Connector: "connector-3", States: []vault.State{vault.Pending}},
				"connector+rare":      {Connector: "connector-3", States: []vault.State{vault.Expired}},
				"identifier":          {Identifier: "user-77"},
				"org+connector+state": {Organisation: "org-7", Connector: "connector-3", States: []vault.State{vault.Active, vault.Expired}},
				"org+name":            {Organisation: "org-7", Name: "n1207"},
				"name":                {Name: "n1207"},
				"org+test":            {Organisation: "org-7", TestMode: &forTests},
			} {
				b.Run("list/"+name, func(b *testing.B) { l.list(b, f) })
			}
		})
	}
}

// resolve is what a request costs whose agent, grants and account are in no cache.
// Beside it, in the same moments, it measures the least that a database costs: a
// query for nothing, and one row by its key; what the machine does besides slows
// all three. cpu is the time on a processor alone: all there is to it with SQLite,
// where nothing waits for another process.
func (l *large) resolve(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx := context.Background()
	var took, cpu, nothing, row []time.Duration
	measure := func(into *[]time.Duration, f func() error) {
		began, ran := time.Now(), threadTime()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		*into = append(*into, time.Since(began))
		if into == &took {
			cpu = append(cpu, threadTime()-ran)
		}
	}
	for b.Loop() {
		a := l.agents[rand.IntN(len(l.agents))]
		all, err := l.v.AllPermits(ctx, a.id)
		if err != nil || len(all) == 0 {
			b.Fatal(len(all), err)
		}
		connector := all[rand.IntN(len(all))].Grant.Connector
		other := l.sample[rand.IntN(len(l.sample))]
		measure(&nothing, func() error { return l.v.Ping(ctx) })
		measure(&row, func() error { _, err := l.v.System().Account(ctx, other); return err })
		measure(&took, func() error {
			agent, _, err := l.v.AgentByToken(ctx, a.token)
			if err != nil {
				return err
			}
			ps, err := l.v.OpenPermits(ctx, agent.ID, connector, func(string) bool { return false })
			if err == nil && (len(ps) == 0 || ps[0].Account.Credential.Fields.Get("api_key").IsZero()) {
				err = fmt.Errorf("%d accounts", len(ps))
			}
			return err
		})
	}
	quantiles(b, "", took)
	quantiles(b, "cpu-", cpu)
	quantiles(b, "ping-", nothing)
	quantiles(b, "row-", row)
}

func (l *large) lease(b *testing.B) {
	ctx := context.Background()
	var took []time.Duration
	for b.Loop() {
		a := l.agents[rand.IntN(len(l.agents))]
		ps, err := l.v.AllPermits(ctx, a.id)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		lease, err := l.v.Lease(ctx, ps[rand.IntN(len(ps))].Account.ID, "", time.Minute)
		if err == nil {
			if err = lease.Begin(ctx); err == nil {
				_, err = lease.Save(ctx, minted("t", "r"))
			}
		}
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	quantiles(b, "", took)
}

// list measures pages: the first one, and one in the middle.
func (l *large) list(b *testing.B, f vault.AccountFilter) {
	var took []time.Duration
	page := func(p vault.Page) vault.List[vault.Account] {
		began := time.Now()
		list, err := l.v.System().Accounts(context.Background(), f, p)
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		return list
	}
	for b.Loop() {
		if list := page(vault.Page{}); list.Next != "" {
			page(vault.Page{After: list.Next})
		}
	}
	quantiles(b, "", took)
}

// inUse is what the index of connectors asks for when an account was made.
func (l *large) inUse(b *testing.B) {
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		keys, err := l.v.ConnectorsInUse(context.Background())
		if err != nil || len(keys) != benchConnectors {
			b.Fatal(len(keys), err)
		}
		took = append(took, time.Since(began))
	}
	quantiles(b, "", took)
}
