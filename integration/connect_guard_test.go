package integration_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// guarded is a proxy with a connector whose options lead to some endpoints, and
// an OAuth client with a secret that they must not get.
func guarded(t *testing.T, options, attache string, ca *authority) *connecting {
	t.Helper()
	port, dir := freePort(t), t.TempDir()
	c := &connecting{base: fmt.Sprintf("http://127.0.0.1:%d", port)}
	writeFile(t, filepath.Join(dir, "connectors", "svc.yaml"), "key: svc\nhosts: [api.test]\nauth:\n"+options)
	c.attache = newAttache(t, setup{
		Attache: "vault sqlite " + filepath.Join(dir, "vault.db") + "\n\t\tpublic_url " + c.base + "\n\t\tconnectors " + filepath.Join(dir, "connectors") + "\n\t\tagent local\n\t\t" + attache,
		Sites:   fmt.Sprintf("http://:%d {\n\tbind 127.0.0.1\n\tattache_admin\n}", port), Trust: []*authority{ca},
	})
	c.token = strings.TrimSpace(c.command("admin", "token", "create", "--name", "test", "--role", "admin", "--config", c.Caddyfile).Stdout)
	c.api("POST", "/apps", `{"connector":"svc","mode":"managed","client_id":"id","secrets":{"client_secret":"`+demoToken+`"}}`, 201)
	return c
}

// comeBack begins a pop-up for a new account and brings a code, as the service's
// redirect does. It returns the page, and the account and its session after that.
func (c *connecting) comeBack(option string) (page string, account, session map[string]any) {
	c.t.Helper()
	id := fmt.Sprint(c.api("POST", "/accounts", fmt.Sprintf(`{"connector":"svc","option":%q,"name":%q}`, option, option), 201)["id"])
	a := c.api("POST", "/accounts/"+id+"/authorize", "", 200)
	u, err := url.Parse(fmt.Sprint(a["authorization_url"]))
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := http.Get(c.base + "/oauth/callback?" + url.Values{"state": {u.Query().Get("state")}, "code": {"a-code"}}.Encode())
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.Status + "\n" + string(body), c.api("GET", "/accounts/"+id, "", 200), c.api("GET", "/connect/sessions/"+fmt.Sprint(a["session_id"]), "", 200)
}

// In connect flows too, the names of endpoints that lead to private addresses
// lead nowhere.
func TestConnectPrivateEndpoints(t *testing.T) {
	if !inWorld(t) {
		return
	}
	hosts := privateNames(newNames(t))
	trap := newTrap(t, 80, 443)
	var options strings.Builder
	for i, host := range hosts[:len(hosts)-1] {
		fmt.Fprintf(&options, "  code%d: {type: oauth2, authorize_url: 'https://login.test/a', token_url: 'https://%s/token'}\n", i, host)
		fmt.Fprintf(&options, "  device%d: {type: oauth2, grant_type: device_code, device_url: 'https://%s/device', token_url: 'https://%[2]s/token'}\n", i, host)
	}
	c := guarded(t, options.String(), "", newAuthority(t, "services"))
	for i, host := range hosts[:len(hosts)-1] {
		page, account, session := c.comeBack(fmt.Sprint("code", i))
		if e, _ := session["error"].(map[string]any); !strings.HasPrefix(page, "502") || account["state"] != "pending" || e["code"] != "AUTHORIZATION_FAILED" {
			t.Errorf("token_url at %s: %s\naccount %v, session %v", host, clip(page), account["state"], session)
		}
		id := fmt.Sprint(c.api("POST", "/accounts", fmt.Sprintf(`{"connector":"svc","option":"device%d","name":"d%[1]d"}`, i), 201)["id"])
		if p := c.api("POST", "/accounts/"+id+"/authorize", "", 502); p["code"] != "AUTHORIZATION_FAILED" {
			t.Errorf("device_url at %s: %v", host, p)
		}
		trap.check(t, "endpoints at "+host)
	}
}

// An address that the operator named is reached, and a redirect from there is
// not followed: it would carry the client's secret and the code along.
func TestConnectRedirectingEndpoints(t *testing.T) {
	if !inWorld(t) {
		return
	}
	n := newNames(t)
	n.set("inside.test", []string{privateIP})
	n.set("next.test", []string{privateIP})
	trap := newTrap(t, 80, 443)
	ca := newAuthority(t, "services")
	idp := serveAt(t, net.JoinHostPort(privateIP, "8443"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status int
		switch _, err := fmt.Sscanf(r.URL.Path, "/%d", &status); {
		case err == nil:
			http.Redirect(w, r, "https://next.test/token", status)
		default:
			answer(w, http.StatusOK, map[string]any{"access_token": "token-1", "token_type": "Bearer"})
		}
	}), ca, "inside.test")
	var options strings.Builder
	fmt.Fprintf(&options, "  good: {type: oauth2, authorize_url: 'https://login.test/a', token_url: 'https://inside.test:8443/token'}\n")
	statuses := []int{301, 302, 303, 307, 308}
	for _, status := range statuses {
		fmt.Fprintf(&options, "  code%d: {type: oauth2, authorize_url: 'https://login.test/a', token_url: 'https://inside.test:8443/%[1]d'}\n", status)
		fmt.Fprintf(&options, "  device%d: {type: oauth2, grant_type: device_code, device_url: 'https://inside.test:8443/%[1]d', token_url: 'https://inside.test:8443/token'}\n", status)
	}
	c := guarded(t, options.String(), "allow_address "+privateIP, ca)
	if page, account, _ := c.comeBack("good"); !strings.HasPrefix(page, "200") || account["state"] != "active" {
		t.Fatalf("an address that was named: %s\naccount %v", clip(page), account["state"])
	}
	for _, status := range statuses {
		page, account, session := c.comeBack(fmt.Sprint("code", status))
		if e, _ := session["error"].(map[string]any); !strings.HasPrefix(page, "502") || account["state"] != "pending" || e["code"] != "AUTHORIZATION_FAILED" {
			t.Errorf("a token endpoint that answers %d: %s\naccount %v, session %v", status, clip(page), account["state"], session)
		}
		id := fmt.Sprint(c.api("POST", "/accounts", fmt.Sprintf(`{"connector":"svc","option":"device%d","name":"d%[1]d"}`, status), 201)["id"])
		if p := c.api("POST", "/accounts/"+id+"/authorize", "", 502); p["code"] != "AUTHORIZATION_FAILED" {
			t.Errorf("a device endpoint that answers %d: %v", status, p)
		}
		trap.check(t, fmt.Sprintf("an endpoint that answers %d", status))
	}
	if got, want := len(idp.Requests()), 1+2*len(statuses); got != want {
		t.Errorf("%d requests reached the endpoints, want %d", got, want)
	}
}
