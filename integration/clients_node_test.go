package integration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sdk is a vendor's npm package with the service that it talks to.
type sdk struct {
	name    string // of the call in node/sdk.mjs
	host    string // where the package goes by itself
	sign    string // how the connector places the credential
	service func(key, origin string) http.Handler
	want    string // what sdk.mjs prints, without `spread`
	// hostOnly says that the package takes a host and a port but no path, so
	// that the base-URL door is none for it, but the host-name door is.
	hostOnly bool
}

func (s sdk) door() string {
	if s.hostOnly {
		return "host name"
	}
	return "base URL"
}

const sdkKey = "sk_test_5c1f0f3a9b8e4d21"

var sdks = []sdk{
	{name: "openai", host: "api.openai.com", sign: "bearer {fields.key}",
		service: func(key, _ string) http.Handler { return openAI(key) },
		want:    `{"models":["test-model"],"chat":"echo: hello","streamed":{"out":"echo: hello","parts":3},"response":"echo: hello","bytes":3}`},
	{name: "anthropic", host: "api.anthropic.com", sign: "header X-Api-Key {fields.key}",
		service: func(key, _ string) http.Handler { return anthropic(key) },
		want:    `{"message":"echo: hello","streamed":{"out":"echo: hello","parts":2}}`},
	{name: "octokit", host: "api.github.com", sign: "bearer {fields.key}",
		service: gitHub,
		want:    `{"login":"octo","issues":[1,2,3],"made":"new","viewer":"octo"}`},
	{name: "stripe", host: "api.stripe.com", sign: "bearer {fields.key}", hostOnly: true,
		service: func(key, _ string) http.Handler { return stripe(key) },
		want:    `{"made":"new@example.com","all":["cus_1","cus_2","cus_3"]}`},
}

// nodeScript is a script beside the installed packages, where imports find them.
func nodeScript(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("ATTACHE_NODE_DIR")
	if dir == "" {
		missing(t, "npm packages (ATTACHE_NODE_DIR, set by ./integration/test.sh)")
	}
	// Copied anew, so that an edit counts without another npm ci.
	return writeFile(t, filepath.Join(dir, name), readFile(t, filepath.Join("node", name)))
}

// checkSDK compares what sdk.mjs printed, and that streams came as streams.
func checkSDK(t *testing.T, r result, want string) {
	t.Helper()
	if r.Code != 0 {
		t.Fatal(r)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(r.Stdout), &got); err != nil {
		t.Fatalf("%v in %v", err, r)
	}
	if s, ok := got["streamed"].(map[string]any); ok {
		if ms, _ := s["spread"].(float64); ms < 100 {
			t.Errorf("stream of %v parts within %v ms, want it spread over at least 100: it was buffered", s["parts"], ms)
		}
		delete(s, "spread")
	}
	var wanted map[string]any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if g, w := fmt.Sprint(got), fmt.Sprint(wanted); g != w {
		t.Errorf("%s printed %s, want %s", r.Command, g, w)
	}
}

// The services let nobody in without the key, and the SDK works with it: what
// passes through the proxy passes because of the proxy.
func TestSDKsDirect(t *testing.T) {
	integration(t)
	for _, s := range sdks {
		t.Run(s.name, func(t *testing.T) {
			var origin string
			service := newPlainService(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s.service(sdkKey, origin).ServeHTTP(w, r)
			}))
			origin = service.URL
			script := nodeScript(t, "sdk.mjs")
			checkSDK(t, client{Env: []string{"BASE_URL=" + service.URL, "API_KEY=" + sdkKey}}.run(t, "node", script, s.name), s.want)
			r := client{Env: []string{"BASE_URL=" + service.URL, "API_KEY=wrong"}}.run(t, "node", script, s.name)
			if r.Code == 0 || !strings.Contains(r.Stderr, "401") {
				t.Errorf("with a wrong key, want a 401: %v", r)
			}
		})
	}
}

// Each SDK with a placeholder for a key: at the base-URL or host-name door with
// plain fetch or http, and at its own host through CONNECT with undici's ProxyAgent.
func TestSDKs(t *testing.T) {
	integration(t)
	for _, s := range sdks {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			ca := newAuthority(t, "services")
			var origin string
			service := newService(t, ca, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s.service(sdkKey, origin).ServeHTTP(w, r)
			}), s.host)
			a := newAttache(t, setup{
				Attache: connector("vendor", s.host, service, s.sign, "VENDOR_KEY") + agentLocal("vendor"),
				Env:     []string{"VENDOR_KEY=" + sdkKey}, Trust: []*authority{ca},
			})
			script := nodeScript(t, "sdk.mjs")

			t.Run(s.door(), func(t *testing.T) {
				origin = a.URL + "/vendor"
				if s.hostOnly {
					origin = strings.Replace(a.URL, "127.0.0.1", "vendor.localhost", 1)
				}
				checkSDK(t, client{Env: []string{"BASE_URL=" + origin, "API_KEY=attache"}}.run(t, "node", script, s.name), s.want)
			})
			t.Run("CONNECT", func(t *testing.T) {
				origin = "https://" + s.host
				checkSDK(t, client{Env: []string{"HTTPS_PROXY=" + a.URL, "PROXY_CA=" + a.CA, "API_KEY=attache"}}.run(t, "node", script, s.name), s.want)
			})
			for _, r := range service.Requests() {
				if strings.Contains(r.String(), "attache") {
					t.Errorf("the placeholder or the proxy's name reached the service: %v", r)
				}
			}
		})
	}
}
