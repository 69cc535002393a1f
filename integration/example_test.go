package integration_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Caddyfile.example as it is, on its own ports, with the calls that its
// comments and the README promise.
func TestExample(t *testing.T) {
	if !inWorld(t) {
		return
	}
	newNames(t) // knows no name: demo.localhost needs none
	home := t.TempDir()
	file, err := filepath.Abs("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(raceBinary(t), "run", "--config", file, "--adapter", "caddyfile")
	cmd.Dir, cmd.Env = home, cleanEnv(home)
	log := background(t, cmd, clip)
	waitFor(t, "the example's listener", func() bool {
		return client{}.run(t, "curl", "-s", "http://127.0.0.1:8080/demo/whoami").Code == 0
	})

	ca := filepath.Join(home, "ca.pem")
	r := client{}.mustRun(t, raceBinary(t), "ca")
	writeFile(t, ca, r.Stdout)
	calls := map[string][]string{
		"absolute form":    {"-x", "http://127.0.0.1:8080", "http://demo.localhost/whoami"},
		"CONNECT":          {"-x", "http://127.0.0.1:8080", "--cacert", ca, "https://demo.localhost/whoami"},
		"base URL":         {"http://127.0.0.1:8080/demo/whoami"},
		"host name":        {"--resolve", "demo.localhost:8080:127.0.0.1", "http://demo.localhost:8080/whoami"},
		"without resolver": {"http://demo.localhost:8080/whoami"}, // curl knows that .localhost is loopback
	}
	for name, args := range calls {
		t.Run(name, func(t *testing.T) {
			r := client{}.run(t, "curl", append([]string{"-sS"}, args...)...)
			if strings.TrimSpace(r.Stdout) != authenticated {
				t.Errorf("want %s: %v", authenticated, r)
			}
		})
	}
	t.Run("straight to the demo", func(t *testing.T) {
		r := client{}.run(t, "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", demoAddress(t, file)+"/whoami")
		if r.Stdout != "401" {
			t.Errorf("want 401: %v", r)
		}
	})
	t.Run("exec", func(t *testing.T) {
		r := client{}.run(t, raceBinary(t), "exec", "--", "curl", "-sS", "https://demo.localhost/whoami")
		if strings.TrimSpace(r.Stdout) != authenticated {
			t.Errorf("want %s: %v", authenticated, r)
		}
	})
	t.Run("doctor", func(t *testing.T) {
		if r := (client{}).run(t, raceBinary(t), "doctor"); r.Code != 0 || !strings.Contains(r.Stdout, "demo") {
			t.Errorf("attache doctor: %v", r)
		}
	})
	t.Run("only on loopback, no admin API", func(t *testing.T) {
		for _, l := range listeners(t, cmd.Process.Pid) {
			if !strings.HasPrefix(l, "127.0.0.1:") {
				t.Errorf("the example listens on %s", l)
			}
			if r := (client{}).run(t, "curl", "-sS", "http://"+l+"/config/"); strings.Contains(r.Stdout, `"apps"`) {
				t.Errorf("Caddy's admin API answers on %s: %v", l, r)
			}
		}
	})
	t.Run("stops", func(t *testing.T) {
		start := time.Now()
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("SIGTERM took %v", took)
		}
		for _, race := range races(log.String()) {
			t.Errorf("a data race:\n%s", clip(race))
		}
	})
}

// demoAddress is where the example's `upstream` points to.
func demoAddress(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "upstream" {
			return f[1]
		}
	}
	t.Fatal("Caddyfile.example has no upstream for its demo")
	return ""
}

// attache run without a configuration, in a directory that has none: the built-in
// example works, is nobody's but this machine's, and is not started twice.
func TestExampleBuiltIn(t *testing.T) {
	if !inWorld(t) {
		return
	}
	newNames(t)
	home := t.TempDir()
	run := func() *exec.Cmd {
		cmd := exec.Command(raceBinary(t), "run")
		cmd.Dir, cmd.Env = home, cleanEnv(home)
		return cmd
	}
	cmd := run()
	background(t, cmd, clip)
	waitFor(t, "the built-in example", func() bool {
		return strings.TrimSpace(client{}.run(t, "curl", "-s", "http://127.0.0.1:8080/demo/whoami").Stdout) == authenticated
	})
	for path, want := range map[string]string{"/ui/": "200", "/readyz": "200", "/nowhere": "404"} {
		if r := (client{}).run(t, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:8081"+path); r.Stdout != want {
			t.Errorf("%s: want %s: %v", path, want, r)
		}
	}
	for _, l := range listeners(t, cmd.Process.Pid) {
		if !strings.HasPrefix(l, "127.0.0.1:") {
			t.Errorf("the built-in example listens on %s", l)
		}
	}
	second, said := run(), new(buffer)
	second.Stdout, second.Stderr = said, said
	if err := second.Run(); err == nil || !strings.Contains(said.String(), "process "+strconv.Itoa(cmd.Process.Pid)) {
		t.Errorf("a second start: %v\n%s", err, clip(said.String()))
	}
	// Who can read the vault needs no token.
	if r := (client{Env: cleanEnv(home)}).run(t, raceBinary(t), "accounts", "list"); r.Code != 0 || !strings.Contains(r.Stdout, "demo:default") {
		t.Errorf("attache accounts list: %v", r)
	}
}
