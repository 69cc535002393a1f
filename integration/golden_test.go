package integration_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// golden compares text with a file of testdata, which ATTACHE_UPDATE=1 writes anew.
func golden(t testing.TB, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("ATTACHE_UPDATE") != "" {
		writeFile(t, file, got)
	}
	want := readFile(t, file)
	if got == want {
		return
	}
	for _, side := range []struct{ is, a, b string }{{"is missing", want, got}, {"is not there", got, want}} {
		for line := range strings.Lines(side.a) {
			if !strings.Contains("\n"+side.b, "\n"+line) {
				t.Errorf("%s: %q %s", file, line, side.is)
			}
		}
	}
	if !t.Failed() {
		t.Errorf("%s has its lines in another order, or more often, than\n%s", file, got)
	}
}
