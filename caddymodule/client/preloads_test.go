package client_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/client"
)

// TestPreloads: what the user has set for Node and R goes on to hold.
func TestPreloads(t *testing.T) {
	for _, c := range []struct{ name, current, want string }{
		{"NODE_OPTIONS", "", `--require="/c/node.cjs"`},
		{"NODE_OPTIONS", `--max-old-space-size=4096 --require="/my own/x.js"`, `--require="/c/node.cjs" --max-old-space-size=4096 --require="/my own/x.js"`},
		{"NODE_OPTIONS", `--require="/c/node.cjs" --inspect`, `--require="/c/node.cjs" --inspect`}, // a command in a command
		{"R_PROFILE_USER", "/home/me/profile.R.mine", ""},
		{"R_PROFILE_USER", "/older/profile.R", "/c/profile.R"},
		{"AWS_CA_BUNDLE", "/corp.pem", "/c/bundle.pem"},
		{"no_grpc_proxy", "api.openai.com,intern", "intern,localhost,127.0.0.1,::1"},
	} {
		r := request(t, openai)
		r.Environ = append(r.Environ, c.name+"="+c.current)
		if c.name == "no_grpc_proxy" {
			r.Environ = append(r.Environ, "NO_PROXY="+c.current)
		}
		if got := compute(t, r).Set[c.name]; got != c.want {
			t.Errorf("%s=%s becomes %q, want %q", c.name, c.current, got, c.want)
		}
	}
	r := request(t, openai)
	r.Files.Node = `/a "b" \c/node.cjs`
	if got, want := compute(t, r).Set["NODE_OPTIONS"], `--require="/a \"b\" \\c/node.cjs"`; got != want {
		t.Errorf("NODE_OPTIONS = %s, want %s", got, want)
	}
	r.NoNodePreload = true
	if got, ok := compute(t, r).Set["NODE_OPTIONS"]; ok {
		t.Errorf("NODE_OPTIONS = %s with --no-node-preload", got)
	}
}

// TestGemini: the Gemini CLI starts with our base URL, and keeps defaults of the user's own.
func TestGemini(t *testing.T) {
	gemini := client.Connector{Key: "google-gemini", Accounts: []string{"default"}, Hosts: []string{"generativelanguage.googleapis.com"},
		Env: map[string]string{"GEMINI_API_KEY": "attache", "GOOGLE_GEMINI_BASE_URL": "{base}"}}
	const name = "GEMINI_CLI_SYSTEM_DEFAULTS_PATH"
	if got := compute(t, request(t, gemini)).Set[name]; got != "/c/gemini.json" {
		t.Errorf("%s = %q", name, got)
	}
	if got, ok := compute(t, request(t, openai)).Set[name]; ok {
		t.Errorf("%s = %q without a base URL for Gemini", name, got)
	}
	r := request(t, gemini)
	r.Environ = append(r.Environ, name+"=/etc/gemini/defaults.json")
	if e := compute(t, r); e.Set[name] != "" || len(e.Notes()) != 1 {
		t.Errorf("%s = %q, notes %q", name, e.Set[name], e.Notes())
	}
}

// TestRegistryToken: npm starts whoami and publish only with a token for the registry,
// whose variable no shell can assign.
func TestRegistryToken(t *testing.T) {
	const name = "npm_config_//registry.npmjs.org/:_authToken"
	npm := client.Connector{Key: "npm", Accounts: []string{"default"}, Hosts: []string{"registry.npmjs.org"}}
	e := compute(t, request(t, npm))
	if line := name + "=attache"; !slices.Contains(e.Apply(nil), line) {
		t.Errorf("%v, want %s", e.Apply(nil), line)
	}
	for _, shell := range client.Shells() {
		if out, err := e.Print(shell); err != nil || strings.Contains(out, "registry") {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
	if lines := compute(t, request(t, openai)).Apply(nil); slices.Contains(lines, name+"=attache") {
		t.Error("the placeholder would go to a registry that is no connector's")
	}
}
