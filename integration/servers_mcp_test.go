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
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// vaulted is a proxy with a vault, its REST API and its connect pages.
type vaulted struct {
	*attache
	Public string // origin of the pages: http://127.0.0.1:port

	token string // an administrator's
}

// newVaulted starts one; change alters the setup before that.
func newVaulted(t testing.TB, change ...func(*setup)) *vaulted {
	t.Helper()
	integration(t)
	port := freePort(t)
	v := &vaulted{Public: fmt.Sprintf("http://127.0.0.1:%d", port)}
	s := setup{
		Attache:  "vault sqlite {$VAULT}\n\t\tpublic_url " + v.Public + "\n\t\tallow_address 127.0.0.1",
		Env:      []string{"VAULT=" + filepath.Join(t.TempDir(), "vault.db")},
		Listener: "unmatched deny",
		Sites:    fmt.Sprintf("http://:%d {\n\tbind 127.0.0.1\n\tattache_admin\n}", port),
	}
	for _, f := range change {
		f(&s)
	}
	v.attache = newAttache(t, s)
	r := v.command("admin", "token", "create", "--name", "test", "--role", "admin", "--config", v.Caddyfile)
	if v.token = strings.TrimSpace(r.Stdout); v.token == "" {
		t.Fatalf("no admin token: %v", r)
	}
	return v
}

// call asks the REST API and decodes its answer.
func (v *vaulted) call(t testing.TB, want int, method, path string, body any) map[string]any {
	t.Helper()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, v.Public+"/api/v1"+path, r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+v.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	var m map[string]any
	_ = json.Unmarshal(b, &m)
	if res.StatusCode != want {
		t.Fatalf("%s %s = %d, want %d: %s", method, path, res.StatusCode, want, b)
	}
	return m
}

// agent makes an agent and returns its id and its token.
func (v *vaulted) agent(t testing.TB, name string) (id, token string) {
	t.Helper()
	m := v.call(t, http.StatusCreated, "POST", "/agents", map[string]any{"name": name})
	return m["id"].(string), m["token"].(string)
}

// connect is a person who opens a link and does what the pages ask for, at ours
// and at the service, and returns the text of the last page.
func (p *person) connect(link string) (page string) {
	p.t.Helper()
	at := link
	for range 6 {
		next, page := p.approve(at)
		if next == nil {
			return page
		}
		at = next.String()
	}
	p.t.Fatalf("%s: no end after six moves between hosts", link)
	return ""
}

// connected is the title of the page at the end.
const connected = "is connected – Attaché"

// mcpExample is the MCP TypeScript SDK's example server with OAuth, as it comes.
func mcpExample(t testing.TB) (url string) {
	t.Helper()
	integration(t)
	dir := os.Getenv("ATTACHE_NODE_DIR")
	if dir == "" {
		missing(t, "ATTACHE_NODE_DIR")
	}
	port, auth := freePort(t), freePort(t)
	cmd := exec.Command(program(t, "node"), "node_modules/@modelcontextprotocol/sdk/dist/esm/examples/server/simpleStreamableHttp.js", "--oauth", "--oauth-strict")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "MCP_PORT="+strconv.Itoa(port), "MCP_AUTH_PORT="+strconv.Itoa(auth))
	log := &buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("the MCP server said:\n%s", tail(log.String(), 20))
		}
	})
	waitFor(t, "the MCP server", func() bool {
		return strings.Contains(log.String(), "MCP Streamable HTTP Server listening") && strings.Contains(log.String(), "OAuth Authorization Server listening")
	})
	return fmt.Sprintf("http://localhost:%d/mcp", port)
}

// mcpAnswer is what node/mcp.mjs and node/mcp2.mjs print.
type mcpAnswer struct {
	Era    string // of mcp2.mjs: modern or legacy
	Tools  []string
	Said   string
	Heard  int
	Spread int // ms
	Error  string
}

// mcpCall lets the SDK's client call a tool, that of before 2026-07-28.
func mcpCall(t testing.TB, url, token, tool, args string) (a mcpAnswer) {
	t.Helper()
	return mcpCallBy(t, "mcp.mjs", url, token, tool, args)
}

// mcpCallBy is mcpCall with a client of ours below node/.
func mcpCallBy(t testing.TB, script, url, token, tool, args string) (a mcpAnswer) {
	t.Helper()
	dir := os.Getenv("ATTACHE_NODE_DIR")
	copyFile(t, filepath.Join("node", script), filepath.Join(dir, script))
	r := client{Dir: dir, Env: append(cleanEnv(t.TempDir()), "AGENT_TOKEN="+token)}.run(t, "node", script, url, tool, args)
	if err := json.Unmarshal([]byte(r.Stdout), &a); err != nil {
		t.Fatalf("the agent printed no JSON: %v", r)
	}
	return a
}
