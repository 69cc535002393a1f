package providers_test

import (
	"os"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
)

// No connector sets what makes a program run code, read a file or call
// elsewhere, whatever its value.
func TestDangerousEnv(t *testing.T) {
	text, err := os.ReadFile("testdata/dangerous-env.txt")
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(text))
	if len(names) < 107 {
		t.Fatalf("%d names, want at least 107", len(names))
	}
	for _, name := range names {
		for _, value := range []string{"attache", "{base}", "{base}/v1", "/tmp/x", "", "00000000-0000-0000-0000-000000000000"} {
			if providers.CheckEnv(name, value) == nil {
				t.Errorf("CheckEnv(%s, %q) allows it", name, value)
			}
		}
	}
}

func TestEnvValues(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		ok          bool
	}{
		{"ACME_API_KEY", "attache", true},
		{"ACME_TOKEN", "sk_test_attache", true},
		{"ACME_TOKEN", "00000000-0000-0000-0000-000000000000", true},
		{"ACME_BASE_URL", "{base}", true},
		{"ACME_API_URL", "{base}/v1/x.y", true},
		{"DATABRICKS_HOST", "{base}", true}, // of a built-in connector
		{"E2B_API_KEY", "e2b_a77ac4e0", true},
		{"ACME_API_KEY", "e2b_a77ac4e0", false}, // another's form
		{"ACME_API_KEY", "{base}", false},       // a URL where a key belongs
		{"ACME_BASE_URL", "attache", false},
		{"DATABRICKS_HOST", "attache", false},
		{"ACME_API_KEY", "sk_live_51H8s", false}, // somebody's key
		{"ACME_API_KEY", "attache\nLD_PRELOAD=/tmp/x", false},
		{"ACME_API_KEY", "attache\r", false},
		{"ACME_API_KEY", "$(attache)", false},
		{"ACME_API_KEY", "/tmp/attache", false},
		{"ACME_API_KEY", "https://attache.example", false},
		{"ACME_API_KEY", "attache\x00", false},
		{"ACME_BASE_URL", "https://evil.example/{base}", false},
		{"ACME_BASE_URL", "{base}.evil.example", false},
		{"ACME_BASE_URL", "{base}@evil.example", false},
		{"ACME_BASE_URL", "{base}/../evil", false},
		{"ACME_BASE_URL", "{base}/v1\n", false},
		{"ACME_BASE_URL", "{base}?x=1", false},
		{"acme_api_key", "attache", false},
		{"ACME_API_KEY=x", "attache", false},
		{"ACME_API_KEY\n", "attache", false},
		{"", "attache", false},
	} {
		if err := providers.CheckEnv(tt.name, tt.value); (err == nil) != tt.ok {
			t.Errorf("CheckEnv(%q, %q) = %v, want allowed: %t", tt.name, tt.value, err, tt.ok)
		}
	}
}

// The built-in connectors set nothing else.
func TestCatalogEnv(t *testing.T) {
	built, err := providers.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	for key, d := range built {
		for name, value := range d.Env {
			if err := providers.CheckEnv(name, value); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
}

// The loader refuses such a connector, wherever it comes from.
func TestLoaderChecksEnv(t *testing.T) {
	_, err := providers.Parse("acme.yaml", []byte("key: acme\nhosts: [acme.example]\nenv: {LESSOPEN: \"|attache\"}\n"))
	if err == nil || !strings.Contains(err.Error(), "LESSOPEN") {
		t.Errorf("Parse = %v, want LESSOPEN refused", err)
	}
}
