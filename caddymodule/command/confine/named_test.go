package confine

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What a configuration names is found however it names it: relative to itself or to the
// working directory, and in what it imports.
func TestFilesOf(t *testing.T) {
	dir, conf := t.TempDir(), filepath.Join(t.TempDir(), "conf")
	t.Chdir(dir)
	for _, name := range []string{filepath.Join(dir, "here.tok"), filepath.Join(conf, "key.pem"), filepath.Join(conf, "more", "a.caddy"), filepath.Join(conf, "more", "deep.key"), filepath.Join(conf, "vault.db"), filepath.Join(dir, "readme.md"), filepath.Join(dir, "tool")} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		text, mode := "x", os.FileMode(0o600)
		switch filepath.Base(name) {
		case "a.caddy":
			text = "token deep.key\n"
		case "tool":
			mode = 0o700
		}
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	got := FilesOf(filepath.Join(conf, "Caddyfile"), []byte("import more/*.caddy\nagent a { # see readme.md\n token {file.absent.tok}\n token {file.here.tok}\n}\nvault sqlite vault.db\ntls_client_certificate cert \"key.pem\"\nexec tool\n"))
	for _, want := range []string{filepath.Join(dir, "here.tok"), filepath.Join(dir, "absent.tok"), filepath.Join(conf, "absent.tok"), filepath.Join(conf, "key.pem"), filepath.Join(conf, "more", "a.caddy"), filepath.Join(conf, "more", "deep.key"), filepath.Join(conf, "vault.db")} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not found: %v", want, got)
		}
	}
	for _, other := range []string{filepath.Join(dir, "readme.md"), filepath.Join(dir, "tool")} {
		if slices.Contains(got, other) {
			t.Errorf("%s is found", other)
		}
	}
	if got := anchored([]string{"a", "/b", ""}, "/x", "/y", "/x"); !slices.Equal(got, []string{"/x/a", "/y/a", "/b"}) {
		t.Errorf("anchored: %v", got)
	}
}
