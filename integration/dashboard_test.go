package integration_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
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
