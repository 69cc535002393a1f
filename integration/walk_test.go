package integration_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestWalk runs the commands of docs/api.md as they stand there, from an empty
// vault to an agent's first call, against Caddyfile.example as it is. What a
// reader fills in (…) is filled in from the answers before.
func TestWalk(t *testing.T) {
	if !inWorld(t) {
		return
	}
	const secret = "ghp_walkwalkwalkwalkwalkwalkwalkwalk1234"
	names, ca := newNames(t), newAuthority(t, "walk")
	names.set("api.github.com", []string{publicIP})
	installRoot(t, ca)
	github := serveAt(t, publicIP+":443", gitHub(secret, "https://api.github.com"), ca, "api.github.com")

	home := t.TempDir()
	file, err := filepath.Abs("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(home, "Caddyfile"), readFile(t, file))
	bin := filepath.Join(home, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(plainBinary(t), filepath.Join(bin, "attache")); err != nil {
		t.Fatal(err)
	}
	env := append(cleanEnv(home), "PATH="+bin+":"+os.Getenv("PATH"))
	cmd := exec.Command(filepath.Join(bin, "attache"), "run", "--config", "Caddyfile")
	cmd.Dir, cmd.Env = home, env
	log := background(t, cmd, telling)
	waitFor(t, "the API's listener", func() bool {
		c, err := net.DialTimeout("tcp", "127.0.0.1:8081", time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})

	w := walk{t: t, dir: home, env: env, filled: map[string]string{"ghp_…": secret}}
	blocks := shellBlocks(readFile(t, "../docs/api.md"), "## From an empty vault to the first call")
	if len(blocks) != 7 {
		t.Fatalf("docs/api.md has %d blocks of commands in its walk, this test knows 7", len(blocks))
	}
	w.run(blocks[0]) // the token
	if out := w.run(blocks[1]); !strings.Contains(out, `"key":"github"`) || !strings.Contains(out, `"flow":"credentials"`) {
		t.Errorf("2: %s", out)
	}
	acct := w.object(w.run(blocks[2]))
	if acct["state"] != "active" {
		t.Fatalf("3: %v, want an active account", acct)
	}
	w.fill("acc_…", acct["id"])
	agent := w.object(w.run(blocks[3]))
	w.fill("agt_…", agent["id"])
	w.fill("att_…", agent["token"])
	if grant := w.object(w.run(blocks[4])); grant["agent_id"] != agent["id"] || grant["account_id"] != acct["id"] {
		t.Errorf("5: %v", grant)
	}
	github.forget()
	if out := w.run(blocks[5]); !strings.Contains(out, `"login":"octo"`) {
		t.Errorf("6: the agent's call = %s", out)
	}
	if got := github.last(t).Header.Get("Authorization"); got != "Bearer "+secret {
		t.Errorf("6: the service got %q", got)
	}
	time.Sleep(300 * time.Millisecond) // the audit is written in batches
	// The stream of events has no end; the reader stops it.
	out := w.run(strings.Replace(blocks[6], "api -N ", "timeout 2 curl -sS -N -H \"Authorization: Bearer $TOKEN\" ", 1))
	for _, want := range []string{`"kind":"use"`, `"grant.created"`, ": connected", `"users/get-authenticated"`} {
		if !strings.Contains(out, want) {
			t.Errorf("7: want %s in\n%s", want, clip(out))
		}
	}
	w.byCommand(github, secret)
	if all := w.seen.String() + log.String(); strings.Contains(all, secret) {
		t.Error("an answer or the log holds the secret")
	}
}

// byCommand walks the same way by the commands of the page, which ask for the
// secret where a person sits at a terminal.
func (w *walk) byCommand(github *service, secret string) {
	w.t.Helper()
	blocks := shellBlocks(readFile(w.t, "../docs/api.md"), "## The same by command line")
	if len(blocks) != 1 {
		w.t.Fatalf("docs/api.md has %d blocks of commands by command line, this test knows 1", len(blocks))
	}
	writeFile(w.t, filepath.Join(w.dir, "github.token"), secret)
	github.forget()
	block := strings.Replace(blocks[0], "attache audit", "sleep 0.3; attache audit", 1) // written in batches
	out := w.run("set -e\n" + strings.Replace(block, "--name home", "--name home --field token=@github.token", 1))
	for _, want := range []string{"acc_", "grt_", `"login":"octo"`, "use  agent reporter  github:home  users/get-authenticated  GET  api.github.com/user  200"} {
		if !strings.Contains(out, want) {
			w.t.Errorf("by command line: want %s in\n%s", want, clip(out))
		}
	}
	if got := github.last(w.t).Header.Get("Authorization"); got != "Bearer "+secret {
		w.t.Errorf("by command line: the service got %q", got)
	}
}

// walk is a reader at a shell.
type walk struct {
	t      *testing.T
	dir    string
	env    []string
	filled map[string]string // placeholder → what it stands for
	seen   strings.Builder
}

func (w *walk) fill(placeholder string, v any) {
	w.t.Helper()
	s, _ := v.(string)
	if s == "" {
		w.t.Fatalf("nothing to fill in for %s", placeholder)
	}
	w.filled[placeholder] = s
}

// run runs a block in one shell, with what the blocks before defined.
func (w *walk) run(block string) string {
	w.t.Helper()
	for placeholder, v := range w.filled {
		block = strings.ReplaceAll(block, placeholder, v)
	}
	state := filepath.Join(w.dir, "shell")
	cmd := exec.Command("bash", "-c", "[ -f "+state+" ] && . "+state+"\n"+block+"\n(declare -p TOKEN BASE; declare -f api) > "+state)
	cmd.Dir, cmd.Env = w.dir, w.env
	var errs buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || strings.Contains(string(out), "application/problem") || strings.Contains(string(out), "attache.dev/errors") {
		w.t.Fatalf("%v from\n%s\n%s%s", err, block, out, clip(errs.String()))
	}
	w.seen.Write(out)
	return string(out)
}

func (w *walk) object(out string) map[string]any {
	w.t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
	return m
}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// shellBlocks are the blocks of commands of one section.
func shellBlocks(page, heading string) (out []string) {
	_, section, _ := strings.Cut(page, heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, m := range shellBlock.FindAllStringSubmatch(section, -1) {
		out = append(out, m[1])
	}
	return out
}
