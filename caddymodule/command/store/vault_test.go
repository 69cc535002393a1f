package store

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/resolver/vault"
)

func TestProgress(t *testing.T) {
	if got, want := bar(vault.Progress{Done: 25, Total: 100}, 8), "[##      ]  25 %  25 of 100"; got != want {
		t.Errorf("bar = %q, want %q", got, want)
	}
	if got := bar(vault.Progress{Done: 3, Total: 2}, 4); !strings.HasPrefix(got, "[####] 100 %") {
		t.Errorf("more than all = %q", got)
	}
	// In a file: the beginning and the end, not a line per row.
	var out bytes.Buffer
	report := progress(&out)
	for i := range int64(1001) {
		report(vault.Progress{Done: i, Total: 1000})
	}
	if lines := strings.Count(out.String(), "\n"); lines != 2 || !strings.Contains(out.String(), "1000 of 1000") {
		t.Errorf("%d lines, want 2: %q", lines, out.String())
	}
}

func TestCountLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for text, want := range map[string]int64{"": 0, "a": 1, "a\n": 1, "a\n\n \nb\n": 2, strings.Repeat("x", 3<<20) + "\ny\n": 2} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := countLines(f); got != want || err != nil {
			t.Errorf("countLines of %d bytes = %d, %v, want %d", len(text), got, err, want)
		}
		if at, _ := f.Seek(0, 1); at != 0 {
			t.Errorf("countLines left the file at %d", at)
		}
		f.Close()
	}
}
