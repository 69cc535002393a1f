package integration_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// `attache exec --confine -- CMD`: programs that know of no proxy get a service's
// answers, with variables and without, and nothing else is in reach.
func TestConfined(t *testing.T) {
	if !inWorld(t) {
		return
	}
	in := newInternet(t)
	work, tools := t.TempDir(), t.TempDir()
	confined := func(t *testing.T, args ...string) result {
		t.Helper()
		here, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		options := []string{"exec", "--confine", "--ro", filepath.Join(here, "python"), "--ro", tools}
		if dir := os.Getenv("ATTACHE_NODE_DIR"); dir != "" {
			options = append(options, "--ro", dir)
		}
		return client{Dir: work, Limit: 5 * time.Minute, Env: []string{"OPENAI_API_KEY=sk-of-the-user-itself", "GITHUB_TOKEN=ghp_of_the_user"}}.run(t, raceBinary(t), append(append(options, "--"), args...)...)
	}
	if r := confined(t, "true"); r.Code == 125 && strings.Contains(r.Stderr, "could not be confined") {
		t.Logf("this kernel confines nothing, and nothing was started: %v", r)
		return
	}
	bare := []string{"env", "-i", "PATH=" + os.Getenv("PATH"), "HOME=/tmp"}
	const whoami = "https://api.test/whoami"
	goProgram := filepath.Join(tools, "get")
	build := exec.Command("go", "build", "-o", goProgram, "clients/get.go")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	class := javaClass(t)
	if err := os.CopyFS(tools, os.DirFS(class[1])); err != nil {
		t.Fatal(err)
	}
	get := pythonScript(t, "get.py")
	// Each line is a program, all in one run: what a run costs is not the question here.
	lines := []struct{ name, line, want string }{
		{"curl", "$BARE curl -sS $URL", authenticated},
		{"curl over IPv6", "$BARE curl -sS -6 $URL", authenticated},
		{"curl with HTTP/1.1", "$BARE curl -sS --http1.1 $URL", authenticated},
		{"python urllib", "$BARE " + python + " " + get + " urllib $URL", authenticated},
		{"go", "$BARE " + goProgram + " $URL", authenticated},
		{"php stream", "$BARE php -r 'echo file_get_contents($argv[1]);' $URL", authenticated},
		{"git", "$BARE git clone -q https://github.com" + gitPath + " cloned && ls cloned/.git/HEAD", "cloned/.git/HEAD"},
		{"a host of no connector", "$BARE curl -sS -H 'Authorization: Bearer " + demoToken + "' https://plain.test/whoami", authenticated},
		// Node and Java have roots of their own: by their variable, without one of a proxy.
		{"node fetch", "$NO_PROXY_AT_ALL node " + nodeScript(t, "plain.mjs") + " fetch $URL", authenticated},
		{"node with an agent", "$NO_PROXY_AT_ALL node " + nodeScript(t, "plain.mjs") + " agent $URL", authenticated},
		{"java", "$NO_PROXY_AT_ALL java -Djavax.net.ssl.trustStore=$(dirname $SSL_CERT_FILE)/truststore.p12 -Djavax.net.ssl.trustStorePassword=changeit -cp " + tools + " Get $URL", authenticated},
		{"curl with variables", "curl -sS $URL", authenticated},
		{"python requests with variables", python + " " + get + " requests $URL", authenticated},
		{"an SDK with variables", "node " + nodeScript(t, "sdk.mjs") + " openai", "echo: hello"},
	}
	script := "URL=" + whoami + "; BARE='env -i PATH=" + os.Getenv("PATH") + " HOME=/tmp'; NO_PROXY_AT_ALL='env -u HTTP_PROXY -u http_proxy -u HTTPS_PROXY -u https_proxy -u NODE_OPTIONS -u NODE_USE_ENV_PROXY -u JAVA_TOOL_OPTIONS'\n"
	for _, l := range lines {
		script += "echo '## " + l.name + "'; { " + l.line + "; } 2>&1\n"
	}
	t.Run("clients", func(t *testing.T) {
		r := confined(t, "sh", "-c", script)
		for _, l := range lines {
			_, said, _ := strings.Cut(r.Stdout, "## "+l.name+"\n")
			said, _, _ = strings.Cut(said, "## ")
			if !strings.Contains(said, l.want) {
				t.Errorf("%s: %s; want %s (%s)", l.name, said, l.want, r.Stderr)
			}
		}
	})
	t.Run("ssh is refused with a reason", func(t *testing.T) {
		if r := confined(t, append(bare, "curl", "-sS", "telnet://github.com:22")...); !strings.Contains(r.Stdout+r.Stderr, "SSH (port 22) is not passed on") {
			t.Errorf("%v", r)
		}
	})
	t.Run("another name than the connection's", func(t *testing.T) {
		in.Service.forget()
		if r := confined(t, append(bare, "curl", "-sSk", whoami, "--connect-to", "api.test:443:plain.test:443")...); r.Code == 0 || !strings.Contains(r.Stderr, "sni_mismatch") {
			t.Errorf("%v", r)
		}
		if n := len(in.Service.Requests()); n > 0 {
			t.Errorf("%d requests reached the service", n)
		}
	})
	t.Run("no secret is in sight", func(t *testing.T) {
		r := confined(t, "sh", "-c", `env; cat "$0" "$1"/* 2>&1`, in.Caddyfile, in.Dir)
		for _, secret := range []string{sdkKey, gitPassword, demoToken, "sk-of-the-user-itself", "ghp_of_the_user"} {
			if strings.Contains(r.Stdout+r.Stderr, secret) {
				t.Errorf("%s is in sight: %v", secret, r)
			}
		}
	})
	t.Run("mistakes", func(t *testing.T) {
		for _, wrong := range [][]string{{"--confine=perhaps"}, {"--rw", "."}, {"--confine", "--max-disk", "1"}, {"--confine", "--no-relay"}} {
			if r := (client{Dir: work}).run(t, raceBinary(t), append(append([]string{"exec"}, wrong...), "--", "true")...); r.Code != 125 || !strings.Contains(r.Stderr, "--") {
				t.Errorf("%q: %v", wrong, r)
			}
		}
		if r := confined(t, "no-such-command"); r.Code != 127 {
			t.Errorf("%v", r)
		}
	})
}
