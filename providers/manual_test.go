package providers_test

import (
	"os"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
)

// Every connector that the manual shows is one.
func TestManualCompiles(t *testing.T) {
	manual, err := os.ReadFile("../docs/connectors.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, block := range strings.Split(string(manual), "```yaml\n")[1:] {
		src, _, _ := strings.Cut(block, "```")
		if !strings.HasPrefix(src, "key:") {
			continue
		}
		n++
		d, err := providers.Parse("docs/connectors.md", []byte(src))
		if err == nil {
			_, err = providers.Compile(d)
		}
		if err != nil {
			t.Errorf("%v in\n%s", err, src)
		}
	}
	if n < 3 {
		t.Errorf("the manual shows %d connectors, want at least 3", n)
	}
}
