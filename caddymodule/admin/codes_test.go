package admin

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCodesAreDocumented: programs may rely on every code, so that each is named.
func TestCodesAreDocumented(t *testing.T) {
	var docs strings.Builder
	for _, page := range []string{"api.md", "oauth.md"} {
		b, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		docs.Write(b)
	}
	var files []string
	for _, room := range []string{".", "*", "../../resolver/connect", "../../resolver/problem"} {
		in, err := filepath.Glob(room + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, in...)
	}
	code, noun := regexp.MustCompile(`(?:New\([^,]+, |DataCode: |http\.Status\w+[:,] )"([A-Z_]{5,})"`), regexp.MustCompile(`Noun: "([A-Z_]+)"`)
	found := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range code.FindAllSubmatch(b, -1) {
			found++
			if !strings.Contains(docs.String(), "`"+string(m[1])+"`") {
				t.Errorf("%s: %s stands neither in docs/api.md nor in docs/oauth.md", file, m[1])
			}
		}
		for _, m := range noun.FindAllSubmatch(b, -1) {
			if n := string(m[1]); n != "VAULT" && n != "EVENT" && !strings.Contains(docs.String(), "`"+n+"_NOT_FOUND`") {
				t.Errorf("%s: %s_NOT_FOUND is not documented", file, n)
			}
		}
	}
	if found < 60 {
		t.Errorf("%d codes found in the source; the pattern is out of date", found)
	}
}
