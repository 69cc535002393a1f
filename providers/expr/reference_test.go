package expr_test

import (
	"os"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/expr"
)

// The manual lists every variable and every function, in the words of the code.
func TestReferenceIsDocumented(t *testing.T) {
	manual, err := os.ReadFile("../../docs/connectors.md")
	if err != nil {
		t.Fatal(err)
	}
	variables, functions := expr.Reference()
	if len(variables) < 20 || len(functions) < 60 {
		t.Fatalf("Reference() has %d variables and %d functions", len(variables), len(functions))
	}
	for _, e := range append(variables, functions...) {
		if e.Doc == "" {
			t.Errorf("%s has no doc", e.Name)
		}
		if row := "| `" + e.Form + "` | " + strings.ReplaceAll(e.Doc, "|", "\\|") + " |"; !strings.Contains(string(manual), row) {
			t.Errorf("docs/connectors.md lacks the row\n%s", row)
		}
	}
}
