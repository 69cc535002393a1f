package client_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
)

// openai is a connector with a base URL, github one without.
var (
	openai = client.Connector{Key: "openai", Accounts: []string{"default"}, Hosts: []string{"api.openai.com"},
		Env: map[string]string{"OPENAI_API_KEY": "attache", "OPENAI_BASE_URL": "{base}/v1", "TWINE_USERNAME": "__token__"}}
	github = client.Connector{Key: "github", Accounts: []string{"default", "work"}, Default: "default",
		Hosts: []string{"api.github.com", "*.githubusercontent.com", "github.com"}, Env: map[string]string{"GH_TOKEN": "attache"}}
	demo = client.Connector{Key: "demo", Accounts: []string{"default"}, Hosts: []string{"demo.localhost"}}
)

func about(cs ...client.Connector) *client.About {
	return &client.About{Agent: "local", CAPEM: "x", Connectors: cs}
}

var files = client.Files{CA: "/c/ca.pem", Bundle: "/c/bundle.pem", TrustStore: "/c/trust store.p12", WgetRC: "/c/wgetrc", PHPDir: "/c/php", Node: "/c/node.cjs", R: "/c/profile.R", Gemini: "/c/gemini.json"}

// request is the plain case: no token, an empty environment.
func request(t *testing.T, cs ...client.Connector) client.Request {
	return client.Request{Proxy: parseURL(t, "http://127.0.0.1:8080"), About: about(cs...), Files: files, Environ: []string{"HOME=/nowhere"}}
}

func compute(t *testing.T, r client.Request) *client.Environment {
	t.Helper()
	e, err := client.Compute(r)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestComputePlain(t *testing.T) {
	e := compute(t, request(t, openai, github))
	for name, want := range map[string]string{
		"HTTP_PROXY": "http://127.0.0.1:8080", "http_proxy": "http://127.0.0.1:8080",
		"HTTPS_PROXY": "http://127.0.0.1:8080", "https_proxy": "http://127.0.0.1:8080",
		"NO_PROXY": "localhost,127.0.0.1,::1", "no_proxy": "localhost,127.0.0.1,::1",
		"SSL_CERT_FILE": "/c/bundle.pem", "CURL_CA_BUNDLE": "/c/bundle.pem", "GIT_SSL_CAINFO": "/c/bundle.pem", "REQUESTS_CA_BUNDLE": "/c/bundle.pem",
		"PIP_CERT": "/c/bundle.pem", "CARGO_HTTP_CAINFO": "/c/bundle.pem",
		"CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": "/c/bundle.pem", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": "/c/bundle.pem", "npm_config_cafile": "/c/bundle.pem",
		"NODE_EXTRA_CA_CERTS": "/c/ca.pem", "DENO_CERT": "/c/ca.pem", "NODE_USE_ENV_PROXY": "1", "WGETRC": "/c/wgetrc", "PHP_INI_SCAN_DIR": ":/c/php",
		"YARN_HTTPS_PROXY": "http://127.0.0.1:8080", "NODE_OPTIONS": `--require="/c/node.cjs"`, "R_PROFILE_USER": "/c/profile.R",
		"PERL_LWP_ENV_PROXY": "1", "MOJO_PROXY": "1", "GIT_HTTP_PROXY_AUTHMETHOD": "basic",
		"OPENAI_API_KEY": "attache", "OPENAI_BASE_URL": "http://127.0.0.1:8080/openai/v1", "TWINE_USERNAME": "__token__", "GH_TOKEN": "attache",
		"ATTACHE_PROXY": "http://127.0.0.1:8080", "ATTACHE_AGENT": "local",
	} {
		if got := e.Set[name]; got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"ALL_PROXY", "all_proxy", "ATTACHE_TOKEN", "AWS_CA_BUNDLE", "no_grpc_proxy"} {
		if got, ok := e.Set[name]; ok {
			t.Errorf("%s = %q, want it left alone", name, got)
		}
	}
	if len(e.Notes())+len(e.Warnings)+len(e.Unset) > 0 {
		t.Errorf("notes %q, warnings %q, unset %q, want none: nothing of the user's was touched", e.Notes(), e.Warnings, e.Unset)
	}
}

func TestComputeToken(t *testing.T) {
	r := request(t, openai, github)
	r.Token = secret.New("s3cret/with@odd:chars+%")
	e := compute(t, r)
	const proxy = "http://local:s3cret%2Fwith%40odd%3Achars%2B%25@127.0.0.1:8080"
	for name, want := range map[string]string{
		"HTTPS_PROXY": proxy, "http_proxy": proxy,
		"OPENAI_API_KEY":  "s3cret/with@odd:chars+%", // the base-URL door knows the agent by it
		"OPENAI_BASE_URL": "http://127.0.0.1:8080/openai/v1",
		"TWINE_USERNAME":  "__token__", // no placeholder
		"GH_TOKEN":        "attache",   // its requests come through the proxy
		"ATTACHE_TOKEN":   "s3cret/with@odd:chars+%", "ATTACHE_PROXY": "http://127.0.0.1:8080",
	} {
		if got := e.Set[name]; got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if java := e.Set["JAVA_TOOL_OPTIONS"]; strings.Contains(java, "s3cret") {
		t.Errorf("JAVA_TOOL_OPTIONS = %q: the JVM prints it, so no token may be in it", java)
	}
	if u := parseURL(t, e.Set["HTTPS_PROXY"]); u.User.Username() != "local" {
		t.Errorf("user of HTTPS_PROXY = %q, want local", u.User.Username())
	} else if p, _ := u.User.Password(); p != "s3cret/with@odd:chars+%" {
		t.Errorf("password of HTTPS_PROXY = %q, want the token", p)
	}
}

// With a relay of the run's own no variable holds the token, also where the user's own do.
func TestComputeThroughARelay(t *testing.T) {
	r := request(t, openai, github)
	r.Token, r.Through = secret.New("s3cret"), parseURL(t, "http://127.9.8.7:4711")
	r.Environ = append(r.Environ, "ATTACHE_TOKEN=s3cret", "HTTPS_PROXY=http://local:s3cret@127.0.0.1:8080", "OPENAI_API_KEY=s3cret", "OPENAI_BASE_URL=http://127.0.0.1:8080/openai/v1")
	e := compute(t, r)
	for _, line := range e.Apply(r.Environ) {
		if strings.Contains(line, "s3cret") {
			t.Errorf("the token is in %s", line)
		}
	}
	for name, want := range map[string]string{
		"HTTPS_PROXY": "http://127.9.8.7:4711", "ATTACHE_PROXY": "http://127.9.8.7:4711", "ATTACHE_CA": r.Files.CA,
		"OPENAI_API_KEY": "attache", "OPENAI_BASE_URL": "http://127.9.8.7:4711/openai/v1",
	} {
		if got := e.Set[name]; got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(e.Set["NO_PROXY"], "127.9.8.7") || !strings.Contains(e.Set["JAVA_TOOL_OPTIONS"], "-Dhttps.proxyHost=127.9.8.7 -Dhttps.proxyPort=4711") {
		t.Errorf("NO_PROXY = %q, JAVA_TOOL_OPTIONS = %q", e.Set["NO_PROXY"], e.Set["JAVA_TOOL_OPTIONS"])
	}
}

// Libraries of clouds find a placeholder, unless the user has a credential of their own.
func TestComputeCloud(t *testing.T) {
	r := request(t, client.Connector{Key: "gcp", Accounts: []string{"a"}, Hosts: []string{"*.googleapis.com"}},
		client.Connector{Key: "azure", Accounts: []string{"a"}, Hosts: []string{"management.azure.com"}},
		client.Connector{Key: "aws", Accounts: []string{"a"}, Hosts: []string{"*.amazonaws.com"}, Env: map[string]string{"AWS_ACCESS_KEY_ID": "attache"}})
	home := t.TempDir()
	r.Environ = append(r.Environ, "HOME="+home)
	want := map[string]string{"GCE_METADATA_HOST": "", "IDENTITY_ENDPOINT": "", "AWS_REGION": "us-east-1"}
	check := func(why string) {
		t.Helper()
		e := compute(t, r)
		for name, value := range want {
			if got := e.Set[name]; got != value {
				t.Errorf("%s: %s = %q, want %q", why, name, got, value)
			}
		}
	}
	check("without a listener")
	r.Through = parseURL(t, "http://127.9.8.7:4711")
	want["GCE_METADATA_HOST"], want["IDENTITY_ENDPOINT"] = "127.9.8.7:4711", "http://127.9.8.7:4711/.well-known/attache/identity"
	check("with one")
	for _, file := range []string{".aws/config", ".config/gcloud/application_default_credentials.json"} {
		_ = os.MkdirAll(filepath.Dir(filepath.Join(home, file)), 0o700)
		_ = os.WriteFile(filepath.Join(home, file), nil, 0o600)
	}
	r.Environ = append(r.Environ, "AZURE_CLIENT_SECRET=s")
	want = map[string]string{"GCE_METADATA_HOST": "", "IDENTITY_ENDPOINT": "", "AWS_REGION": ""}
	check("with credentials of the user's own")
	if !r.About.NeedsListener() {
		t.Error("no listener is needed")
	}
}

func TestComputeAccounts(t *testing.T) {
	withBase := github
	withBase.Env = map[string]string{"GH_BASE_URL": "{base}"}
	tests := []struct {
		name     string
		account  string
		accounts map[string]string
		proxy    string
		base     string
		err      string
	}{
		{name: "none", proxy: "http://127.0.0.1:8080", base: "/github"},
		{name: "everywhere", account: "work", proxy: "http://local%2Bwork:@127.0.0.1:8080", base: "/github:work"},
		{name: "of one connector", accounts: map[string]string{"github": "work"}, proxy: "http://127.0.0.1:8080", base: "/github:work"},
		{name: "unknown", account: "nobody", err: "no account of that name"},
		{name: "unknown of one", accounts: map[string]string{"github": "nobody"}, err: "github has: default, work"},
		{name: "unknown connector", accounts: map[string]string{"gitlab": "work"}, err: "no connector gitlab"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t, withBase)
			r.Account, r.Accounts = tt.account, tt.accounts
			e, err := client.Compute(r)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("Compute(account %s %v) = %v, want an error with %q", tt.account, tt.accounts, err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Set["HTTPS_PROXY"]; got != tt.proxy {
				t.Errorf("HTTPS_PROXY = %q, want %q", got, tt.proxy)
			}
			if got := e.Set["GH_BASE_URL"]; got != "http://127.0.0.1:8080"+tt.base {
				t.Errorf("GH_BASE_URL = %q, want it to end with %q", got, tt.base)
			}
		})
	}
}

// What the user has set stays, unless it would lead past the proxy.
func TestComputeKeepsTheUsersOwn(t *testing.T) {
	const token = "agent-token-0123456789"
	tests := []struct {
		name    string
		environ string // one line
		token   string
		want    string // of that variable; "-" means that it is not set by us
		warning string
		note    string
	}{
		{name: "a real key", environ: "GH_TOKEN=ghp_real", want: "-", warning: "GH_TOKEN holds a value of your own"},
		{name: "a placeholder", environ: "GH_TOKEN=attache", want: "attache"},
		{name: "an empty key", environ: "GH_TOKEN=", want: "attache"},
		{name: "a real key at a base URL", environ: "OPENAI_API_KEY=sk-real", want: "-", warning: "OPENAI_API_KEY holds"},
		{name: "a real key where the token is needed", environ: "OPENAI_API_KEY=sk-real", token: token, want: token, note: "replaced OPENAI_API_KEY"},
		{name: "the service's own base URL", environ: "OPENAI_BASE_URL=https://api.openai.com/v1", want: "http://127.0.0.1:8080/openai/v1", note: "replaced OPENAI_BASE_URL"},
		{name: "another server", environ: "OPENAI_BASE_URL=https://llm.example/v1", want: "-", note: "kept OPENAI_BASE_URL"},
		{name: "our base URL of another account", environ: "OPENAI_BASE_URL=http://127.0.0.1:8080/openai:work/v1", want: "http://127.0.0.1:8080/openai/v1"},
		{name: "another proxy", environ: "HTTPS_PROXY=http://corp:3128", want: "http://127.0.0.1:8080", note: "replaced HTTPS_PROXY"},
		{name: "another proxy for everything", environ: "ALL_PROXY=socks5://corp:1080", want: "http://127.0.0.1:8080", note: "replaced ALL_PROXY"},
		{name: "npm's own proxy", environ: "npm_config_https_proxy=http://corp:3128", want: "http://127.0.0.1:8080", note: "replaced npm_config_https_proxy"},
		{name: "another bundle", environ: "CURL_CA_BUNDLE=/corp.pem", want: "/c/bundle.pem", note: "replaced CURL_CA_BUNDLE"},
		{name: "no checking in Node", environ: "NODE_TLS_REJECT_UNAUTHORIZED=0", want: "-", warning: "NODE_TLS_REJECT_UNAUTHORIZED=0"},
		{name: "checking in Node", environ: "NODE_TLS_REJECT_UNAUTHORIZED=1", want: "-"},
		{name: "no proxy but ours for the corporation", environ: "NO_PROXY=corp.example", want: "corp.example,localhost,127.0.0.1,::1"},
		{name: "no proxy at all", environ: "NO_PROXY=*", want: "localhost,127.0.0.1,::1", note: "left out of NO_PROXY: *"},
		{name: "past the proxy", environ: "NO_PROXY=.openai.com, corp.example", want: "corp.example,localhost,127.0.0.1,::1", note: "lead api.openai.com past"},
		{name: "php of the user", environ: "PHP_INI_SCAN_DIR=/a:", want: "/a::/c/php"},
		{name: "java of the user", environ: "JAVA_TOOL_OPTIONS=-Xmx1g -Dhttps.proxyHost=corp", want: "-Xmx1g -Dhttp.proxyHost=", note: "replaced -Dhttps.proxyHost of JAVA_TOOL_OPTIONS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t, openai, github)
			r.Environ = append(r.Environ, tt.environ)
			if tt.token != "" {
				r.Token = secret.New(tt.token)
			}
			e := compute(t, r)
			name, value, _ := strings.Cut(tt.environ, "=")
			got, set := e.Set[name]
			switch {
			case tt.want == "-" && set:
				t.Errorf("%s = %q, want it as the user has it", name, got)
			case tt.want != "-" && !strings.HasPrefix(got, tt.want):
				t.Errorf("%s = %q, want %q", name, got, tt.want)
			}
			said := strings.Join(slices.Concat(e.Warnings, e.Notes()), "\n")
			if !strings.Contains(strings.Join(e.Warnings, "\n"), tt.warning) || tt.warning == "" && len(e.Warnings) > 0 {
				t.Errorf("warnings = %q, want %q", e.Warnings, tt.warning)
			}
			if !strings.Contains(strings.Join(e.Notes(), "\n"), tt.note) || tt.note == "" && len(e.Notes()) > 0 {
				t.Errorf("notes = %q, want %q", e.Notes(), tt.note)
			}
			if len(value) > 6 && strings.Contains(said, "real") {
				t.Errorf("a value is in what is said: %q", said)
			}
		})
	}
}

func TestComputeTakesSecretsAway(t *testing.T) {
	r := request(t, openai)
	r.Environ = append(r.Environ, "OPENAI_API_KEY=sk-real", "DB_PASSWORD=hunter2", "KEEP=1")
	r.Secrets = []string{"OPENAI_API_KEY", "DB_PASSWORD", "NOT_SET"}
	e := compute(t, r)
	got := e.Apply(r.Environ)
	for _, want := range []string{"KEEP=1", "OPENAI_API_KEY=attache"} {
		if !slices.Contains(got, want) {
			t.Errorf("the environment lacks %s", want)
		}
	}
	for _, line := range got {
		if strings.Contains(line, "hunter2") || strings.Contains(line, "sk-real") {
			t.Errorf("%s is in the environment", line)
		}
	}
	if out, _ := e.Print("sh"); !strings.Contains(out, "unset DB_PASSWORD;") || strings.Contains(out, "unset OPENAI_API_KEY") {
		t.Errorf("Print(sh) = %s, want DB_PASSWORD unset and nothing else", out)
	}
	if notes := strings.Join(e.Notes(), "\n"); !strings.Contains(notes, "removed DB_PASSWORD") || !strings.Contains(notes, "replaced OPENAI_API_KEY") {
		t.Errorf("notes = %q", notes)
	}
}

// A proxy's answer sets what clients read, and nothing that runs code.
func TestComputeRefusesDangerousVariables(t *testing.T) {
	bad := []string{"PATH", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "NODE_OPTIONS", "PYTHONSTARTUP", "BASH_ENV", "GIT_SSH_COMMAND", "PERL5OPT", "JAVA_TOOL_OPTIONS",
		"ATTACHE_TOKEN", "HOME", "X;rm -rf /", "A=B", "1X", "", "A B", "É"}
	c := client.Connector{Key: "evil", Accounts: []string{"default"}, Env: map[string]string{}}
	for _, name := range bad {
		c.Env[name] = "attache-evil"
	}
	e := compute(t, request(t, c))
	for name, value := range e.Set {
		if strings.Contains(value, "evil") {
			t.Errorf("%s = %q, want it refused", name, value)
		}
	}
	if len(e.Warnings) != len(bad) {
		t.Errorf("%d warnings, want %d: %q", len(e.Warnings), len(bad), e.Warnings)
	}
}

// TestCatalogVariables holds the catalogue to what exec sets.
func TestCatalogVariables(t *testing.T) {
	defs, err := providers.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, key := range slices.Sorted(maps.Keys(defs)) {
		c := client.Connector{Key: key, Accounts: []string{"default"}, Env: defs[key].Env}
		e := compute(t, request(t, c))
		if len(e.Warnings) > 0 {
			t.Errorf("%s: %q", key, e.Warnings)
		}
		for name := range c.Env {
			if _, ok := e.Set[name]; !ok {
				t.Errorf("%s: %s is not set", key, name)
			}
			n++
		}
	}
	if n < 100 {
		t.Errorf("the catalogue has %d variables, want at least 100", n)
	}
}

func TestApply(t *testing.T) {
	e := &client.Environment{Set: map[string]string{"A": "1", "B": "2"}, Unset: map[string]string{"C": ""}}
	got := e.Apply([]string{"A=old", "C=old", "D=kept", "A=older", "odd"})
	want := []string{"D=kept", "odd", "A=1", "B=2"}
	if !slices.Equal(got, want) {
		t.Errorf("Apply = %q, want %q", got, want)
	}
}

// A command inside a command: the second time changes nothing.
func TestComputeTwice(t *testing.T) {
	r := request(t, openai, github, demo)
	r.Token = secret.New("agent-token-0123456789")
	first := compute(t, r)
	r.Environ = first.Apply(r.Environ)
	second := compute(t, r)
	for name, value := range first.Set {
		if second.Set[name] != value {
			t.Errorf("%s = %q the second time, %q the first", name, second.Set[name], value)
		}
	}
	if len(second.Warnings) > 0 {
		t.Errorf("warnings the second time: %q", second.Warnings)
	}
}

// The operator's token for the REST API is not the agent's.
func TestComputeTakesTheAdminTokenAway(t *testing.T) {
	r := request(t, demo)
	r.Environ = append(r.Environ, "ATTACHE_ADMIN_TOKEN="+adminToken, "ATTACHE_ADMIN=unix//run/admin.sock")
	e := compute(t, r)
	for _, line := range e.Apply(r.Environ) {
		if strings.HasPrefix(line, "ATTACHE_ADMIN") {
			t.Errorf("the command gets %s", line)
		}
	}
	if notes := strings.Join(e.Notes(), "\n"); !strings.Contains(notes, "removed ATTACHE_ADMIN, ATTACHE_ADMIN_TOKEN: ") || strings.Contains(notes, adminToken) {
		t.Errorf("notes = %s", notes)
	}
}

// exec does not believe the proxy: what it names is checked here once more.
func TestComputeChecksTheProxysAnswer(t *testing.T) {
	evil := client.Connector{Key: "evil", Accounts: []string{"default"}, Hosts: []string{"evil.example"}, Env: map[string]string{
		"LESSOPEN": "|attache", "MAKEFLAGS": "attache", "PIP_INDEX_URL": "{base}", "ALL_PROXY": "{base}", "ACME_API_KEY": "attache\nLD_PRELOAD=x", "ACME_BASE_URL": "http://evil.example",
	}}
	r := client.Request{Proxy: parseURL(t, "http://127.0.0.1:8080"), About: about(evil), Environ: []string{"HOME=/nowhere"}}
	e, err := client.Compute(r)
	if err != nil {
		t.Fatal(err)
	}
	for name := range evil.Env {
		if value, ok := e.Set[name]; ok {
			t.Errorf("%s is set to %q", name, value)
		}
	}
	evil.Key, evil.Env = "x\ny", map[string]string{"ACME_BASE_URL": "{base}"}
	r.About = about(evil)
	if e, err = client.Compute(r); err != nil || e.Set["ACME_BASE_URL"] != "" {
		t.Errorf("with a line break in a key: %q, %v", e.Set["ACME_BASE_URL"], err)
	}
	r.About.Agent = "local\nPATH=x"
	if _, err = client.Compute(r); err == nil {
		t.Errorf("with a line break in the agent's name Compute succeeds")
	}
}
