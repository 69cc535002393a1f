package client_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/client"
)

// What was made before is taken while all of it, and what it was made from, is as it was.
func TestReady(t *testing.T) {
	dir, ca := t.TempDir(), newCA(t, "ours")
	corp := write(t, "corp.pem", newCA(t, "corp"))
	certs := t.TempDir()
	environ := []string{"SSL_CERT_FILE=" + corp, "SSL_CERT_DIR=" + certs}
	ready := func() client.Files {
		t.Helper()
		f, err := client.Ready(dir, ca, environ)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first := ready()
	if got := names(t, read(t, first.Bundle)); got[0] != "ours" || got[1] != "corp" {
		t.Fatalf("bundle.pem begins with %q", got[:2])
	}
	made, err := os.ReadDir(filepath.Join(dir, "made-from"))
	if err != nil || len(made) != 1 {
		t.Skipf("this system has its roots in no file: %v, %v", made, err)
	}
	long := time.Now().Add(-24 * time.Hour).Truncate(time.Second)
	if err := os.Chtimes(filepath.Dir(first.CA), long, long); err != nil {
		t.Fatal(err)
	}
	if again := ready(); again != first {
		t.Errorf("the second time: %v, want %v", again, first)
	}
	if info, err := os.Stat(filepath.Dir(first.CA)); err != nil || !info.ModTime().After(long) {
		t.Errorf("it is not marked as used: %v", err)
	}
	for _, file := range []string{first.CA, first.Bundle, first.TrustStore, first.WgetRC, first.Node, first.R, first.Gemini, filepath.Join(first.PHPDir, "attache.ini")} {
		was := read(t, file)
		if err := os.WriteFile(file, []byte("somebody else's"), 0o644); err != nil {
			t.Fatal(err)
		}
		if ready(); read(t, file) == "somebody else's" {
			t.Errorf("%s was changed, and stays so", filepath.Base(file))
		}
		_ = os.Remove(file)
		if ready(); file != first.TrustStore && read(t, file) != was {
			t.Errorf("%s was removed, and is another now", filepath.Base(file))
		}
	}
	// Other roots make other files.
	if err := os.WriteFile(corp, newCA(t, "another corp"), 0o600); err != nil {
		t.Fatal(err)
	}
	second := ready()
	if got := names(t, read(t, second.Bundle)); second.Bundle == first.Bundle || got[1] != "another corp" {
		t.Errorf("with other roots: %s, %q", second.Bundle, got[:2])
	}
	if err := os.WriteFile(filepath.Join(certs, "more.pem"), newCA(t, "more"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := names(t, read(t, ready().Bundle)); !slices.Contains(got, "more") {
		t.Error("a root that came into the directory is not there")
	}
}
