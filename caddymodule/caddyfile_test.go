package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/attache-proxy/attache/caddymodule"
)

var update = flag.Bool("update", false, "write what the adapter says into the golden files")

const separator = "----------\n"

// TestAdapt compares each Caddyfile above the line of ten dashes with the JSON
// or the error below it.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d golden files (%v), want at least 20", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(src), separator)
			got := adapt(input)
			if *update {
				if err := os.WriteFile(file, []byte(input+separator+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("adapting %s =\n%s\nwant\n%s", file, got, want)
			}
			if strings.Contains(filepath.Base(file), "err_") == strings.HasPrefix(got, "{") {
				t.Errorf("%s is named for the other kind of outcome", file)
			}
		})
	}
}

// adapt returns indented JSON, or the error.
func adapt(caddyfile string) string {
	out, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err.Error() + "\n"
	}
	var b bytes.Buffer
	_ = json.Indent(&b, out, "", "\t")
	return b.String() + "\n"
}
