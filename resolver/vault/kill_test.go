package vault_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// childEnv makes the test binary a process that writes to a vault until it is
// killed. Its value is the vault: driver, source and key as JSON.
const childEnv = "ATTACHE_VAULT_TEST_CHILD"

// child writes as fast as it can. What the vault has acknowledged it says on
// standard output, a line each:
//
//	saved ACCOUNT N      refresh token N of the account is stored
//	recorded N MICROS    audit event N was handed over at that time
//	began MICROS         a commit began, ended MICROS: and was done
func child() int {
	var args [3]string
	if err := json.Unmarshal([]byte(os.Getenv(childEnv)), &args); err != nil {
		return 2
	}
	keys, err := vault.ParseKeys(secret.New(args[2]))
	if err != nil {
		return 2
	}
	ctx := context.Background()
	v, err := vault.Open(ctx, vault.Config{Driver: args[0], Source: args[1], Keys: keys})
	if err != nil {
		fmt.Println("failed", err)
		return 1
	}
	go func() {
		for n := 0; ; n++ {
			e := vault.Event{Kind: vault.AuditUse, AccountID: fmt.Sprint("run_", os.Getpid()), Code: fmt.Sprint(n), Status: 200}
			if err := v.Record(ctx, e); err == nil {
				fmt.Println("recorded", n, time.Now().UnixMicro())
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	if err := write(ctx, v); err != nil {
		fmt.Println("failed", err)
	}
	return 1
}

func write(ctx context.Context, v *vault.Vault) error {
	s := v.System()
	for i := 0; ; i++ {
		c := minted("t", "0")
		a, err := s.CreateAccount(ctx, vault.NewAccount{Connector: "github", Option: "oauth", Name: fmt.Sprint(os.Getpid(), "-", i)})
		if err != nil {
			return err
		}
		if _, err = s.Connect(ctx, a.ID, 0, vault.Connection{Credentials: &c}); err != nil {
			return err
		}
		for n := 1; n <= 5; n++ {
			l, err := v.Lease(ctx, a.ID, "", 10*time.Second)
			if err != nil {
				return err
			}
			fmt.Println("began", time.Now().UnixMicro())
			if err := l.Begin(ctx); err != nil {
				return err
			}
			fmt.Println("ended", time.Now().UnixMicro())
			if _, err := l.Save(ctx, minted("t", fmt.Sprint(n))); err != nil {
				return err
			}
			fmt.Println("saved", a.ID, n)
		}
		switch i % 3 {
		case 0:
			_, err = s.SetState(ctx, a.ID, 0, vault.Revoked, vault.Reason{Code: "x"})
			fmt.Println("revoked", a.ID)
		case 1:
			_, err = s.SetState(ctx, a.ID, 0, vault.Suspended, vault.Reason{Code: "x"})
		}
		if err != nil {
			return err
		}
	}
}

// TestKill kills a writing process again and again. What it was told is stored is
// there, and the vault is consistent.
func TestKill(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		rounds := 8
		if !vaulttest.Thorough() {
			rounds = 2
		}
		key := vault.NewKey()
		c.Keys = parse(t, key)
		var lost, late []time.Duration
		saves := 0
		for round := range rounds {
			out, pid, killed := runAndKill(t, c, key)
			v := must[*vault.Vault](t)(vault.Open(t.Context(), c))
			for _, p := range must[[]string](t)(v.Verify(t.Context())) {
				t.Errorf("round %d: %s", round, p)
			}
			saves += checkSaved(t, v, out)
			l := checkRecorded(t, v, out, pid, killed)
			lost, late = append(lost, l), append(late, l-mayLose(out, killed))
			want(t, "Close", v.Close(), nil)
		}
		slices.Sort(lost)
		slices.Sort(late)
		t.Logf("%d refreshes acknowledged and found; audit lost by kill -9: median %v, worst %v", saves, lost[len(lost)/2], lost[len(lost)-1])
		if saves == 0 {
			t.Errorf("the child wrote nothing")
		}
		// A single round can be late on a busy machine, most cannot; of two one is half.
		if rounds > 2 && late[len(late)/2] > waitsToRun {
			t.Errorf("a kill loses %v of audit, %v more than 100 ms and what the database was late", lost[len(lost)/2], late[len(late)/2])
		}
	})
}

// waitsToRun is how long the writer may wait for a processor, where all tests run at once
// on two.
const waitsToRun = 300 * time.Millisecond

// mayLose is how much audit a kill may lose: 100 ms, half of which is left for the
// commit. On a busy machine a commit takes longer, ours as any other, and what came
// while one was under way waits for the next. A batch of events goes to the database
// three times as often as the commit that is measured here, at least.
func mayLose(lines []string, killed time.Time) time.Duration {
	var slowest, began, us int64
	for _, line := range append(lines, fmt.Sprint("ended ", killed.UnixMicro())) {
		if k, _ := fmt.Sscanf(line, "began %d", &us); k == 1 {
			began = us
		}
		if k, _ := fmt.Sscanf(line, "ended %d", &us); k == 1 && began != 0 {
			slowest, began = max(slowest, us-began), 0
		}
	}
	return 2 * max(50*time.Millisecond, 3*time.Duration(slowest)*time.Microsecond)
}

// runAndKill runs a child for a moment and returns its lines.
func runAndKill(t *testing.T, c vault.Config, key secret.Value) (lines []string, pid int, killed time.Time) {
	t.Helper()
	args, _ := json.Marshal([]string{c.Driver, c.Source, key.Reveal()})
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(args))
	pipe, err := cmd.StdoutPipe()
	want(t, "StdoutPipe", err, nil)
	want(t, "Start", cmd.Start(), nil)
	in := bufio.NewScanner(pipe)
	var timer *time.Timer
	for in.Scan() {
		// From its first refresh on, which takes longer on a busy machine.
		if timer == nil && strings.HasPrefix(in.Text(), "saved") {
			timer = time.AfterFunc(time.Duration(100+rand.IntN(300))*time.Millisecond, func() {
				killed = time.Now()
				_ = cmd.Process.Kill()
			})
		}
		if strings.HasPrefix(in.Text(), "failed") {
			t.Error(in.Text())
		}
		lines = append(lines, in.Text())
	}
	_ = cmd.Wait()
	if timer == nil {
		t.Fatal("the child stored no refresh")
	}
	return lines, cmd.Process.Pid, killed
}

// checkSaved checks each acknowledged refresh: its token is there, or a later one.
func checkSaved(t *testing.T, v *vault.Vault, lines []string) int {
	t.Helper()
	saved, revoked := map[string]int{}, map[string]bool{}
	for _, line := range lines {
		var id string
		var n int
		if k, _ := fmt.Sscanf(line, "saved %s %d", &id, &n); k == 2 {
			saved[id] = n
		}
		if k, _ := fmt.Sscanf(line, "revoked %s", &id); k == 1 {
			revoked[id] = true
		}
	}
	for id, n := range saved {
		u := must[vault.Unsealed](t)(v.Unseal(t.Context(), id))
		if u.Account.State == vault.Revoked {
			continue // done just before or after it could say so
		}
		if revoked[id] {
			t.Errorf("account %s is %s, it was acknowledged as revoked", id, u.Account.State)
		}
		var got int
		if _, err := fmt.Sscan(u.RefreshToken.Reveal(), &got); err != nil || got < n || got > n+1 {
			t.Errorf("account %s has refresh token %d, %d was acknowledged", id, got, n)
		}
	}
	return len(saved)
}

// checkRecorded returns how old the oldest audit event was, when the child was
// killed, that did not survive.
func checkRecorded(t *testing.T, v *vault.Vault, lines []string, pid int, killed time.Time) time.Duration {
	t.Helper()
	there := map[string]bool{}
	for p := (vault.Page{Limit: 500}); ; {
		l := must[vault.List[vault.Event]](t)(v.System().Audit(t.Context(), vault.AuditFilter{Kind: vault.AuditUse, From: killed.Add(-time.Minute)}, p))
		for _, e := range l.Items {
			there[e.AccountID+e.Code] = true
		}
		if p.After = l.Next; l.Next == "" {
			break
		}
	}
	var worst time.Duration
	for _, line := range lines {
		var n, us int64
		if k, _ := fmt.Sscanf(line, "recorded %d %d", &n, &us); k != 2 {
			continue
		}
		if !there[fmt.Sprintf("run_%d%d", pid, n)] {
			worst = max(worst, killed.Sub(time.UnixMicro(us)))
		}
	}
	return worst
}
