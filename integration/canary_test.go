package integration_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The canaries: each secret that the proxy holds, by where it is placed.
var canaries = map[string]string{
	"bearer": "canary-bearer-5d41402abc4b", "header": "canary-header-7e240de74fb1", "basic": "canary-basic-ed1d8f2a3cc0",
	"query": "canary/query+7a=5f&9b", "path": "canary-path-0cc175b9c0f1", "cookie": "canary-cookie-92eb5ffee6ae",
	"form": "canary-form-4a8a08f09d37", "json": "canary-json-\"8277e091\"0d3f", "file": "canary-file-e4da3b7fbbce",
	"secret": "canary-client-secret-1679091c5a88", "token": "canary-access-token-8f14e45fceea", "agent": "canary-agent-token-c9f0f895fb98",
	"signing": "canary/signing+key-c20ad4d76fe9",
}

// leak is a canary that was found.
func leaks(text string) (found []string) {
	text = strings.ReplaceAll(text, "\x00", "") // UTF-16
	low := strings.ToLower(text)
	for name, secret := range canaries {
		for form, s := range forms(secret) {
			if strings.Contains(text, s) || form == "as it is" && strings.Contains(low, strings.ToLower(s)) {
				found = append(found, fmt.Sprintf("%s (%s)", name, form))
			}
		}
	}
	return found
}

// forms are the ways in which a secret may stand in a text.
func forms(secret string) map[string]string {
	b64 := base64.StdEncoding.EncodeToString([]byte(secret))
	all := map[string]string{
		"as it is": secret, "hex": hex.EncodeToString([]byte(secret)), "query": url.QueryEscape(secret), "path": url.PathEscape(secret),
		"JSON": strings.ReplaceAll(secret, `"`, `\"`), "JSON twice": strings.ReplaceAll(secret, `"`, `\\\"`),
		"base64": strings.TrimRight(b64, "="),
	}
	for form, format := range map[string]string{"entities": "&#%d;", "unicode": `\u%04x`, "percent": "%%%02x", "printable": "=%02X"} {
		var b strings.Builder
		for _, c := range []byte(secret) {
			fmt.Fprintf(&b, format, c)
		}
		all[form] = b.String()
	}
	// Behind one or two more bytes, as in Basic's user:password, base64 is
	// another text; its middle depends on the secret alone.
	for i := 1; i <= 2; i++ {
		shifted := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", i) + secret))
		all[fmt.Sprintf("base64 shifted by %d", i)] = shifted[4 : len(shifted)-4]
	}
	return all
}

// canaryProxy is a proxy that holds every canary.
func canaryProxy(t testing.TB) (a *attache, service *service) {
	t.Helper()
	integration(t)
	ca := newAuthority(t, "services")
	service = newService(t, ca, echo(), "*.test")
	tokens := newPlainService(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{"access_token": canaries["token"], "token_type": "Bearer", "expires_in": 3600})
	}))
	failing := newPlainService(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_client", "error_description": "no good: " + everything(r), "secret": canaries["secret"]})
	}))
	closed := fmt.Sprintf("https://127.0.0.1:%d", freePort(t))
	notHTTP := newWire(t)
	notHTTP.reset("nonsense\r\n\r\n")

	b := strings.Builder{}
	var keys []string
	add := func(key, upstream, rest string) {
		keys = append(keys, key)
		fmt.Fprintf(&b, "connector %[1]s {\n\thosts %[1]s.test\n\tupstream %[2]s\n%[3]s\n}\n", key, upstream, rest)
	}
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "secret"), canaries["file"])
	env := []string{"AGENT_TOKEN=" + canaries["agent"], "CLIENT_SECRET=" + canaries["secret"]}
	for name, sign := range map[string]string{
		"bearer": "sign bearer {fields.key}", "header": "sign header X-Api-Key {fields.key}", "basic": "sign basic user {fields.key}",
		"query": "sign query key {fields.key}", "path": "sign path /bot*/ /bot{fields.key}/", "cookie": "sign cookie session {fields.key}",
		"form": "sign form token {fields.key}", "json": "sign json auth.key {fields.key}", "file": "sign bearer {fields.key}",
	} {
		source := fmt.Sprintf("{env.CANARY_%s}", strings.ToUpper(name))
		env = append(env, fmt.Sprintf("CANARY_%s=%s", strings.ToUpper(name), canaries[name]))
		if name == "file" {
			source = "{file." + file + "}"
		}
		rest := fmt.Sprintf("\tfield key %s\n\t%s\n\ttest GET /text/ 200", source, sign)
		add(name, service.URL, rest)
		add(name+"-closed", closed, rest)
		add(name+"-nonsense", notHTTP.URL, rest)
	}
	oauth := "\toauth2 client_credentials {\n\t\ttoken_url %s/token\n\t\tclient_id id\n\t\tclient_secret {env.CLIENT_SECRET}\n\t\theader_as_payload %s\n\t}"
	add("token", service.URL, fmt.Sprintf(oauth, tokens.URL, "on"))
	add("token-fails", service.URL, fmt.Sprintf(oauth, failing.URL, "on"))
	add("token-fails-basic", service.URL, fmt.Sprintf(oauth, failing.URL, "off"))
	add("token-closed", service.URL, fmt.Sprintf(oauth, closed, "on"))
	env = append(env, "CANARY_SIGNING="+canaries["signing"])
	b.WriteString("connector aws-s3 {\n\tuse access_key {\n\t\taccess_key_id AKIAIOSFODNN7EXAMPLE\n\t\tsecret_access_key {env.CANARY_SIGNING}\n\t}\n}\n")
	b.WriteString("allow_address 127.0.0.1\nagent worker {\n\ttoken {env.AGENT_TOKEN}\n")
	for _, key := range keys {
		fmt.Fprintf(&b, "\tgrant %s read write presign\n", key)
	}
	b.WriteString("\tgrant aws-s3 read presign\n")
	b.WriteString("}\n")
	a = newAttache(t, setup{Attache: b.String(), Env: env, Trust: []*authority{ca}, Listener: "unmatched deny", Options: "metrics", Logged: true})
	return a, service
}

// No secret that the proxy holds is in anything that it says, writes or
// forwards to where it does not belong.
func TestCanaries(t *testing.T) {
	a, service := canaryProxy(t)
	user := "worker:" + canaries["agent"] + "@"
	proxy := strings.Replace(a.URL, "http://", "http://"+user, 1)
	said := &buffer{} // all that clients and commands saw
	note := func(t *testing.T, what, text string) {
		t.Helper()
		fmt.Fprintf(said, "%s\n", text)
		if found := leaks(text); len(found) > 0 {
			t.Errorf("%s: %s: %s", what, strings.Join(found, ", "), clip(text))
		}
	}
	sent := map[string]string{"form": "application/x-www-form-urlencoded", "json": "application/json"}
	for name := range canaries {
		if name == "secret" || name == "agent" || name == "signing" {
			continue
		}
		for _, way := range echoPaths {
			if name == "path" {
				way = "bot/" + way
			}
			body := map[string]string{"form": "a=1", "json": `{"a":1}`}[name]
			common := []string{"-sS", "-i", "--max-time", "10", "-X", "POST", "-H", "Accept-Encoding: gzip", "--compressed", "-d", body, "-H", "Content-Type: " + sent[name]}
			for door, args := range map[string][]string{
				"CONNECT":  {"-x", proxy, "--cacert", a.CA, "https://" + name + ".test/" + way + "/"},
				"base URL": {"-H", "Authorization: Bearer " + canaries["agent"], a.URL + "/" + name + "/" + way + "/"},
			} {
				t.Run(name+"/"+door+"/"+way, func(t *testing.T) {
					r := client{}.run(t, "curl", append(common, args...)...)
					note(t, "the answer", r.Stdout)
				})
			}
		}
		for _, key := range []string{name + "-closed", name + "-nonsense", "token-fails", "token-fails-basic"} {
			t.Run(key, func(t *testing.T) {
				r := client{}.run(t, "curl", "-sS", "-i", "-x", proxy, "--cacert", a.CA, "https://"+key+".test/bot/x?a=1")
				note(t, "the refusal", r.Stdout)
				if !strings.Contains(strings.ToLower(r.Stdout), "attache-error") {
					t.Errorf("no refusal: %v", r)
				}
			})
		}
	}
	if len(service.Requests()) < 100 {
		t.Errorf("only %d requests reached the service: the test does not test", len(service.Requests()))
	}
	for _, r := range service.Requests() {
		if strings.Contains(r.String(), canaries["agent"]) {
			t.Errorf("the agent's token reached the service: %v", r)
		}
	}

	t.Run("the proxy about itself", func(t *testing.T) {
		auth := []string{"-sS", "-i", "-H", "Authorization: Bearer " + canaries["agent"]}
		for _, path := range []string{"/.well-known/attache", "/.well-known/attache/ca.pem", "/", "/nosuch/", "/worker/"} {
			note(t, path, client{}.run(t, "curl", append(auth, a.URL+path)...).Stdout)
		}
		for name := range canaries {
			note(t, "test of "+name, client{}.run(t, "curl", append(auth, "-X", "POST", a.URL+"/.well-known/attache/test/"+name)...).Stdout)
		}
	})
	t.Run("presigned URLs", func(t *testing.T) {
		ask := func(body string) string {
			r := client{}.run(t, "curl", "-sS", "-i", "-H", "Authorization: Bearer "+canaries["agent"], "-d", body, a.URL+"/.well-known/attache/presign")
			note(t, "presign "+body, r.Stdout)
			return r.Stdout
		}
		if got := ask(`{"connector":"aws-s3","url":"/bucket/key","headers":{"X-Amz-Meta-A":"b"}}`); !strings.Contains(got, "X-Amz-Signature=") {
			t.Errorf("no URL: %s", clip(got))
		}
		for _, body := range []string{
			`{"connector":"aws-s3","url":"/bucket/key","method":"PUT"}`, `{"url":"https://bucket.s3.amazonaws.com/k?X-Amz-Signature=0&X-Amz-Credential=x"}`, `{"url":"https://bearer.test/text/"}`,
			`{"url":"https://query.test/query/?a=1"}`, `{"url":"https://token-fails.test/"}`, `{"url":"https://unknown.test/"}`, `{"connector":"aws-s3","url":"/","expires_in":-1}`, `{`,
			`{"connector":"aws-s3","url":"/b/k","headers":{"Authorization":"` + canaries["agent"][:8] + `"}}`,
		} {
			ask(body)
		}
	})
	t.Run("the admin socket", func(t *testing.T) {
		for _, path := range []string{"/config/", "/metrics", "/reverse_proxy/upstreams", "/pki/ca/attache", "/debug/vars", "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline"} {
			r := client{}.mustRun(t, "curl", "-sS", "--unix-socket", filepath.Join(a.Dir, "admin.sock"), "http://localhost"+path)
			note(t, path, r.Stdout)
		}
	})
	t.Run("commands", func(t *testing.T) {
		for _, args := range [][]string{{"adapt", "--config", a.Caddyfile}, {"validate", "--config", a.Caddyfile}, {"environ"},
			{"connectors", "list"}, {"env"}, {"ca"}, {"doctor"}} {
			r := client{}.run(t, raceBinary(t), args...) // not with the proxy's environment: that holds them
			note(t, strings.Join(args, " "), r.Stdout+r.Stderr)
		}
		r := a.command("validate", "--config", a.Caddyfile)
		note(t, "validate", r.Stdout+r.Stderr)
	})
	a.reload(a.s)
	time.Sleep(200 * time.Millisecond)
	a.stop()

	t.Run("the log", func(t *testing.T) {
		log := a.Log.String()
		for line := range strings.Lines(log) {
			if found := leaks(line); len(found) > 0 {
				t.Errorf("%s: %s", strings.Join(found, ", "), clip(line))
			}
		}
		if !strings.Contains(log, `"level":"debug"`) {
			t.Error("no debug line in the log: the test does not see what it should")
		}
	})
	t.Run("files", func(t *testing.T) {
		n := 0
		filepath.WalkDir(a.Dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			if found := leaks(string(b)); len(found) > 0 || err != nil {
				t.Errorf("%s: %s %v", path, strings.Join(found, ", "), err)
			}
			n++
			return nil
		})
		if n < 3 {
			t.Errorf("only %d files below %s", n, a.Dir)
		}
	})
}

// A literal in the Caddyfile is the operator's choice; it still is in no log
// and in no answer to an agent.
func TestLiteralSecretInCaddyfile(t *testing.T) {
	integration(t)
	ca := newAuthority(t, "services")
	service := newService(t, ca, echo(), "echo.test")
	secret := canaries["bearer"]
	a := newAttache(t, setup{Logged: true,
		Attache: strings.Replace(connector("echo", "echo.test", service, "bearer {fields.key}", "X"), "{env.X}", secret, 1) + agentLocal("echo"),
		Trust:   []*authority{ca},
	})
	for _, way := range echoPaths {
		r := client{}.run(t, "curl", "-sS", "-i", "--compressed", a.URL+"/echo/"+way+"/")
		if found := leaks(r.Stdout); len(found) > 0 {
			t.Errorf("%s: %s: %v", way, found, r)
		}
	}
	a.stop()
	for line := range strings.Lines(a.Log.String()) {
		if found := leaks(line); len(found) > 0 {
			t.Errorf("the log: %s: %s", found, clip(line))
		}
	}
}
