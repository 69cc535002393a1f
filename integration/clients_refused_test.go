package integration_test

import (
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Why the proxy refused reaches people, in what each client shows of an error: the
// code, and where it has room the sentence with the next step. A client does not try
// again what will be refused again.
func TestRefusalsReachPeople(t *testing.T) {
	integration(t)
	ca := newAuthority(t, "services")
	var reached atomic.Int32
	service := newService(t, ca, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }), "demo.test", "store.test")
	a := newAttache(t, setup{
		Attache: connector("demo", "demo.test", service, "bearer {fields.key}", "DEMO_TOKEN") + connector("store", "store.test", service, "bearer {fields.key}", "DEMO_TOKEN") +
			"agent local {\n\tgrant demo read\n}\n",
		Listener: "agent local\nunmatched deny",
		Env:      []string{"DEMO_TOKEN=" + demoToken}, Trust: []*authority{ca},
	})
	proxied := []string{"HTTPS_PROXY=" + a.URL, "https_proxy=" + a.URL, "HTTP_PROXY=" + a.URL, "SSL_CERT_FILE=" + a.CA, "GIT_SSL_CAINFO=" + a.CA, "REQUESTS_CA_BUNDLE=" + a.CA, "NODE_EXTRA_CA_CERTS=" + a.CA,
		"AWS_ACCESS_KEY_ID=attache", "AWS_SECRET_ACCESS_KEY=attache", "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true"}
	fail := func(code string) string {
		return "import sys\ntry:\n " + code + "\nexcept Exception as e:\n print(e)\n"
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"curl, CONNECT", []string{"curl", "-sSv", "https://other.test/"}, "403 attache: no_connector"},
		{"urllib, CONNECT", []string{python, "-c", fail("import urllib.request; urllib.request.urlopen('https://other.test/')")}, "403 attache: no_connector"},
		{"urllib", []string{python, "-c", fail("import urllib.request; urllib.request.urlopen('https://store.test/')")}, "HTTP Error 403: attache: not_permitted"},
		{"requests, CONNECT", []string{python, "-c", fail("import requests; requests.get('https://other.test/')")}, "403 attache: no_connector"},
		{"requests", []string{python, "-c", fail("import requests; requests.get('https://store.test/').raise_for_status()")}, "403 Client Error: attache: not_permitted for url"},
		{"wget", []string{"wget", "-O", "-", "--ca-certificate=" + a.CA, "https://store.test/"}, "403 attache: not_permitted"},
		{"git clone", []string{"git", "clone", "https://store.test/a.git"}, "remote: attache: not_permitted: "},
		{"git push", []string{"git", "push", "https://store.test/a.git"}, "remote: attache: not_permitted: "},
		{"npm", []string{"npm", "view", "left-pad", "--registry=" + a.URL + "/store/", "--fetch-retries=0"}, "attache: not_permitted: "},
		{"AWS CLI, S3", []string{"aws", "--endpoint-url", "https://store.test", "s3", "ls"}, "(NotPermitted) when calling the ListBuckets operation: attache: not_permitted: "},
		{"AWS CLI, STS", []string{"aws", "--endpoint-url", "https://store.test", "sts", "get-caller-identity"}, "(NotPermitted) when calling the GetCallerIdentity operation: attache: not_permitted: "},
		{"openai", []string{"node", "refused.mjs", a.URL + "/store/v1", "attache"}, "attache: not_permitted: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := exec.LookPath(c.args[0]); err != nil {
				t.Skipf("%s is not installed", c.args[0])
			}
			run := client{Env: append(proxied, gitIdentity...), Limit: 3 * time.Minute}
			if c.args[0] == "git" && c.args[1] == "push" {
				run.Dir = t.TempDir()
				run.mustRun(t, "git", "init", "-q", "-b", "main")
				run.mustRun(t, "git", "commit", "-q", "--allow-empty", "-m", "first")
				c.args = append(c.args, "main")
			}
			if c.args[0] == "node" {
				c.args[1] = nodeScript(t, c.args[1])
			}
			r := run.run(t, c.args[0], c.args[1:]...)
			if got := r.Stdout + r.Stderr; !strings.Contains(strings.Join(strings.Fields(got), " "), c.want) {
				t.Errorf("shows %s, want %q", got, c.want)
			}
		})
	}
	refused := 0
	for line := range strings.Lines(a.Log.String()) {
		if strings.Contains(line, `"code":"not_permitted","status"`) && !strings.Contains(line, `"path":"/left-pad"`) && !strings.Contains(line, `"path":"/npm"`) {
			refused++
		}
	}
	if most := 8; refused > most { // one of each client; npm asks for itself besides
		t.Errorf("%d requests were refused, want %d: a client tried again", refused, most)
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("%d requests reached the service", n)
	}
}
