package integration_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// composeFile is what of docker-compose.yml the test looks at.
type composeFile struct {
	Services map[string]struct {
		Networks    any
		NetworkMode string `yaml:"network_mode"`
		Environment map[string]string
		Volumes     []any
		Secrets     []any
		Healthcheck struct{ Test []string }
		Ports       []any
		Restart     string
	}
	Networks map[string]struct{ Internal bool }
	Volumes  map[string]any
}

// docker-compose.yml is valid, and what it promises of the agent holds: no
// secret, and no network but the one of the proxy.
func TestComposeFile(t *testing.T) {
	integration(t)
	file, _ := filepath.Abs("../docker-compose.yml")
	compose := []string{"docker", "compose"}
	if exec.Command("docker", "compose", "version").Run() != nil {
		compose = []string{program(t, "docker-compose")}
	}
	out, err := exec.Command(compose[0], append(compose[1:], "-f", file, "config")...).Output()
	if err != nil {
		t.Fatalf("%v config: %v\n%s", compose, err, out)
	}
	var c composeFile
	if err := yaml.Unmarshal(out, &c); err != nil {
		t.Fatal(err)
	}
	networks := func(service string) []string {
		b, _ := json.Marshal(c.Services[service].Networks)
		var names []string
		for name := range c.Networks {
			if strings.Contains(string(b), `"`+name+`"`) {
				names = append(names, name)
			}
		}
		return names
	}
	agent := c.Services["agent"]
	if got := networks("agent"); len(got) != 1 || got[0] != "agents" || !c.Networks["agents"].Internal {
		t.Errorf("the agent is on %v, want the internal network agents alone", got)
	}
	volumes, _ := json.Marshal(agent.Volumes)
	if len(agent.Volumes) != 1 || !strings.Contains(string(volumes), "/trust") || !strings.Contains(string(volumes), "ro") {
		t.Errorf("the agent mounts %s, want the certificates alone, read-only", volumes)
	}
	if len(agent.Secrets) > 0 || len(agent.Ports) > 0 {
		t.Errorf("the agent has secrets or ports: %+v", agent)
	}
	for name := range agent.Environment {
		if upper := strings.ToUpper(name); strings.Contains(upper, "TOKEN") || strings.Contains(upper, "KEY") || strings.Contains(upper, "SECRET") {
			t.Errorf("the agent's environment has %s", name)
		}
	}
	for _, service := range []string{"redis", "postgres"} {
		if got := networks(service); len(got) != 1 || got[0] != "data" || len(c.Services[service].Ports) > 0 || !c.Networks["data"].Internal {
			t.Errorf("%s is on %v with ports %v, want the internal network data alone", service, got, c.Services[service].Ports)
		}
	}
	for _, service := range []string{"attache-a", "attache-b", "redis", "postgres"} {
		if len(c.Services[service].Healthcheck.Test) == 0 {
			t.Errorf("%s has no health check", service)
		}
	}
	for _, service := range []string{"attache-a", "attache-b"} {
		b, _ := json.Marshal(c.Services[service].Volumes)
		if !strings.Contains(string(b), "docker/Caddyfile:") && !strings.Contains(string(b), "docker/Caddyfile\"") {
			t.Errorf("%s mounts %s, want docker/Caddyfile", service, b)
		}
	}
}

// The topology of docker-compose.yml as processes: two replicas run the Caddyfile
// that it mounts, with one PostgreSQL, one Redis, one key and one data directory.
func TestComposeTopology(t *testing.T) {
	if !inWorld(t) {
		return
	}
	n, ca := newNames(t), newAuthority(t, "the internet")
	installRoot(t, ca)
	n.set("api.github.com", []string{publicIP})
	serveAt(t, net.JoinHostPort(publicIP, "443"), gitHub(gitPassword, "https://api.github.com"), ca, "api.github.com")
	f := newFleet(t, fleetOptions{})
	keyFile := filepath.Join(f.dir, "attache.key")
	if out, err := exec.Command(plainBinary(t), "vault", "keygen", "--out", keyFile).CombinedOutput(); err != nil {
		t.Fatalf("vault keygen --out: %v %s", err, out)
	}
	// The vault that newFleet made has another key: a new database, as compose has.
	if out, err := exec.Command(filepath.Join(postgresPrograms(t), "psql"), f.postgres.URL("postgres"), "-c", "CREATE DATABASE composed").CombinedOutput(); err != nil {
		t.Fatalf("psql: %v %s", err, out)
	}
	caddyfile, _ := filepath.Abs("../docker/Caddyfile")
	var replicas []*composed
	for range 2 {
		port, admin := freePort(t), freePort(t)
		c := &composed{t: t, caddyfile: caddyfile, URL: fmt.Sprintf("http://127.0.0.1:%d", port), Admin: fmt.Sprintf("http://127.0.0.1:%d", admin),
			env: append(cleanEnv(f.dir), "XDG_DATA_HOME="+filepath.Join(f.dir, "data"), "XDG_CONFIG_HOME="+filepath.Join(f.dir, "config"),
				"ATTACHE_KEY_FILE="+keyFile, "DATABASE_URL=postgres://attache@"+f.database.Addr+"/composed?sslmode=disable", "REDIS_URL="+f.redis.Addr,
				fmt.Sprint("ATTACHE_PORT=", port), "ATTACHE_BIND=127.0.0.1", fmt.Sprint("ATTACHE_ADMIN_PORT=", admin), "ATTACHE_ADMIN_BIND=127.0.0.1")}
		c.start() // until it is healthy, as depends_on says
		replicas = append(replicas, c)
	}
	a, b := replicas[0], replicas[1]
	if one, two := a.get(a.URL+"/.well-known/attache/ca.pem"), b.get(b.URL+"/.well-known/attache/ca.pem"); one != two || !strings.Contains(one, "BEGIN CERTIFICATE") {
		t.Errorf("the replicas have different CAs:\n%s\n%s", one, two)
	}
	trust := filepath.Join(f.dir, "trust")
	a.command("ca", "export", "--proxy", a.URL, "--out", trust)
	token := strings.TrimSpace(a.command("admin", "token", "create", "--name", "me", "--config", caddyfile))

	curl := func(via *composed) result {
		return client{}.run(t, "curl", "-sS", "-x", via.URL, "--cacert", filepath.Join(trust, "bundle.pem"), "https://api.github.com/user")
	}
	if r := curl(b); strings.Contains(r.Stdout, "octo") {
		t.Errorf("before there is an account: %v", r)
	}
	account := a.post(token, "/api/v1/accounts", map[string]any{"connector": "github", "option": "token", "name": "work", "identifier": "ann",
		"identifier_type": "user", "credentials": map[string]any{"token": gitPassword}})
	a.post(token, "/api/v1/agents/file:local/grants", map[string]any{"account_id": account["id"], "scopes": []string{"read"}})
	for _, via := range []*composed{a, b} {
		waitFor(t, "the account works through "+via.URL, func() bool { return strings.Contains(curl(via).Stdout, `"login":"octo"`) })
	}
	// One replica dies; the other one goes on.
	a.cmd.Process.Kill()
	<-a.done
	if r := curl(b); !strings.Contains(r.Stdout, `"login":"octo"`) {
		t.Errorf("with one replica dead: %v", r)
	}
	// No way out but to connectors, and none to the API from the agent's network.
	if r := (client{}).run(t, "curl", "-sS", "-x", b.URL, "--cacert", filepath.Join(trust, "bundle.pem"), "https://example.org/"); r.Code == 0 {
		t.Errorf("a host of no connector was reached: %v", r)
	}
	if got := b.get(b.URL + "/api/v1/accounts"); strings.Contains(got, `"items"`) {
		t.Errorf("the API answers on the agent's port: %s", got)
	}
}

// composed is a replica that runs the Caddyfile of docker-compose.yml.
type composed struct {
	t          testing.TB
	caddyfile  string
	URL, Admin string
	env        []string
	cmd        *exec.Cmd
	done       chan struct{}
	log        buffer
}

func (c *composed) start() {
	c.t.Helper()
	c.cmd = exec.Command(raceBinary(c.t), "run", "--config", c.caddyfile)
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = c.env, &c.log, &c.log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.done = make(chan struct{})
	go func() { c.cmd.Wait(); close(c.done) }()
	c.t.Cleanup(func() {
		c.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-c.done:
		case <-time.After(20 * time.Second):
			c.cmd.Process.Kill()
		}
		if c.t.Failed() {
			c.t.Logf("the end of a replica's log:\n%s", telling(c.log.String()))
		}
	})
	waitFor(c.t, "the health check of "+c.URL, func() bool {
		h := exec.Command(plainBinary(c.t), "ca", "print", "--proxy", c.URL)
		h.Env = c.env
		return h.Run() == nil
	})
}

// command runs the binary with the replica's environment.
func (c *composed) command(args ...string) string {
	c.t.Helper()
	cmd := exec.Command(plainBinary(c.t), args...)
	cmd.Env = c.env
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("attache %v: %v\n%s", args, err, problems.String())
	}
	return string(out)
}

func (c *composed) get(url string) string {
	c.t.Helper()
	res, err := http.Get(url)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

func (c *composed) post(token, path string, body any) map[string]any {
	c.t.Helper()
	b, _ := json.Marshal(body)
	req, _ := http.NewRequest("POST", c.Admin+path, bytes.NewReader(b))
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(res.Body)
	var out map[string]any
	if json.Unmarshal(answer, &out) != nil || res.StatusCode >= 300 {
		c.t.Fatalf("POST %s = %d %s", path, res.StatusCode, answer)
	}
	return out
}
