package integration_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// connecting is a proxy whose accounts people connect at a certified OpenID
// provider, and an agent that waits for them.
type connecting struct {
	*attache
	idp   *oidcServer
	base  string // of attache_admin
	token string // an admin's
	agent string // the agent's token
	// secrets are what nobody may see: codes, tokens, states, links.
	secrets []string
}

func newConnecting(t testing.TB, args ...string) *connecting {
	t.Helper()
	port := freePort(t)
	c := &connecting{base: fmt.Sprintf("http://127.0.0.1:%d", port)}
	c.idp = newOIDC(t, append([]string{"--redirect", c.base + "/oauth/callback", "--redirect", "http://localhost:1/back", "--device-interval", "1"}, args...)...)
	dir := t.TempDir()
	at, _ := url.Parse(c.idp.Issuer)
	writeFile(t, filepath.Join(dir, "connectors", "files.yaml"), fmt.Sprintf(`
key: files
title: Files
hosts: ["http://%[1]s/api/"]
base_url: http://%[1]s
auth:
  oauth:
    type: oauth2
    title: Sign in to Files
    authorize_url: %[2]s
    token_url: %[3]s
    header_as_payload: true
    revoke_url: %[4]s
    issuer: %[5]s
    callback: {iss_required: true}
    scopes: [openid, read]
    pkce: required
  device:
    type: oauth2
    title: Use a code
    grant_type: device_code
    device_url: %[6]s
    token_url: %[3]s
    header_as_payload: true
    revoke_url: %[4]s
    scopes: [openid, read]
  key:
    type: credentials
    fields: {key: {title: Key, secret: true}}
test: {get: /api/whoami, expect: 200}
identity: {id: sub, label: sub}
`, at.Host, c.idp.Authorize, c.idp.Token, c.idp.Revocation, c.idp.Issuer, c.idp.Device))
	// A token endpoint at an address that nobody named.
	writeFile(t, filepath.Join(dir, "connectors", "inside.yaml"), fmt.Sprintf(`
key: inside
hosts: ["http://%[1]s/inside/"]
auth: {oauth: {type: oauth2, header_as_payload: true, authorize_url: %[2]s, token_url: "http://127.0.0.2:%[3]s/token", scopes: [openid]}}
`, at.Host, c.idp.Authorize, at.Port()))
	c.attache = newAttache(t, setup{
		Attache: "vault sqlite {$VAULT}\n\t\tallow_address 127.0.0.1\n\t\tpublic_url " + c.base + "\n\t\tconnectors " + filepath.Join(dir, "connectors") + "\n\t\tagent local",
		Env:     []string{"VAULT=" + filepath.Join(dir, "vault.db")},
		Sites:   fmt.Sprintf("http://:%d {\n\tbind 127.0.0.1\n\tlog\n\tattache_admin\n}", port),
	})
	r := c.command("admin", "token", "create", "--name", "test", "--role", "admin", "--config", c.Caddyfile)
	if c.token = strings.TrimSpace(r.Stdout); c.token == "" {
		t.Fatalf("admin token create: %v", r)
	}
	c.secrets = []string{c.token, c.idp.Secrets["basic"]}
	c.api("POST", "/apps", `{"connector":"files","mode":"managed","client_id":"basic","secrets":{"client_secret":"`+c.idp.Secrets["basic"]+`"},"redirect_uris":["http://localhost:1/back"]}`, 201)
	c.api("POST", "/apps", `{"connector":"inside","mode":"managed","client_id":"basic","secrets":{"client_secret":"`+c.idp.Secrets["basic"]+`"}}`, 201)
	c.agent = fmt.Sprint(c.api("POST", "/agents", `{"name":"research"}`, 201)["token"])
	return c
}

// api calls the REST API and wants a status.
func (c *connecting) api(method, path, body string, want int) map[string]any {
	c.t.Helper()
	req, err := http.NewRequest(method, c.base+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, _ := io.ReadAll(res.Body)
	if res.StatusCode != want {
		c.t.Fatalf("%s %s = %s, want %d: %s", method, path, res.Status, want, raw)
	}
	var m map[string]any
	_ = json.Unmarshal(raw, &m)
	return m
}

// account makes an account that waits, granted to the agent.
func (c *connecting) account(name string) string {
	c.t.Helper()
	id := fmt.Sprint(c.api("POST", "/accounts", `{"connector":"files","option":"oauth","name":"`+name+`"}`, 201)["id"])
	agents, _ := c.api("GET", "/agents", "", 200)["items"].([]any)
	for _, a := range agents {
		if m := a.(map[string]any); m["name"] == "research" {
			c.api("POST", fmt.Sprintf("/agents/%s/grants", m["id"]), `{"account_id":"`+id+`","scopes":["read"]}`, 201)
		}
	}
	return id
}

// call is the agent's, through the proxy.
func (c *connecting) call(account, path string) (int, http.Header, map[string]any) {
	c.t.Helper()
	req, err := http.NewRequest("GET", c.URL+"/files:"+account+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.agent)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	var m map[string]any
	_ = json.NewDecoder(res.Body).Decode(&m)
	return res.StatusCode, res.Header, m
}

// wantCall checks whose account answered.
func (c *connecting) wantCall(account, sub string) {
	c.t.Helper()
	if status, _, m := c.call(account, "/api/whoami"); status != 200 || m["sub"] != sub {
		c.t.Errorf("the agent's call with %s = %d %v, want 200 as %s", account, status, m, sub)
	}
}

// through sends a person to an authorization URL, and back to where the provider
// sends them.
func (c *connecting) through(p *person, at string) (*http.Response, string) {
	c.t.Helper()
	u, _ := url.Parse(at)
	c.secrets = append(c.secrets, u.Query().Get("state"))
	back, text := p.approve(at)
	if back == nil {
		c.t.Fatalf("the provider keeps %s at %s", p.Name, clip(text))
	}
	c.secrets = append(c.secrets, back.Query().Get("code"))
	return p.send(back, nil)
}

// begin opens a page of ours, sends its form, and returns where it leads on to.
func (c *connecting) begin(p *person, link string) string {
	c.t.Helper()
	if res, text := p.send(mustURL(c.t, link), nil); res.StatusCode != 200 || !strings.Contains(text, "Continue to Files") {
		c.t.Fatalf("GET %s = %s\n%s", link, res.Status, clip(text))
	}
	_, text := p.send(mustURL(c.t, link), url.Values{"option": {"oauth"}})
	m := regexp.MustCompile(`content="0; url=([^"]+)"`).FindStringSubmatch(text)
	if m == nil {
		c.t.Fatalf("the page leads nowhere:\n%s", clip(text))
	}
	return strings.NewReplacer("&amp;", "&", "&#43;", "+").Replace(m[1])
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// A person connects accounts in every way, at a certified provider; the agent's
// calls work from then on; disconnecting ends them there, too. No secret of it
// stands in a log.
func TestConnectAtOIDCProvider(t *testing.T) {
	integration(t)
	c := newConnecting(t)

	t.Run("pop-up", func(t *testing.T) {
		id := c.account("work")
		status, h, m := c.call("work", "/api/whoami")
		if status != 403 || h.Get("Attache-Error") != "account_not_connected" || m["connect_url"] != c.base+"/connect/"+id {
			t.Fatalf("before: %d %v %v", status, h, m)
		}
		a := c.api("POST", "/accounts/"+id+"/authorize", "", 200)
		res, text := c.through(newPerson(t, "ann"), fmt.Sprint(a["authorization_url"]))
		if res.StatusCode != 200 || !strings.Contains(text, "Files is connected") {
			t.Fatalf("the callback = %s\n%s", res.Status, clip(text))
		}
		c.wantCall("work", "ann")
		if s := c.api("GET", "/connect/sessions/"+fmt.Sprint(a["session_id"]), "", 200); s["status"] != "done" {
			t.Errorf("session = %v", s)
		}
		// A 403 for want of a scope is the service's own, with our link beside it.
		status, h, m = c.call("work", "/api/needs/write")
		link := h.Get("Attache-Connect-Url")
		if status != 403 || h.Get("Attache-Error") != "insufficient_scope" || m["error"] != "insufficient_scope" || !strings.Contains(h.Get("WWW-Authenticate"), `scope="write"`) || !strings.HasPrefix(link, c.base+"/connect/"+id+"?more=") {
			t.Fatalf("a scope is missing: %d %v %v", status, h, m)
		}
		// Somebody else cannot approve it into the account, its owner can.
		if res, text := c.throughLink(newPerson(t, "mallory"), link); res.StatusCode != 409 || !strings.Contains(text, "somebody else") {
			t.Errorf("mallory: %s\n%s", res.Status, clip(text))
		}
		c.wantCall("work", "ann")
		if res, text := c.throughLink(newPerson(t, "ann"), link); res.StatusCode != 200 {
			t.Errorf("ann: %s\n%s", res.Status, clip(text))
		}
		if status, _, m := c.call("work", "/api/needs/write"); status != 200 {
			t.Errorf("after the scope was approved: %d %v", status, m)
		}
		// Disconnected here and there.
		token := c.sealed(id)
		before := c.idp.Events(t).RevokedFamilies
		if r := c.api("POST", "/accounts/"+id+"/revoke", "", 200); r["at_service"] != "revoked" || r["state"] != "revoked" {
			t.Errorf("revoke = %v", r)
		}
		if n := c.idp.Events(t).RevokedFamilies - before; n != 1 {
			t.Errorf("revoking ended %d families at the provider, want 1", n)
		}
		status, h, m = c.call("work", "/api/whoami")
		if status != 403 || h.Get("Attache-Error") != "account_revoked" || m["connect_url"] != nil {
			t.Errorf("after revoking: %d %v %v", status, h, m)
		}
		if token == 0 {
			t.Error("the account had no sealed token: the test does not test")
		}
	})

	t.Run("agent's link", func(t *testing.T) {
		c.account("given")
		_, _, m := c.call("given", "/api/whoami")
		p := newPerson(t, "bob")
		if res, text := c.throughLink(p, fmt.Sprint(m["connect_url"])); res.StatusCode != 200 || !strings.Contains(text, "connected as bob") {
			t.Fatalf("bob: %s\n%s", res.Status, clip(text))
		}
		c.wantCall("given", "bob")
	})

	t.Run("operator's link", func(t *testing.T) {
		id := c.account("linked")
		link := fmt.Sprint(c.api("POST", "/connect/sessions", `{"account_id":"`+id+`","option":"oauth"}`, 201)["url"])
		c.secrets = append(c.secrets, link[strings.LastIndex(link, "/")+1:])
		no := newPerson(t, "carl")
		no.Deny = true
		if res, text := c.throughLink(no, link); res.StatusCode != 422 || !strings.Contains(text, "Try again") {
			t.Errorf("carl says no: %s\n%s", res.Status, clip(text))
		}
		if res, text := c.throughLink(newPerson(t, "carl"), link); res.StatusCode != 200 {
			t.Errorf("carl: %s\n%s", res.Status, clip(text))
		}
		c.wantCall("linked", "carl")
	})

	t.Run("device code", func(t *testing.T) {
		id := c.account("device")
		a := c.api("POST", "/accounts/"+id+"/authorize", `{"option":"device"}`, 200)
		if a["flow"] != "device_code" || a["interval"] != 1.0 {
			t.Errorf("authorize = %v", a)
		}
		if _, text := newPerson(t, "dora").approve(fmt.Sprint(a["verification_uri_complete"])); !strings.Contains(text, "Success") {
			t.Fatalf("the device's page ends with %s", clip(text))
		}
		waitFor(t, "the session to be done", func() bool {
			return c.api("GET", "/connect/sessions/"+fmt.Sprint(a["session_id"]), "", 200)["status"] == "done"
		})
		c.wantCall("device", "dora")
		if n := c.idp.Events(t).Refused["slow_down"]; n != 0 {
			t.Errorf("the provider said slow_down %d times", n)
		}
		// Denied.
		a = c.api("POST", "/accounts/"+c.account("device-denied")+"/authorize", `{"option":"device"}`, 200)
		no := newPerson(t, "dora")
		no.Deny = true
		no.approve(fmt.Sprint(a["verification_uri_complete"]))
		waitFor(t, "the session to fail", func() bool {
			s := c.api("GET", "/connect/sessions/"+fmt.Sprint(a["session_id"]), "", 200)
			e, _ := s["error"].(map[string]any)
			return s["status"] == "failed" && e["code"] == "AUTHORIZATION_DENIED"
		})
	})

	t.Run("exchange", func(t *testing.T) {
		id := c.account("own-callback")
		a := c.api("POST", "/accounts/"+id+"/authorize", `{"redirect_uri":"http://localhost:1/back"}`, 200)
		back, _ := newPerson(t, "emma").approve(fmt.Sprint(a["authorization_url"]))
		if back == nil || back.Host != "localhost:1" {
			t.Fatalf("the provider sends to %v", back)
		}
		params := map[string]string{}
		for name := range back.Query() {
			params[name] = back.Query().Get(name)
		}
		c.secrets = append(c.secrets, params["code"], params["state"])
		body, _ := json.Marshal(map[string]any{"session_id": a["session_id"], "params": params})
		if r := c.api("POST", "/accounts/"+id+"/exchange", string(body), 200); r["state"] != "active" {
			t.Errorf("exchange = %v", r)
		}
		c.wantCall("own-callback", "emma")
		c.api("POST", "/accounts/"+id+"/exchange", string(body), 400) // the state was used
	})

	t.Run("endpoints that are not for us", func(t *testing.T) {
		id := fmt.Sprint(c.api("POST", "/accounts", `{"connector":"inside","name":"x"}`, 201)["id"])
		a := c.api("POST", "/accounts/"+id+"/authorize", "", 200)
		res, text := c.through(newPerson(t, "finn"), fmt.Sprint(a["authorization_url"]))
		if res.StatusCode != 502 || !strings.Contains(text, "127.0.0.2") {
			t.Errorf("a token endpoint at a private address: %s\n%s", res.Status, clip(text))
		}
	})

	t.Run("dashboard", func(t *testing.T) {
		r := client{}.run(t, "curl", "-sS", "-i", c.base+"/ui/")
		if !strings.Contains(r.Stdout, "200 OK") || !strings.Contains(r.Stdout, "app.js") {
			t.Errorf("%v", r)
		}
	})

	time.Sleep(200 * time.Millisecond)
	c.stop()
	log := c.Log.String()
	if !strings.Contains(log, `"level":"debug"`) || !strings.Contains(log, "/api/v1/accounts") {
		t.Error("the log does not show what it should: the test does not test")
	}
	if len(c.secrets) < 12 {
		t.Errorf("only %d secrets were kept", len(c.secrets))
	}
	for line := range strings.Lines(log) {
		for _, s := range c.secrets {
			if s != "" && strings.Contains(line, s) {
				t.Errorf("the log holds %.8s…: %s", s, clip(line))
			}
		}
		for _, path := range []string{"/connect/ats_", "code=", "state="} {
			if strings.Contains(line, path) {
				t.Errorf("the log has %s: %s", path, clip(line))
			}
		}
	}
}

// throughLink opens a connect page and goes on through the provider.
func (c *connecting) throughLink(p *person, link string) (*http.Response, string) {
	c.t.Helper()
	return c.through(p, c.begin(p, link))
}

// sealed counts an account's secrets.
func (c *connecting) sealed(id string) int {
	l, _ := c.api("GET", "/accounts/"+id, "", 200)["secrets"].([]any)
	return len(l)
}
