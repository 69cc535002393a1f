package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/vault"
)

// The chaos test, for as many seconds as chaosEnv says. See chaos.sh.
const chaosEnv = "ATTACHE_CHAOS_SECONDS"

const (
	chaosReplicas = 8
	chaosAccounts = 200
	chaosClients  = 64
	chaosLife     = 5 * time.Second // of an access token
	// chaosTokenTimeout makes the lease 6 s, so that a run of a minute can stop
	// replicas for longer than that.
	chaosTokenTimeout = 4 * time.Second
)

// TestChaos lets replicas die, stop and lose their database, their cache, the
// answers they wait for and the right time, all at random, while clients call.
// What may be lost by that, and nothing else, may be lost.
func TestChaos(t *testing.T) {
	integration(t)
	seconds, _ := strconv.Atoi(os.Getenv(chaosEnv))
	if seconds == 0 {
		seconds = 60
	}
	f := newFleet(t, fleetOptions{replicas: chaosReplicas, tokenTimeout: chaosTokenTimeout,
		provider: oauthtest.Options{Lifetime: chaosLife, Rotate: true}})
	c := &chaos{f: f, t: t, codes: map[string]int{}, faults: map[string]int{}}
	for i := range chaosAccounts {
		c.accounts = append(c.accounts, fmt.Sprintf("account-%d", i))
	}
	for _, r := range f.replicas { // a first patch, before they are busy
		if err := shiftClock(r.cmd.Process.Pid, 0); err != nil {
			missing(t, "a way to shift a process's clock: "+err.Error())
		}
	}
	f.connect(c.accounts, time.Now().Add(chaosLife))
	c.run(time.Duration(seconds) * time.Second)
	c.heal()
	c.checkLiving()
	c.checkProvider()
	c.checkNothingPlain()
	verdict := "ok"
	if t.Failed() {
		verdict = "FAILED"
	}
	s := f.provider.Stats()
	fmt.Printf("chaos: %s: %d s, %d replicas, %d accounts; calls %s; token requests %d (%d with a fault), refreshes %d; families killed %d: %d after a dropped answer, %d after a crash in between, %d otherwise; more than one request per expiry %d; another account's token %d; faults %s\n",
		verdict, seconds, chaosReplicas, chaosAccounts, counts(c.codes), s.TokenRequests, s.Faults, s.Refreshes, s.Killed, s.KilledAfterLoss, s.KilledAfterCrash,
		s.Killed-s.KilledAfterLoss-s.KilledAfterCrash, s.Early, c.wrong, counts(c.faults))
}

func counts(m map[string]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(parts, ", ")
}

// chaos is one run.
type chaos struct {
	f        *fleet
	t        *testing.T
	accounts []string

	mu     sync.Mutex
	codes  map[string]int
	faults map[string]int
	wrong  int // answers for another account
}

func (c *chaos) run(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	c.f.provider.SetFault(oauthtest.Chances{
		DropBefore: .01, DropAfter: .001, Error: .01, Garbage: .002, Delay: .02, DelayAnswer: .02, MaxDelayMS: 1500,
	}.Fault)
	var wg sync.WaitGroup
	for range chaosClients {
		wg.Go(func() { c.call(ctx) })
	}
	for _, fault := range []func(context.Context){c.killing, c.stopping, c.cuttingRedis, c.cuttingPostgres, c.shiftingClocks} {
		wg.Go(func() { fault(ctx) })
	}
	wg.Wait()
}

// call is one client: it calls through any replica, with any account.
func (c *chaos) call(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}, Timeout: 3 * time.Second}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		account := c.accounts[rand.IntN(len(c.accounts))]
		code := c.once(ctx, client, c.f.replicas[rand.IntN(len(c.f.replicas))], account)
		if ctx.Err() == nil {
			c.mu.Lock()
			c.codes[code]++
			c.mu.Unlock()
		}
		time.Sleep(rand.N(150 * time.Millisecond))
	}
}

// once calls the API with an account and says how it went: ok, the code of a
// refusal, the service's status, or unreachable.
func (c *chaos) once(ctx context.Context, client *http.Client, r *replica, account string) string {
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+r.Addr+"/svc:"+account+"/resource", nil)
	req.Header.Set("Authorization", "Bearer "+c.f.agent)
	res, err := client.Do(req)
	if err != nil {
		return "unreachable"
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return "unreachable"
	case res.Header.Get("Attache-Error") != "":
		return res.Header.Get("Attache-Error")
	case res.StatusCode != http.StatusOK:
		return fmt.Sprint(res.StatusCode)
	}
	var got struct{ Account string }
	if json.Unmarshal(body, &got) != nil || got.Account != account {
		c.mu.Lock()
		c.wrong++
		c.mu.Unlock()
		c.t.Errorf("a call for %s was answered for %q", account, got.Account)
	}
	return "ok"
}

// every runs a fault again and again, with pauses of about d.
func (c *chaos) every(ctx context.Context, name string, d time.Duration, fault func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(d/2 + rand.N(d)):
		}
		c.mu.Lock()
		c.faults[name]++
		c.mu.Unlock()
		fault()
	}
}

// killing and stopping have replicas of their own to do it to, so that they do
// not kill what is stopped. Their pauses leave most replicas at work.
func (c *chaos) killing(ctx context.Context) {
	c.every(ctx, "kill -9", 4*time.Second, func() {
		r := c.f.replicas[rand.IntN(chaosReplicas/2)]
		name := r.name()
		r.kill()
		c.f.provider.Gone(name)
		time.Sleep(rand.N(2 * time.Second))
		r.start()
		r.wait()
		_ = shiftClock(r.cmd.Process.Pid, 0)
	})
}

func (c *chaos) stopping(ctx context.Context) {
	lease := resolver.LeaseFor(chaosTokenTimeout)
	c.every(ctx, "stop", 3*time.Second, func() {
		r := c.f.replicas[chaosReplicas/2+rand.IntN(chaosReplicas/4)]
		r.signal(syscall.SIGSTOP)
		c.f.provider.Gone(r.name())
		time.Sleep(lease + rand.N(2*time.Second))
		r.signal(syscall.SIGCONT)
		c.f.provider.Back(r.name())
	})
}

func (c *chaos) cuttingRedis(ctx context.Context) {
	c.every(ctx, "no Redis", 10*time.Second, func() {
		if rand.IntN(2) == 0 {
			c.f.redis.stop()
			time.Sleep(rand.N(4 * time.Second))
			c.f.redis.start()
			return
		}
		_ = c.f.redis.cmd.Process.Signal(syscall.SIGSTOP)
		time.Sleep(rand.N(4 * time.Second))
		_ = c.f.redis.cmd.Process.Signal(syscall.SIGCONT)
	})
}

func (c *chaos) cuttingPostgres(ctx context.Context) {
	c.every(ctx, "no PostgreSQL", 12*time.Second, func() {
		c.f.database.set([]relayMode{refusing, hanging}[rand.IntN(2)])
		time.Sleep(rand.N(4 * time.Second))
		c.f.database.set(passing)
	})
}

// shiftingClocks has the last replicas, which are neither killed nor stopped.
func (c *chaos) shiftingClocks(ctx context.Context) {
	c.every(ctx, "clock", 5*time.Second, func() {
		r := c.f.replicas[chaosReplicas-1-rand.IntN(chaosReplicas/4)]
		by := []time.Duration{-time.Minute, 0, time.Minute}[rand.IntN(3)]
		if err := shiftClock(r.cmd.Process.Pid, by); err != nil {
			c.t.Errorf("shifting a clock: %v", err)
		}
	})
}

// heal ends all faults and waits until what they began is over.
func (c *chaos) heal() {
	c.f.provider.SetFault(nil)
	for _, r := range c.f.replicas {
		r.signal(syscall.SIGCONT)
		r.wait()
	}
	time.Sleep(resolver.LeaseFor(chaosTokenTimeout) + 2*time.Second)
}

// checkLiving calls with every account, through two replicas. Those whose family
// lives must work.
func (c *chaos) checkLiving() {
	families := c.f.provider.Stats().Families
	client := &http.Client{Timeout: 20 * time.Second}
	for i, account := range c.accounts {
		if families[account].Killed {
			// A late answer may have brought the account back; whoever calls finds out.
			for range 20 {
				if c.once(context.Background(), client, c.f.replicas[i%chaosReplicas], account); !strings.HasPrefix(c.state(account), "active") {
					break
				}
				time.Sleep(500 * time.Millisecond)
			}
			continue
		}
		for n := range 2 {
			r := c.f.replicas[(i+n*3)%chaosReplicas]
			code := ""
			for range 20 {
				if code = c.once(context.Background(), client, r, account); code == "ok" || c.f.provider.Stats().Families[account].Killed {
					break
				}
				time.Sleep(500 * time.Millisecond)
			}
			// What was dropped last may come to light only now.
			if family := c.f.provider.Stats().Families[account]; code != "ok" && !family.Killed {
				c.t.Errorf("at the end %s does not work through replica %d: %s (its family: %+v; its state: %s)", account, r.n, code, family, c.state(account))
			}
		}
	}
}

func (c *chaos) row(account string) vault.Account {
	rows, err := c.f.vault.System().Accounts(context.Background(), vault.AccountFilter{Connector: "svc"}, vault.Page{Limit: 500})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, a := range rows.Items {
		if a.Name == account {
			return a
		}
	}
	c.t.Fatalf("%s is not in the vault", account)
	return vault.Account{}
}

func (c *chaos) state(account string) string {
	a := c.row(account)
	return string(a.State) + " " + a.Reason.Code
}

// checkProvider compares what happened at the provider with what may happen.
func (c *chaos) checkProvider() {
	s := c.f.provider.Stats()
	if s.Refreshes < chaosAccounts {
		c.t.Errorf("only %d refreshes: nothing was tested", s.Refreshes)
	}
	for _, account := range c.accounts {
		switch fam := s.Families[account]; {
		case fam.Killed && !fam.KilledAfterLoss && !fam.KilledAfterCrash:
			c.t.Errorf("%s: an old refresh token was used although no answer was lost: %+v", account, fam)
		case fam.Killed && !strings.HasPrefix(c.state(account), "error"):
			c.t.Errorf("%s: its family was killed after a lost answer, and its state is %s, want error refresh_interrupted", account, c.state(account))
		case fam.Early > 0:
			c.t.Errorf("%s: %d refreshes of tokens that were quite new: %+v", account, fam.Early, fam)
		}
	}
}

// checkNothingPlain looks for tokens in what the database and Redis hold, and in
// the logs.
func (c *chaos) checkNothingPlain() {
	places := map[string]string{}
	dump := exec.Command(filepath.Join(postgresPrograms(c.t), "pg_dump"), "--inserts", c.f.postgres.URL("attache"))
	out, err := dump.Output()
	if err != nil {
		c.t.Errorf("pg_dump: %v", err)
	}
	places["PostgreSQL"] = string(out)
	rc := redis.NewClient(&redis.Options{Addr: c.f.redis.Addr})
	defer rc.Close()
	keys, err := rc.Keys(context.Background(), "*").Result()
	if err != nil || len(keys) == 0 {
		c.t.Errorf("keys in Redis = %d, %v; want some", len(keys), err)
	}
	for _, k := range keys {
		places["Redis"] += k + " " + rc.Get(context.Background(), k).Val() + "\n"
	}
	for _, r := range c.f.replicas {
		places[fmt.Sprint("the log of replica ", r.n)] = r.Log.String()
	}
	for place, text := range places {
		for _, mark := range []string{"at_", "rt_", c.f.agent, c.f.key} {
			for at := 0; ; {
				i := strings.Index(text[at:], mark)
				if i < 0 {
					break
				}
				at += i
				if token := text[at:min(len(text), at+29)]; len(mark) > 3 || isToken(token) {
					c.t.Errorf("%s holds a secret: …%.60q…", place, text[max(0, at-20):min(len(text), at+40)])
					break
				}
				at += len(mark)
			}
		}
		if strings.Contains(text, "panic: ") {
			c.t.Errorf("%s has a panic:\n%s", place, clip(text[strings.Index(text, "panic: "):]))
		}
	}
}

// isToken reports whether s looks like a token of package oauthtest.
func isToken(s string) bool {
	return len(s) == 29 && strings.Trim(s[3:], "abcdefghijklmnopqrstuvwxyz234567") == ""
}

func postgresPrograms(t testing.TB) string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
	if len(found) == 0 {
		missing(t, "pg_dump")
	}
	return filepath.Dir(found[len(found)-1])
}
