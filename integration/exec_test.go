package integration_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// internet is a world with services where their clients look for them, and a
// proxy on 127.0.0.1:8080 whose one agent may use them all. The connectors are
// the built-in ones, the hosts and ports the real ones.
type internet struct {
	*attache
	Service *service // every service but git
	Git     *gitServer
	Trap    *trap
	Trust   *authority
}

func newInternet(t testing.TB) *internet {
	t.Helper()
	n := newNames(t)
	ca := newAuthority(t, "the internet")
	installRoot(t, ca)
	services := map[string]http.Handler{
		"api.openai.com":    openAI(sdkKey),
		"api.anthropic.com": anthropic(sdkKey),
		"api.github.com":    gitHub(gitPassword, "https://api.github.com"),
		"api.stripe.com":    stripe(sdkKey),
		"api.test":          demoService(),
		"plain.test":        streamingAndWhoami(),
	}
	var hosts []string
	for host := range services {
		hosts = append(hosts, host)
		n.set(host, []string{publicIP})
	}
	n.set("github.com", []string{publicIP2})
	in := &internet{Trust: ca, Git: newGitServer(t, publicIP2+":443", ca, "github.com")}
	in.Service = serveAt(t, net.JoinHostPort(publicIP, "443"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		services[r.Host].ServeHTTP(w, r)
	}), ca, hosts...)
	in.attache = newAttache(t, setup{
		Port: 8080,
		Attache: builtin("openai", "api_key", "VENDOR_KEY") + builtin("anthropic", "api_key", "VENDOR_KEY") +
			builtin("stripe", "api_key", "VENDOR_KEY") + builtin("github", "token", "GIT_PASSWORD") + `
		connector api {
			hosts api.test
			field key {env.DEMO}
			sign bearer {fields.key}
			test GET /whoami 200
		}
		` + agentLocal("openai", "anthropic", "stripe", "github", "api"),
		Env: []string{"VENDOR_KEY=" + sdkKey, "GIT_PASSWORD=" + gitPassword, "DEMO=" + demoToken},
	})
	return in
}

// builtin uses a connector of the catalogue with the one field of its option.
func builtin(key, option, env string) string {
	return fmt.Sprintf("connector %s {\n\tuse %s {\n\t\t%[2]s {env.%[3]s}\n\t}\n}\n", key, option, env)
}

// streamingAndWhoami is a service of no connector.
func streamingAndWhoami() http.Handler {
	mux := streaming()
	mux.Handle("/whoami", whoami(bearer(demoToken)))
	return mux
}

// exec is `attache exec -- COMMAND` as an agent's supervisor would run it: no
// option, none of the proxy's environment.
func (in *internet) exec(t testing.TB, c client, args ...string) result {
	t.Helper()
	return c.run(t, raceBinary(t), append([]string{"exec", "--"}, args...)...)
}

// `attache exec -- CMD` is all that a client needs.
func TestExec(t *testing.T) {
	if !inWorld(t) {
		return
	}
	in := newInternet(t)
	prints := func(t *testing.T, r result, want string) {
		t.Helper()
		if r.Code != 0 || !strings.Contains(r.Stdout, want) {
			t.Errorf("want %s: %v", want, r)
		}
	}
	t.Run("curl", func(t *testing.T) {
		prints(t, in.exec(t, client{}, "curl", "-sS", "https://api.test/whoami"), authenticated)
	})
	t.Run("git clone and push", func(t *testing.T) {
		work := filepath.Join(t.TempDir(), "work")
		if r := in.exec(t, client{Env: gitIdentity}, "git", "clone", "-q", "https://github.com"+gitPath, work); r.Code != 0 {
			t.Fatal(r)
		}
		script := "echo more >more && git add more && git commit -q -m more && git push -q origin main"
		if r := in.exec(t, client{Env: gitIdentity, Dir: work}, "sh", "-c", script); r.Code != 0 {
			t.Fatal(r)
		}
	})
	for _, library := range []string{"requests", "httpx", "urllib", "urllib3"} {
		t.Run("python "+library, func(t *testing.T) {
			prints(t, in.exec(t, client{}, python, pythonScript(t, "get.py"), library, "https://api.test/whoami"), authenticated)
		})
	}
	for _, s := range sdks {
		if s.name == "openai" || s.name == "anthropic" { // the others' packages read no base URL from the environment
			t.Run("node "+s.name, func(t *testing.T) {
				checkSDK(t, in.exec(t, client{}, "node", nodeScript(t, "sdk.mjs"), s.name), s.want)
			})
		}
	}
	t.Run("node https with an agent", func(t *testing.T) {
		prints(t, in.exec(t, client{}, "node", nodeScript(t, "get.mjs"), "https://api.test/whoami"), authenticated)
	})
	for _, how := range []string{"fetch", "agent"} { // of any Node, by what exec lets it load first
		t.Run("node "+how, func(t *testing.T) {
			prints(t, in.exec(t, client{}, "node", nodeScript(t, "plain.mjs"), how, "https://api.test/whoami"), authenticated)
		})
	}
	t.Run("java", func(t *testing.T) {
		prints(t, in.exec(t, client{}, append(append([]string{"java"}, javaClass(t)...), "https://api.test/whoami")...), "HTTP_2 "+authenticated)
	})
	t.Run("a host of no connector", func(t *testing.T) {
		// Its certificate is one of the system's roots': the bundle has them, too.
		prints(t, in.exec(t, client{}, "curl", "-sS", "-H", "Authorization: Bearer "+demoToken, "https://plain.test/whoami"), authenticated)
		prints(t, in.exec(t, client{}, python, pythonScript(t, "get.py"), "requests", "https://plain.test/events?n=1"), "data: 0")
	})
	t.Run("localhost stays direct", func(t *testing.T) {
		own := newPlainService(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("mine")) }))
		prints(t, in.exec(t, client{}, "curl", "-sS", own.URL), "mine")
	})
	t.Run("exit code and signals", func(t *testing.T) {
		if r := in.exec(t, client{}, "sh", "-c", "exit 7"); r.Code != 7 {
			t.Errorf("exit code of the command = %d, want 7: %v", r.Code, r)
		}
	})
	t.Run("no secret in the environment", func(t *testing.T) {
		r := in.exec(t, client{}, "env")
		for _, secret := range []string{sdkKey, gitPassword, demoToken} {
			if strings.Contains(r.Stdout, secret) {
				t.Errorf("the credential is in the command's environment: %v", r)
			}
		}
		for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS",
			"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO", "DENO_CERT", "OPENAI_BASE_URL", "OPENAI_API_KEY"} {
			if !strings.Contains("\n"+r.Stdout, "\n"+name+"=") {
				t.Errorf("%s is not set", name)
			}
		}
	})
	t.Run("the proxy is not there", func(t *testing.T) {
		in.stop()
		r := in.exec(t, client{}, "curl", "-sS", "https://api.test/whoami")
		if r.Code == 0 || !strings.Contains(r.Stderr, "127.0.0.1:8080") {
			t.Errorf("want an error that names the address: %v", r)
		}
	})
}

// The SDKs at their own hosts, with the built-in connectors as they are.
func TestCatalogueConnectors(t *testing.T) {
	if !inWorld(t) {
		return
	}
	in := newInternet(t)
	for _, s := range sdks {
		t.Run(s.name, func(t *testing.T) {
			env := []string{"HTTPS_PROXY=" + in.URL, "PROXY_CA=" + in.CA, "API_KEY=attache"}
			checkSDK(t, client{Env: env}.run(t, "node", nodeScript(t, "sdk.mjs"), s.name), s.want)
		})
	}
}

// The other commands that make clients easy.
func TestCommands(t *testing.T) {
	if !inWorld(t) {
		return
	}
	in := newInternet(t)
	attache := func(args ...string) result { return client{}.run(t, raceBinary(t), args...) }

	t.Run("ca", func(t *testing.T) {
		r := attache("ca")
		if r.Code != 0 || strings.TrimSpace(r.Stdout) != strings.TrimSpace(readFile(t, in.CA)) {
			t.Errorf("attache ca does not print the root certificate: %v", r)
		}
	})
	t.Run("env", func(t *testing.T) {
		script := `eval "$(` + raceBinary(t) + ` env)" && curl -sS https://api.test/whoami`
		if r := (client{}).run(t, "sh", "-c", script); strings.TrimSpace(r.Stdout) != authenticated {
			t.Errorf("want %s: %v", authenticated, r)
		}
	})
	t.Run("doctor", func(t *testing.T) {
		r := attache("doctor")
		for _, want := range []string{"api", "openai", "anthropic", "github"} {
			if !strings.Contains(r.Stdout, want) {
				t.Errorf("attache doctor says nothing of %s: %v", want, r)
			}
		}
		if strings.Contains(r.Stdout+r.Stderr, sdkKey) {
			t.Errorf("a credential is in what doctor says")
		}
	})
	t.Run("doctor with a wrong credential", func(t *testing.T) {
		s := in.s
		s.Attache = strings.Replace(s.Attache, "{env.DEMO}", "wrong-credential", 1)
		if !in.reload(s) {
			t.Fatal("reload refused")
		}
		r := attache("doctor")
		if r.Code == 0 || !strings.Contains(r.Stdout+r.Stderr, "401") {
			t.Errorf("want a failure that names api and 401: %v", r)
		}
	})
	t.Run("connectors list", func(t *testing.T) {
		r := attache("connectors", "list")
		if r.Code != 0 || !strings.Contains(r.Stdout, "github") || !strings.Contains(r.Stdout, "openai") {
			t.Errorf("attache connectors list: %v", r)
		}
	})
	t.Run("connectors validate", func(t *testing.T) {
		good := writeFile(t, filepath.Join(t.TempDir(), "mine.yaml"), "key: mine\ntitle: Mine\ncategory: dev\nhosts: [api.mine.example]\nauth:\n  key:\n    type: credentials\n    fields: {key: {title: Key, secret: true}}\n    sign: bearer\n")
		if r := attache("connectors", "validate", good); r.Code != 0 {
			t.Errorf("a good file: %v", r)
		}
		bad := writeFile(t, filepath.Join(t.TempDir(), "mine.yaml"), "key: mine\nhosts: [api.mine.example]\nhostss: [x]\n")
		if r := attache("connectors", "validate", bad); r.Code == 0 || !strings.Contains(r.Stdout+r.Stderr, "mine.yaml:3") {
			t.Errorf("an unknown key: want a failure with mine.yaml:3: %v", r)
		}
	})
	t.Run("well-known", func(t *testing.T) {
		r := in.curl(t, in.URL+"/.well-known/attache")
		text, _, _ := strings.Cut(r.Stdout, "\n")
		var about struct {
			Agent      string
			CAPEM      string `json:"ca_pem"`
			Connectors []struct {
				Key   string
				Hosts []string
			}
		}
		if err := json.Unmarshal([]byte(text), &about); err != nil || about.Agent != "local" || len(about.Connectors) != 5 || about.CAPEM != readFile(t, in.CA) {
			t.Errorf("%v, %+v in %v", err, about, r)
		}
		r = client{}.run(t, "curl", "-sS", in.URL+"/.well-known/attache/ca.pem")
		if want, err := os.ReadFile(in.CA); err != nil || r.Stdout != string(want) {
			t.Errorf("ca.pem: %v", r)
		}
	})
}
