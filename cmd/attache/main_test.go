package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"attache": main,
		"fetch":   fetch,
	})
}

// fetch is a plain HTTP client in Go: it prints the body of a URL, with the
// proxy and the roots of its environment. Its further arguments are a bearer
// token, and JSON to post.
func fetch() {
	method, body := http.MethodGet, ""
	if len(os.Args) > 3 {
		method, body = http.MethodPost, os.Args[3]
	}
	req, err := http.NewRequest(method, os.Args[1], strings.NewReader(body))
	if err == nil && body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if err == nil && len(os.Args) > 2 {
		req.Header.Set("Authorization", "Bearer "+os.Args[2])
	}
	var res *http.Response
	if err == nil {
		res, err = http.DefaultClient.Do(req)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, _ = io.Copy(os.Stdout, res.Body)
	if res.StatusCode/100 != 2 {
		os.Exit(2)
	}
}

// TestScripts runs the command line as a person would: each script has a home
// of its own, free ports in PROXY, PROXY2 and DEMO, and the Caddyfile of
// testdata with a demo service, an agent without a token at PROXY, and one with
// a token at PROXY2.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"listening": listening,
		},
		Condition: condition,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"PROXY", "PROXY2", "DEMO", "NOBODY"} {
				port, err := freePort()
				if err != nil {
					return err
				}
				env.Setenv(name, strconv.Itoa(port))
			}
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "data"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv("ATTACHE_PROXY", "http://127.0.0.1:"+env.Getenv("PROXY"))
			env.Setenv("DEMO_SECRET", "demo-secret-0123456789abcdef")
			if err := worked(filepath.Join(env.WorkDir, "manual")); err != nil {
				return err
			}
			src, err := os.ReadFile("testdata/Caddyfile")
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(env.WorkDir, "Caddyfile"), src, 0o600)
		},
	})
}

// worked writes the connectors that docs/connectors.md works out, as they stand
// there, each to a file of its own.
func worked(dir string) error {
	manual, err := os.ReadFile("../../docs/connectors.md")
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, block := range strings.Split(string(manual), "```yaml\nkey: my-")[1:] {
		text, _, _ := strings.Cut(block, "```")
		key, _, _ := strings.Cut("my-"+text, "\n")
		if err := os.WriteFile(filepath.Join(dir, key+".yaml"), []byte("key: my-"+text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// condition knows what is installed: python:MODULE, and node:VERSION for at
// least that version.
func condition(cond string) (bool, error) {
	what, arg, _ := strings.Cut(cond, ":")
	switch what {
	case "python":
		return exec.Command("python3", "-c", "import "+arg).Run() == nil, nil
	case "node":
		out, err := exec.Command("node", "-p", "process.versions.node.localeCompare('"+arg+"', undefined, {numeric: true})").Output()
		return err == nil && !strings.HasPrefix(string(out), "-"), nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// listening waits until somebody listens on every port.
func listening(ts *testscript.TestScript, neg bool, ports []string) {
	if neg || len(ports) == 0 {
		ts.Fatalf("usage: listening port…")
	}
	deadline := time.Now().Add(30 * time.Second)
	for _, port := range ports {
		for {
			conn, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
			if err == nil {
				_ = conn.Close()
				break
			}
			if time.Now().After(deadline) {
				ts.Fatalf("nobody listens on port %s after 30 s", port)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
