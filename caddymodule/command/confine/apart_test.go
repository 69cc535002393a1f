//go:build linux

package confine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/command/confine/inside"
)

// TestTrustIsApart: nothing that the next run believes lies in what a command may write,
// where it could be moved away with what is around it.
func TestTrustIsApart(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"home/.cache/attache/one", "work/made", "other"} {
		if err := os.MkdirAll(filepath.Join(top, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(top, "work/made"), filepath.Join(top, "link")); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(top, name) }
	for _, c := range []struct {
		trust, rw string
		refused   bool
	}{
		{"home/.cache/attache/one", "other", false},
		{"home/.cache/attache/one", "home/.cache", true},
		{"home/.cache/attache/one", "home/.cache/attache", true},
		{"home/.cache/attache/one", "home/.cache/attache/one", true},
		{"work/made", "other", true}, // the working directory
		{"link", "other", true},
	} {
		err := see(new(inside.Plan), Files{Dir: at("work"), Home: at("home"), Trust: []string{at(c.trust)}, ReadWrite: []string{at(c.rw)}})
		if (err != nil) != c.refused || err != nil && !strings.Contains(err.Error(), "exec itself trusts") {
			t.Errorf("trusting %s, writing %s: %v", c.trust, c.rw, err)
		}
	}
}
