package integration_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestDashboardBundle: what is embedded is what the sources make, byte for byte.
func TestDashboardBundle(t *testing.T) {
	if os.Getenv("ATTACHE_NODE_DIR") == "" {
		missing(t, "npm packages (ATTACHE_NODE_DIR, set by ./integration/test.sh)")
	}
	npm, source, dir := program(t, "npm"), filepath.Join("..", "caddymodule", "admin", "ui"), t.TempDir()
	err := filepath.WalkDir(source, func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(source, name)
		if err != nil || d.IsDir() {
			if err == nil && (rel == "node_modules" || rel == "dist") {
				return fs.SkipDir
			}
			return err
		}
		b, err := os.ReadFile(name)
		if err == nil {
			writeFile(t, filepath.Join(dir, rel), string(b))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"}, {"run", "check"}, {"run", "build"}} {
		cmd := exec.Command(npm, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("npm %v: %v\n%s", args, err, out)
		}
	}
	built, committed := contents(t, filepath.Join(dir, "dist")), contents(t, filepath.Join(source, "dist"))
	if len(built) < 4 || len(built) != len(committed) {
		t.Errorf("%d files are built, %d are committed", len(built), len(committed))
	}
	for name, b := range built {
		if !bytes.Equal(b, committed[name]) {
			t.Errorf("dist/%s is not what the sources make: cd caddymodule/admin/ui && npm ci --ignore-scripts && npm run build", name)
		}
	}
}

// contents are those of the files below a directory.
func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		out[name], err = os.ReadFile(filepath.Join(dir, name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// leastStates is in how many states of its pages axe looks at the dashboard.
const leastStates = 60

// TestDashboardWalk walks the ways of docs/dashboard.md in a browser, at the built
// binary, and lets axe look at every page in both themes and widths. The script says
// what is wrong, a line each.
func TestDashboardWalk(t *testing.T) {
	dir := os.Getenv("ATTACHE_NODE_DIR")
	if dir == "" {
		missing(t, "npm packages (ATTACHE_NODE_DIR, set by ./integration/test.sh)")
	}
	node, chromium := program(t, "node"), program(t, "chromium")
	c := newConnecting(t)
	const canary = "canary-5e0c-of-the-dashboard"
	cmd := exec.Command(node, "dashboard.mjs")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CHROMIUM="+chromium, "ADMIN="+c.base, "TOKEN="+c.token, "PROXY="+c.URL, "CANARY="+canary)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(9*time.Minute, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	kill.Stop()
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "FAIL") {
			t.Error(strings.TrimSpace(line))
		}
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	m := regexp.MustCompile(`(?m)^states (\d+)$`).FindStringSubmatch(out.String())
	if m == nil {
		t.Fatalf("the walk did not come to its end:\n%s", out.String())
	}
	if n, _ := strconv.Atoi(m[1]); n < leastStates {
		t.Errorf("axe looked at %d states, want %d", n, leastStates)
	}
	if strings.Contains(out.String(), canary) || slices.ContainsFunc([]string{c.Log.String()}, func(s string) bool { return strings.Contains(s, canary) }) {
		t.Error("a secret is in what was printed or logged")
	}
}
