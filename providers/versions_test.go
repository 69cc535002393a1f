package providers_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// dated are versions that a service takes out of use some day: a date, a quarter,
// a number of releases that come often (v23.0).
var dated = regexp.MustCompile(`\b20[0-9]{2}-[0-9]{2}(-[0-9]{2})?\b|\bv?[0-9]{2,3}\.[0-9]\b|/v[0-9]{2,3}/`)

// The versions that our connectors name in default headers and tests stand in one
// list, so that who goes through them sees all. After a change of one:
// UPDATE=1 go test ./providers -run TestPinnedVersions
func TestPinnedVersions(t *testing.T) {
	const file = "testdata/versions.txt"
	var lines []string
	for _, c := range catalogue(t) {
		pinned := map[string]bool{}
		headers := func(hs map[string]string) {
			for name, value := range hs {
				if dated.MatchString(value) || strings.Contains(strings.ToLower(name), "version") {
					pinned[name+": "+value] = true
				}
			}
		}
		headers(c.Headers)
		for _, o := range c.Options {
			for test := c.TestOf(o); test != nil; test = test.Or {
				headers(test.Headers)
				if where := test.Get + test.Post; dated.MatchString(where) {
					pinned["test: "+where] = true
				}
			}
		}
		for _, what := range slices.Sorted(maps.Keys(pinned)) {
			lines = append(lines, c.Key+"\t"+what)
		}
	}
	got := "# Versions that connectors name in default headers and tests; written by TestPinnedVersions.\n" + strings.Join(lines, "\n") + "\n"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what the connectors name:\n%s", file, differing(string(want), got))
	}
	if len(lines) < 40 {
		t.Errorf("%d versions are named; is this test blind?", len(lines))
	}
}

// differing are the lines that only one of two texts has.
func differing(want, got string) string {
	var out []string
	for _, side := range []struct{ sign, has, lacks string }{{"-", want, got}, {"+", got, want}} {
		for line := range strings.SplitSeq(side.has, "\n") {
			if !strings.Contains("\n"+side.lacks+"\n", "\n"+line+"\n") {
				out = append(out, fmt.Sprint(side.sign, line))
			}
		}
	}
	return strings.Join(out, "\n")
}
