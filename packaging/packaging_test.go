// Package packaging holds what releases are made of; these tests hold it true.
package packaging

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGrafana: each metric that the dashboard asks for is one of ours.
func TestGrafana(t *testing.T) {
	text, err := os.ReadFile("grafana.json")
	if err != nil || !json.Valid(text) {
		t.Fatalf("grafana.json: %v", err)
	}
	ours := ""
	for _, dir := range []string{"../caddymodule/metrics", "../caddymodule/health"} {
		files, _ := filepath.Glob(dir + "/*.go")
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			ours += string(b)
		}
	}
	found := regexp.MustCompile(`attache_[a-z_]+`).FindAllString(string(text), -1)
	if len(found) < 12 {
		t.Errorf("%d metrics", len(found))
	}
	for _, name := range found {
		if name = strings.TrimSuffix(name, "_bucket"); !strings.Contains(ours, `"`+name+`"`) {
			t.Errorf("the dashboard asks for %s, which nobody counts", name)
		}
	}
}

// TestUnit: systemd, where it is, finds nothing wrong with the unit.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd-analyze here")
	}
	unit, err := os.ReadFile("attache.service")
	if err != nil {
		t.Fatal(err)
	}
	// It looks for the program, and for the user.
	text := strings.NewReplacer("/usr/bin/attache ", "/bin/true ", "User=attache\n", "User=root\n", "Group=attache\n", "Group=root\n").Replace(string(unit))
	file := filepath.Join(t.TempDir(), "attache.service")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "attache.service:") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestCold: each module that releases compile without inlining is linked.
func TestCold(t *testing.T) {
	list, err := os.ReadFile("cold.txt")
	if err != nil {
		t.Fatal(err)
	}
	deps, err := exec.Command("go", "list", "-deps", "../cmd/attache").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") && !strings.Contains("\n"+string(deps), "\n"+line) {
			t.Errorf("cold.txt has %s, of which nothing is linked", line)
		}
	}
}

// TestReleaseRefuses: a version that is none builds nothing.
func TestReleaseRefuses(t *testing.T) {
	for _, version := range []string{"", "1.2.3", "v1.2", "v1.2.3; rm -rf /", "v1.2.3 "} {
		out, err := exec.Command("bash", "../release.sh", version).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "usage:") {
			t.Errorf("release.sh %q: %v %s", version, err, out)
		}
	}
}
