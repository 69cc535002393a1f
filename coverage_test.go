package attache_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCoverage holds docs/coverage.md to the list of what was asked for: a row for each
// thing, in its words, with tests that exist; and what is not there says so.
func TestCoverage(t *testing.T) {
	page, err := os.ReadFile("docs/coverage.md")
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.Open("docs/coverage.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	asked, err := csv.NewReader(list).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	known := testNames(t)
	rows := map[string][]string{}
	for line := range strings.SplitSeq(string(page), "\n") {
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "\x00"), "|")
		if len(cells) != 7 || !regexp.MustCompile(`^ \d+ $`).MatchString(cells[1]) {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "\x00", "|"))
		}
		rows[cells[1]] = cells
	}
	for _, a := range asked[1:] {
		row := rows[a[0]]
		if row == nil || row[2] != strings.TrimSpace(a[2]) {
			t.Errorf("docs/coverage.md has no row %s: %s", a[0], a[2])
			continue
		}
		tests := strings.Fields(strings.ReplaceAll(row[5], "`", ""))
		switch state := row[3]; {
		case !slices.Contains([]string{"yes", "other name", "partly", "no"}, state):
			t.Errorf("row %s is %q", a[0], state)
		case (state == "yes" || state == "other name") && len(tests) == 0:
			t.Errorf("row %s is there, and no test shows it", a[0])
		case state != "yes" && row[4] == "":
			t.Errorf("row %s is %s, and nothing says how", a[0], state)
		}
		for _, name := range tests {
			if !known[name] {
				t.Errorf("row %s names %s, which is no test", a[0], name)
			}
		}
	}
	if len(asked) != len(rows)+1 {
		t.Errorf("%d rows for %d things", len(rows), len(asked)-1)
	}
}

// testNames are all tests of this repository, and the scripts of the command line.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	scripts, err := filepath.Glob("cmd/attache/testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scripts {
		out[filepath.Base(s)] = true
	}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err = filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "dist" || strings.HasPrefix(d.Name(), ".") && d.Name() != "."):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			out[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
