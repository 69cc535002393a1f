package client_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/providers/secret"
)

func TestLeaks(t *testing.T) {
	c := client.Connector{Key: "x", Env: map[string]string{"X_KEY": "attache", "X_PREFIXED": "sk-attache", "X_UUID": "00000000-0000-0000-0000-000000000000", "X_URL": "{base}", "X_USER": "__token__"}}
	tests := []struct {
		line string
		want string
	}{
		{"X_KEY=real", "X_KEY"},
		{"X_KEY=attache", ""},
		{"X_KEY=" + token, ""}, // the agent's own
		{"X_KEY=", ""},
		{"X_PREFIXED=sk-real", "X_PREFIXED"},
		{"X_UUID=7c9e6679-7425-40de-944b-e07fc1f90ae7", "X_UUID"},
		{"X_UUID=00000000-0000-0000-0000-000000000000", ""},
		{"X_URL=https://api.example.com", ""},
		{"X_USER=someone", ""},
		{"OTHER=real", ""},
	}
	for _, tt := range tests {
		if got := strings.Join(c.Leaks([]string{tt.line}, secret.New(token)), ","); got != tt.want {
			t.Errorf("Leaks(%s) = %q, want %q", tt.line, got, tt.want)
		}
	}
}

func TestDistrusting(t *testing.T) {
	ca := newCA(t, "ours")
	good, bad := write(t, "good.pem", ca), write(t, "bad.pem", newCA(t, "other"))
	got := client.Distrusting([]string{"SSL_CERT_FILE=" + good, "CURL_CA_BUNDLE=" + bad, "GIT_SSL_CAINFO=/does/not/exist", "NODE_EXTRA_CA_CERTS="}, ca)
	if want := []string{"CURL_CA_BUNDLE", "GIT_SSL_CAINFO"}; !slices.Equal(got, want) {
		t.Errorf("Distrusting = %q, want %q", got, want)
	}
}

func TestProxyOf(t *testing.T) {
	got := client.ProxyOf([]string{"HTTPS_PROXY=http://a:secret@127.0.0.1:8080", "http_proxy=corp:3128", "ALL_PROXY=%zz", "no_proxy=x"})
	if len(got) != 3 || got["HTTPS_PROXY"] != "http://127.0.0.1:8080" || got["http_proxy"] != "http://corp:3128" || got["ALL_PROXY"] != "something that is no URL" {
		t.Errorf("ProxyOf = %q", got)
	}
}

func TestInstructions(t *testing.T) {
	all, err := client.Instructions("")
	if err != nil || !strings.Contains(all, "## curl") {
		t.Errorf("Instructions() = %q, %v", all, err)
	}
	for _, name := range []string{"curl", "git", "python", "pip", "node", "deno", "java", "Go", "rust", "cargo", "php", "aws", "gcloud", "docker", "browser", "chrome", "firefox"} {
		text, err := client.Instructions(name)
		if err != nil || !strings.HasPrefix(text, "## ") || strings.Count(text, "\n## ") > 0 || len(text) < 60 {
			t.Errorf("Instructions(%s) = %q, %v", name, text, err)
		}
	}
	if _, err := client.Instructions("telnet"); err == nil || !strings.Contains(err.Error(), "curl, ") {
		t.Errorf("Instructions(telnet) = %v, want an error that lists the clients", err)
	}
}

// TestDocs holds docs/clients.md to the table of trust variables.
func TestDocs(t *testing.T) {
	text := read(t, "../../docs/clients.md")
	for _, name := range append(client.TrustNames(), "JAVA_TOOL_OPTIONS", "NODE_USE_ENV_PROXY", "WGETRC", "PHP_INI_SCAN_DIR") {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("docs/clients.md does not name %s", name)
		}
	}
}
