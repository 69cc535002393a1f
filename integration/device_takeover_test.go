package integration_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/oauth/oauthtest"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// poll is one question about a device code: when, and by which replica.
type poll struct {
	at      time.Time
	replica string
}

// Two replicas on one PostgreSQL ask about a device code, and the one that waits
// for an answer is killed. The other one goes on, as slowly as the service told
// the first one to. The clock of one of them is a minute off.
func TestDeviceTakeoverOnPostgres(t *testing.T) {
	integration(t)
	t.Parallel()
	postgres, err := vaulttest.StartPostgres()
	if err != nil {
		missing(t, err.Error())
	}
	t.Cleanup(postgres.Stop)

	var mu sync.Mutex
	var polls []poll
	asking, again := make(chan string, 1), make(chan bool, 1)
	idp := oauthtest.New(oauthtest.Options{Interval: time.Second, Fault: func(c *oauthtest.Call) oauthtest.Fault {
		mu.Lock()
		defer mu.Unlock()
		polls = append(polls, poll{time.Now(), c.Request.Header.Get("X-Replica")})
		switch len(polls) {
		case 2: // from now on, six seconds
			return oauthtest.Fault{Answer: &oauthtest.Answer{Status: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"error":"slow_down"}`}}
		case 3:
			asking <- c.Request.Header.Get("X-Replica")
			return oauthtest.Fault{Delay: time.Minute}
		case 4:
			again <- true
		}
		return oauthtest.Fault{}
	}})
	server := httptest.NewServer(idp)
	t.Cleanup(server.Close)

	key, port := vault.NewKey().Reveal(), [2]int{}
	var both [2]*attache
	for i := range both {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "svc.yaml"), fmt.Sprintf("key: svc\nhosts: [svc.test]\nauth: {device: {type: oauth2, grant_type: device_code, device_url: '%s/device', token_url: '%[1]s/token', token_headers: {X-Replica: '%d'}}}\n", server.URL, i))
		port[i] = freePort(t)
		both[i] = newAttache(t, setup{
			Attache: "vault postgres {env.DATABASE_URL}\n\t\tkey {env.KEY}\n\t\tallow_address 127.0.0.1\n\t\tconnectors " + dir + "\n\t\tagent local",
			Env:     []string{"KEY=" + key, "DATABASE_URL=" + postgres.URL("postgres")},
			Sites:   fmt.Sprintf("http://:%d {\n\tbind 127.0.0.1\n\tattache_admin\n}", port[i]),
		})
	}
	token := strings.TrimSpace(both[0].command("admin", "token", "create", "--config", both[0].Caddyfile, "--name", "ops", "--role", "admin").Stdout)
	api := func(replica int, method, path, body string) map[string]any {
		t.Helper()
		status, m := callAPI(t, token, method, fmt.Sprintf("http://127.0.0.1:%d/api/v1%s", port[replica], path), body)
		if status >= 300 {
			t.Fatalf("%s %s: %d %v", method, path, status, m)
		}
		return m
	}
	api(0, "POST", "/apps", `{"connector":"svc","mode":"managed","client_id":"id"}`)
	// Replica 1 believes that a minute more has gone by.
	if err := shiftClock(both[1].cmd.Process.Pid, time.Minute); err != nil {
		t.Logf("the clocks stay together: %v", err)
	}
	id := fmt.Sprint(api(0, "POST", "/accounts", `{"connector":"svc","option":"device"}`)["id"])
	a := api(0, "POST", "/accounts/"+id+"/authorize", "")

	victim, survivor := 0, 1
	select {
	case who := <-asking:
		if who == "1" {
			victim, survivor = 1, 0
		}
	case <-time.After(40 * time.Second):
		t.Fatal("nobody asked three times within 40 s")
	}
	both[victim].cmd.Process.Kill()
	<-both[victim].done
	// Somebody who asks for the status does not make it go faster.
	session := "/connect/sessions/" + fmt.Sprint(a["session_id"])
	for end := time.Now().Add(80 * time.Second); api(survivor, "GET", session, "")["status"] == "authorizing" && time.Now().Before(end); {
		select {
		case <-again:
			time.Sleep(100 * time.Millisecond) // the answer is that nobody has decided
			idp.Approve(fmt.Sprint(a["user_code"]), "ann")
		case <-time.After(200 * time.Millisecond):
		}
	}
	if s := api(survivor, "GET", "/accounts/"+id, ""); s["state"] != "active" {
		t.Errorf("the account is %v, session %v", s["state"], api(survivor, "GET", session, ""))
	}
	mu.Lock()
	defer mu.Unlock()
	if len(polls) != 5 || polls[3].replica != fmt.Sprint(survivor) {
		t.Fatalf("%d polls, the last by replica %s; want 5, %d", len(polls), polls[len(polls)-1].replica, survivor)
	}
	for i, least := range []time.Duration{time.Second, 6 * time.Second, 6 * time.Second, 6 * time.Second} {
		if i+1 < len(polls) {
			if gap := polls[i+1].at.Sub(polls[i].at); gap < least-50*time.Millisecond {
				t.Errorf("poll %d came %v after the one before it, want %v", i+2, gap, least)
			}
		}
	}
	if gap := polls[3].at.Sub(polls[2].at); gap > time.Minute {
		t.Errorf("it took %v until another replica went on, want a minute at most", gap)
	}
}
