package operations

import (
	"os"
	"strings"
	"testing"
)

// rows are the lines of a file with tabs between what they hold.
func rows(t *testing.T, file string, columns int) [][]string {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for line := range strings.Lines(string(src)) {
		row := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") {
			continue
		}
		if len(row) != columns {
			t.Fatalf("%s: %q has %d columns, want %d", file, line, len(row), columns)
		}
		out = append(out, row)
	}
	return out
}

// TestOctokit: what Octokit's calls send is the operation that they are called by.
func TestOctokit(t *testing.T) {
	calls := rows(t, "testdata/octokit.tsv", 3)
	if len(calls) < 40 {
		t.Fatalf("%d calls", len(calls))
	}
	for _, call := range calls {
		scope, name, _ := strings.Cut(call[0], ".")
		want := scope + "/" + strings.Join(splitWords(name), "-")
		path := strings.NewReplacer("{", "", "}", "").Replace(call[2])
		if op, _ := For("github").(Located).At("api.github.com", call[1], path, ""); op.Name != want {
			t.Errorf("%s (%s %s) is %+v, want %s", call[0], call[1], path, op, want)
		}
	}
}

// TestAWSCLI: what the AWS CLI sends is the action that IAM would ask for.
func TestAWSCLI(t *testing.T) {
	for _, call := range rows(t, "testdata/aws.tsv", 6) {
		var op Operation
		if call[2] == Action {
			op, _ = For("aws").(Located).Action(call[1], call[3])
		} else {
			path, query, _ := strings.Cut(call[3], "?")
			op, _ = For("aws").(Located).At(call[1], call[2], path, query)
		}
		if op.Name != call[4] || op.Effect.String() != call[5] {
			t.Errorf("aws %s (%s %s%s) is %+v; want %s, %s", call[0], call[2], call[1], call[3], op, call[4], call[5])
		}
	}
}
