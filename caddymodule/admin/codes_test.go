package admin

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
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
	found, ours := 0, map[string]bool{}
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
			ours[string(m[1])] = true
			if !strings.Contains(docs.String(), "`"+string(m[1])+"`") {
				t.Errorf("%s: %s stands neither in docs/api.md nor in docs/oauth.md", file, m[1])
			}
		}
		for _, m := range noun.FindAllSubmatch(b, -1) {
			for _, end := range []string{"_NOT_FOUND", "_EXISTS", "_IN_USE"} { // by problem.Of
				if code := string(m[1]) + end; strings.Contains(docs.String(), "`"+code+"`") {
					ours[code] = true
				}
			}
			if n := string(m[1]); n != "VAULT" && n != "EVENT" && !strings.Contains(docs.String(), "`"+n+"_NOT_FOUND`") {
				t.Errorf("%s: %s_NOT_FOUND is not documented", file, n)
			}
		}
	}
	if found < 60 {
		t.Errorf("%d codes found in the source; the pattern is out of date", found)
	}
	for _, line := range regexp.MustCompile(`(?m)^\| [0-9, ]+ \|.*$`).FindAllString(docs.String(), -1) { // the table of codes
		for _, m := range regexp.MustCompile("`([A-Z_]{5,})`").FindAllStringSubmatch(line, -1) {
			ours[m[1]] = true
		}
	}
	text := strings.Join(slices.Sorted(maps.Keys(ours)), "\n") + "\n"
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile("rest/codes.txt", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, c := range strings.Fields(text) {
		if !slices.Contains(rest.Codes(), c) {
			t.Errorf("rest/codes.txt lacks %s; go test ./caddymodule/admin -run TestCodes -update", c)
		}
	}
}
