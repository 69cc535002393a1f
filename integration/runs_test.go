package integration_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A run is opened at one replica, known at the other, and over at both.
func TestRunsOfReplicas(t *testing.T) {
	both, _, api := newVaultReplicas(t)
	want := func(status int, method, path, body string) map[string]any {
		t.Helper()
		got, m := api(method, path, body)
		if got != status {
			t.Fatalf("%s %s %s = %d %v, want %d", method, path, body, got, m, status)
		}
		return m
	}
	acct := want(201, "POST", "/accounts", `{"connector":"svc","name":"main","credentials":{"token":"`+replicaToken+`"}}`)
	agent := want(201, "POST", "/agents", `{"name":"research"}`)
	own := fmt.Sprint(agent["token"])
	want(201, "POST", "/agents/"+fmt.Sprint(agent["id"])+"/grants", fmt.Sprintf(`{"account_id":%q,"scopes":["read"]}`, acct["id"]))
	second := want(201, "POST", "/agents/"+fmt.Sprint(agent["id"])+"/tokens", `{"name":"second"}`)
	open := func(token string) (id, minted string) {
		t.Helper()
		status, m := asAgent(t, "POST", both[0].URL+"/.well-known/attache/runs", token, `{"program":"/usr/bin/agent\u0007","user":"somebody","confined":true}`)
		if status != 200 || m["confined"] != false {
			t.Fatalf("opening a run: %d %v, want one that is not confined", status, m)
		}
		return fmt.Sprint(m["id"]), fmt.Sprint(m["token"])
	}
	call := func(r *vaultReplica, token string) (int, string) {
		t.Helper()
		status, m := asAgent(t, "GET", r.URL+"/svc/x", token, "")
		return status, fmt.Sprint(m["code"])
	}
	id, minted := open(own)
	for _, r := range both {
		if status, code := call(r, minted); status != 200 {
			t.Fatalf("in the run: %d %s", status, code)
		}
	}
	t.Run("a run opens no other, and ends none", func(t *testing.T) {
		for _, c := range []struct {
			method, path, token string
			want                int
		}{
			{"POST", "/runs", minted, 409},
			{"POST", "/runs/run_other", minted, 404},
			{"DELETE", "/runs/" + id, own, 404}, // who is not in it
			{"POST", "/runs", "atr_" + strings.Repeat("A", 43), 401},
		} {
			if status, m := asAgent(t, c.method, both[1].URL+"/.well-known/attache"+c.path, c.token, "{}"); status != c.want {
				t.Errorf("%s %s: %d %v, want %d", c.method, c.path, status, m, c.want)
			}
		}
	})
	t.Run("people see it", func(t *testing.T) {
		var run map[string]any
		waitFor(t, "the run's calls are counted", func() bool {
			run = want(200, "GET", "/runs/"+id, "")
			return run["calls"] == 4.0 && run["refusals"] == 2.0 // of the test above
		})
		if run["state"] != "running" || run["agent"] != "research" || run["user"] != "somebody" || strings.Contains(fmt.Sprint(run["program"]), "\a") {
			t.Errorf("%v", run)
		}
		waitFor(t, "its events are there", func() bool {
			events := want(200, "GET", "/audit?kind=use&run_id="+id, "")["items"].([]any)
			return len(events) == 2
		})
		if l := want(200, "GET", "/runs?state=running", "")["items"].([]any); len(l) != 1 {
			t.Errorf("%v, want one", l)
		}
	})
	t.Run("its end is everywhere", func(t *testing.T) {
		if status, m := asAgent(t, "DELETE", both[1].URL+"/.well-known/attache/runs/"+id, minted, ""); status != 200 {
			t.Fatalf("%d %v", status, m)
		}
		if status, code := call(both[1], minted); status != 401 || code != "run_ended" {
			t.Errorf("where it was ended: %d %s", status, code)
		}
		waitFor(t, "the other replica hears it", func() bool { status, code := call(both[0], minted); return status == 401 && code == "run_ended" })
		if got := want(200, "GET", "/runs/"+id, ""); got["state"] != "ended" || got["why"] != "exited" {
			t.Errorf("%v", got)
		}
	})
	t.Run("an operator ends one", func(t *testing.T) {
		id, minted := open(own)
		if status, _ := call(both[1], minted); status != 200 {
			t.Fatal(status)
		}
		if got := want(200, "POST", "/runs/"+id+"/end", ""); got["state"] != "ended" || !strings.Contains(fmt.Sprint(got["why"]), "ops") {
			t.Errorf("%v", got)
		}
		waitFor(t, "both replicas hear it", func() bool {
			a, _ := call(both[0], minted)
			b, _ := call(both[1], minted)
			return a == 401 && b == 401
		})
		want(200, "POST", "/runs/"+id+"/end", "") // again
		want(404, "POST", "/runs/run_none/end", "")
	})
	t.Run("it is gone with the token by which it was opened", func(t *testing.T) {
		_, minted := open(fmt.Sprint(second["token"]))
		if status, _ := call(both[1], minted); status != 200 {
			t.Fatal(status)
		}
		want(204, "DELETE", "/agents/"+fmt.Sprint(agent["id"])+"/tokens/"+fmt.Sprint(second["id"]), "")
		waitFor(t, "both replicas hear it", func() bool {
			a, _ := call(both[0], minted)
			b, _ := call(both[1], minted)
			return a == 401 && b == 401
		})
		if status, _ := call(both[0], own); status != 200 {
			t.Errorf("the other token: %d", status)
		}
	})
}

// asAgent sends a request with a bearer token, and reads JSON.
func asAgent(t testing.TB, method, url, token, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	m := map[string]any{}
	_ = json.Unmarshal(text, &m)
	return res.StatusCode, m
}

// launchKey is what shows that a run is confined.
const launchKey = "launch-key-5b1d77c2903e"

// withRuns gives the agent `worker` the demo service, and another in confined runs alone.
func withRuns(t testing.TB) func(*setup) {
	kept := newPlainService(t, demoService())
	return func(s *setup) {
		withAgentToken(s)
		s.Attache = connector("kept", "kept.test", kept, "bearer {fields.key}", "DEMO_TOKEN") + "launch_key {env.LAUNCH_KEY}\n" +
			strings.Replace(s.Attache, "agent worker {", "agent worker {\n\tgrant kept read confined", 1)
		s.Env = append(s.Env, "LAUNCH_KEY="+launchKey)
	}
}

// `attache exec` opens a run and ends it, however that ends.
func TestRunsOfExec(t *testing.T) {
	d := newDemo(t, withRuns(t))
	run := regexp.MustCompile(`"run":"(run_[0-9a-z]+)"`)
	with := client{Env: []string{"ATTACHE_PROXY=" + d.URL, "ATTACHE_TOKEN=" + agentToken}}
	t.Run("what outlives it is nobody", func(t *testing.T) {
		left := filepath.Join(t.TempDir(), "left")
		// The daemon keeps the run's environment, and an open connection to nothing.
		r := with.run(t, raceBinary(t), "exec", "--", "sh", "-c", `curl -sS https://demo.test/whoami; (trap "" HUP; while [ ! -e "$0.go" ]; do sleep 0.05; done; curl -sS -m 20 -w " %{http_code}" https://demo.test/whoami >"$0" 2>&1; echo end >>"$0") >/dev/null 2>&1 </dev/null &`, left)
		if r.Code != 0 || !strings.Contains(r.Stdout, authenticated) {
			t.Fatal(r)
		}
		writeFile(t, left+".go", "")
		said := ""
		waitFor(t, "the daemon has tried", func() bool {
			text, _ := os.ReadFile(left)
			said = string(text)
			return strings.HasSuffix(said, "end\n")
		})
		if strings.Contains(said, authenticated) {
			t.Errorf("it got %s", said)
		}
	})
	t.Run("the token is in nobody's sight", func(t *testing.T) {
		r := with.run(t, raceBinary(t), "exec", "--", "sh", "-c", "env; curl -sS $HTTP_PROXY/.well-known/attache; curl -sS -X POST $HTTP_PROXY/.well-known/attache/runs")
		for _, secret := range []string{agentToken, "atr_", launchKey} {
			if strings.Contains(r.Stdout+r.Stderr, secret) {
				t.Errorf("%s is in sight: %v", secret, r)
			}
		}
	})
	t.Run("killed", func(t *testing.T) {
		cmd := exec.Command(raceBinary(t), "exec", "--", "sh", "-c", "curl -sS https://demo.test/whoami; sleep 100")
		cmd.Env = append(cleanEnv(t.TempDir()), with.Env...)
		var out buffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = cmd.Process.Kill() }()
		waitFor(t, "it has called", func() bool { return strings.Contains(out.String(), authenticated) })
		_ = cmd.Process.Signal(syscall.SIGTERM) // goes to the command; exec ends as that does, and ends the run before
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "terminated") {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("a grant for confined runs", func(t *testing.T) {
		for name, r := range map[string]result{
			"with the agent's token":        client{}.run(t, "curl", "-sS", "-H", "Authorization: Bearer "+agentToken, d.URL+"/kept/whoami"),
			"in a run that is not confined": with.run(t, raceBinary(t), "exec", "--", "curl", "-sS", "https://kept.test/whoami"),
			"in one that says it is":        with.run(t, raceBinary(t), "exec", "--", "curl", "-sS", "-H", "Attache-Door: transparent", "-H", "Attache-Launch-Key: "+launchKey, "https://kept.test/whoami"),
		} {
			if !strings.Contains(r.Stdout, "confinement_required") {
				t.Errorf("%s: %v", name, r)
			}
		}
		for key, status := range map[string]int{"": 200, "wrong-launch-key-00": 403, agentToken: 403} {
			got, m := asAgent(t, "POST", d.URL+"/.well-known/attache/runs", agentToken, fmt.Sprintf(`{"program":"x","confined":true,"launch_key":%q}`, key))
			if got != status || m["confined"] == true {
				t.Errorf("launch key %q: %d %v", key, got, m)
			}
			if token, ok := m["token"].(string); ok {
				if got, m := asAgent(t, "GET", d.URL+"/kept/whoami", token, ""); got != 403 || m["code"] != "confinement_required" {
					t.Errorf("in that run: %d %v", got, m)
				}
			}
		}
		// Whoever has the key alone is nobody.
		if got, m := asAgent(t, "POST", d.URL+"/.well-known/attache/runs", launchKey, `{"launch_key":"`+launchKey+`"}`); got != 401 {
			t.Errorf("the key as a token: %d %v", got, m)
		}
	})
	t.Run("confined", func(t *testing.T) {
		keys := t.TempDir()
		key := writeFile(t, filepath.Join(keys, "launch.key"), launchKey+"\n")
		if err := os.Chmod(key, 0o600); err != nil {
			t.Fatal(err)
		}
		work := t.TempDir()
		confined := with
		confined.Dir, confined.Limit = work, 2*time.Minute
		r := confined.run(t, raceBinary(t), "exec", "--confine", "--launch-key", key, "--ro", keys, "--", "sh", "-c",
			`curl -sS https://kept.test/whoami; env -u HTTPS_PROXY -u https_proxy curl -sS https://kept.test/whoami; cat "$0"; curl -sS -X POST $HTTP_PROXY/.well-known/attache/runs`, key)
		if r.Code == 125 && strings.Contains(r.Stderr, "could not be confined") {
			t.Logf("this kernel confines nothing, and nothing was started: %v", r)
			return
		}
		if strings.Count(r.Stdout, authenticated) != 2 || strings.Contains(r.Stdout+r.Stderr, launchKey) || strings.Contains(r.Stdout, "atr_") || !strings.Contains(r.Stdout, "in_a_run") {
			t.Errorf("%v", r)
		}
		waitFor(t, "the audit says by which door", func() bool {
			log := d.Log.String()
			return strings.Contains(log, `"door":"transparent"`) && strings.Contains(log, `"door":"tunnel"`)
		})
		if err := os.Chmod(key, 0o644); err != nil {
			t.Fatal(err)
		}
		if r := confined.run(t, raceBinary(t), "exec", "--confine", "--launch-key", key, "--", "true"); r.Code != 125 || !strings.Contains(r.Stderr, "chmod 600") {
			t.Errorf("a key that everybody may read: %v", r)
		}
	})
	if n := len(run.FindAllString(d.Log.String(), -1)); n == 0 {
		t.Error("no line of the audit names a run")
	}
}
