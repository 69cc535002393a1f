package integration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// minting is a vault with a connector whose tokens a client gets for itself. It has
// no test request.
type minting struct {
	*vaulted
	tokens     *tokenServer
	bot, token string
}

func newMinting(t testing.TB) *minting {
	t.Helper()
	integration(t)
	m := &minting{tokens: newTokenServer(t)}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "svc.yaml"), fmt.Sprintf("key: svc\nhosts: ['http://%s/api/']\nbase_url: %s\nauth:\n  oauth: {type: oauth2, grant_type: client_credentials, token_auth: post, token_url: '%s/token'}\n",
		strings.TrimPrefix(m.tokens.Service.URL, "http://"), m.tokens.Service.URL, m.tokens.Tokens.URL))
	m.vaulted = newVaulted(t, func(s *setup) { s.Attache += "\n\t\tconnectors " + dir })
	m.bot, m.token = m.agent(t, "bot")
	return m
}

// refuse makes the token endpoint refuse its client with a status, or take it again.
func (m *minting) refuse(status int) {
	m.tokens.mu.Lock()
	defer m.tokens.mu.Unlock()
	m.tokens.answer = nil
	if status != 0 {
		m.tokens.answer = func(w http.ResponseWriter, _ string) {
			answer(w, status, map[string]any{"error": "invalid_client", "error_description": "the secret is another one"})
		}
	}
}

// asked counts the token requests.
func (m *minting) asked() int { return len(m.tokens.Tokens.Requests()) }

func (m *minting) ask(t testing.TB) result {
	t.Helper()
	return m.curl(t, "-H", "Authorization: Bearer "+m.token, m.URL+"/svc/api/whoami")
}

// TestWrongClient: a client that the token endpoint refuses, by 401 or by 400, shows:
// when the account is made, and later in its state, its last error, its health and in
// what agents are told. It works again when the client is corrected.
func TestWrongClient(t *testing.T) {
	m := newMinting(t)
	app := m.call(t, 201, "POST", "/apps", map[string]any{"connector": "svc", "mode": "managed", "client_id": clientID, "secrets": map[string]string{"client_secret": "another"}})["id"].(string)
	make := map[string]any{"connector": "svc", "credentials": map[string]string{}}
	if p := m.call(t, 422, "POST", "/accounts", make); p["code"] != "CREDENTIALS_REJECTED" || !strings.Contains(fmt.Sprint(p["detail"]), "invalid_client") {
		t.Errorf("an account with a wrong client secret: %v", p)
	}
	right := func() {
		t.Helper()
		m.call(t, 200, "PATCH", "/apps/"+app, map[string]any{"secrets": map[string]string{"client_secret": clientSecret}})
	}
	right()
	acct := m.call(t, 201, "POST", "/accounts", make)["id"].(string)
	m.call(t, 201, "POST", "/agents/"+m.bot+"/grants", map[string]any{"account_id": acct, "scopes": []string{"read"}})
	for _, status := range []int{401, 400} {
		checkCurl(t, m.ask(t), authenticated+"\n200 1.1")
		m.refuse(status)
		if p := m.call(t, 409, "POST", "/accounts/"+acct+"/refresh", nil); p["code"] != "ACCOUNT_ERROR" || !strings.Contains(fmt.Sprint(p["detail"]), "the secret is another one") {
			t.Errorf("a refresh by hand after %d: %v", status, p)
		}
		a := m.call(t, 200, "GET", "/accounts/"+acct, nil)
		last, _ := a["last_error"].(map[string]any)
		if a["state"] != "error" || !strings.Contains(fmt.Sprint(last["error"]), "invalid_client") {
			t.Errorf("after %d the account is %v, last error %v", status, a["state"], last)
		}
		waitFor(t, "health", func() bool { // the audit is written in batches
			h := m.call(t, 200, "GET", "/accounts/"+acct+"/health", nil)
			n, _ := h["refresh_failures"].(float64)
			return n >= 1 && strings.Contains(fmt.Sprint(h["last_error"]), "invalid_client")
		})
		before := m.asked()
		told := m.ask(t)
		for _, want := range []string{"account_error", "invalid_client", "correct the OAuth client", "403"} {
			if !strings.Contains(told.Stdout, want) {
				t.Errorf("the agent is not told %q: %v", want, told)
			}
		}
		if n := m.asked() - before; n != 0 {
			t.Errorf("an account in error asked the token endpoint %d times", n)
		}
		m.refuse(0)
		right()
	}
	checkCurl(t, m.ask(t), authenticated+"\n200 1.1")
}

// TestNothingToTest: a test without a test request says so, asks for a token, and
// leaves the state alone.
func TestNothingToTest(t *testing.T) {
	m := newMinting(t)
	m.call(t, 201, "POST", "/apps", map[string]any{"connector": "svc", "mode": "managed", "client_id": clientID, "secrets": map[string]string{"client_secret": clientSecret}})
	pending := m.call(t, 201, "POST", "/accounts", map[string]any{"connector": "svc"})["id"].(string)
	before := m.asked()
	r := m.call(t, 200, "POST", "/accounts/"+pending+"/test", nil)
	if r["ok"] != nil || r["tested"] != false || r["obtained"] != true || r["state"] != "pending" || m.asked() != before+1 {
		t.Errorf("testing a pending account: %v after %d token requests; want no claim, one token, and pending", r, m.asked()-before)
	}
	m.refuse(401)
	r = m.call(t, 200, "POST", "/accounts/"+pending+"/test", nil)
	if r["ok"] != false || r["tested"] != false || r["state"] != "pending" || !strings.Contains(fmt.Sprint(r["error"]), "invalid_client") {
		t.Errorf("testing it with a client that is refused: %v", r)
	}
	m.refuse(0)
	active := m.call(t, 201, "POST", "/accounts", map[string]any{"connector": "svc", "name": "two", "credentials": map[string]string{}})
	if h := m.call(t, 200, "GET", "/accounts/"+active["id"].(string)+"/health", nil); h["auth_success_rate"] != nil || active["state"] != "active" {
		t.Errorf("an account that is %v and was not called accepted credentials at the rate %v, want null", active["state"], h["auth_success_rate"])
	}
	m.call(t, 200, "POST", "/accounts/"+active["id"].(string)+"/refresh", nil)
	waitFor(t, "the audit of the refresh", func() bool {
		events, _ := m.call(t, 200, "GET", "/audit?"+url.Values{"account_id": {active["id"].(string)}, "kind": {"refresh"}}.Encode(), nil)["items"].([]any)
		return strings.Contains(fmt.Sprint(events), "actor:test")
	})
}

// TestNamesBelow: at the host-name door what stands before the connector is a name of
// the service's own where its hosts are such, and an account elsewhere.
func TestNamesBelow(t *testing.T) {
	integration(t)
	s := newPlainService(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Host, r.URL.Path) }))
	dir := t.TempDir()
	for key, hosts := range map[string]string{"store": `[store.test, {host: "*.store.test", wildcard: vendor, reason: the test's own}]`, "plain": "[plain.test]"} {
		writeFile(t, filepath.Join(dir, key+".yaml"), "key: "+key+"\nhosts: "+hosts+"\nauth: {key: {type: credentials, fields: {key: {secret: true}}, sign: bearer}}\n")
	}
	use := func(key string) string {
		return fmt.Sprintf("connector %s {\n\tupstream %s\n\tuse key {\n\t\tkey {env.KEY}\n\t}\n}\n", key, s.URL)
	}
	a := newAttache(t, setup{Attache: "connectors " + dir + "\n" + use("store") + use("plain") + agentLocal("store", "plain"), Env: []string{"KEY=a-key-of-the-store"}})
	for host, want := range map[string]string{
		"store.localhost": "store.test /k", "bkt.store.localhost": "bkt.store.test /k", "BKT.Store.localhost": "bkt.store.test /k", "a.b.store.localhost": "a.b.store.test /k",
		"default.store.localhost": "default.store.test /k", "default.plain.localhost": "plain.test /k", "bkt.plain.localhost": `no account \"bkt\"`, "a.b.plain.localhost": `no account \"a.b\"`,
	} {
		if r := a.curl(t, "-H", "Host: "+host, a.URL+"/k"); !strings.Contains(r.Stdout, want) {
			t.Errorf("%s leads to %v, want %q", host, r, want)
		}
	}
}

// TestWebBotAuth: the package web-bot-auth lets an agent in by its signature, with the
// key that the directory of its Signature-Agent has.
func TestWebBotAuth(t *testing.T) {
	seen := make(chan http.Header, 8)
	s := newPlainService(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen <- r.Header.Clone() }))
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "bots.yaml"), "key: bots\nextends: http-message-signatures\nhosts: ['http://{fields.host}']\nbase_url: http://{fields.host}\n")
	v := newVaulted(t, func(st *setup) { st.Attache += "\n\t\tconnectors " + dir })
	bot, token := v.agent(t, "bot")
	host := strings.TrimPrefix(s.URL, "http://")
	for _, form := range []string{"string", "dictionary"} {
		acct := v.call(t, 201, "POST", "/accounts", map[string]any{"connector": "bots", "option": "web_bot_auth", "name": form, "credentials": map[string]string{
			"host": host, "private_key": "n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU=", "signature_agent": "https://agent.example", "form": form}})
		v.call(t, 201, "POST", "/agents/"+bot+"/grants", map[string]any{"account_id": acct["id"], "scopes": []string{"read"}})
		v.curl(t, "-H", "Authorization: Bearer "+token, v.URL+"/bots:"+form+"/page?a=1")
		var sent http.Header
		select {
		case sent = <-seen:
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: nothing reached the service", form)
		}
		res, err := http.Get(v.Public + "/.well-known/http-message-signatures-directory")
		if err != nil {
			t.Fatal(err)
		}
		var directory map[string]any
		err = json.NewDecoder(res.Body).Decode(&directory)
		res.Body.Close()
		if err != nil || res.Header.Get("Signature") == "" {
			t.Fatalf("the directory is %s, %v", res.Status, err)
		}
		message, _ := json.Marshal(map[string]any{"directory": directory, "request": map[string]any{"url": s.URL + "/page?a=1", "method": "GET", "headers": map[string]string{
			"Signature-Agent": sent.Get("Signature-Agent"), "Signature": sent.Get("Signature"), "Signature-Input": sent.Get("Signature-Input")}}})
		node := os.Getenv("ATTACHE_NODE_DIR")
		copyFile(t, filepath.Join("node", "webbotauth.mjs"), filepath.Join(node, "webbotauth.mjs"))
		r := client{Dir: node, Env: cleanEnv(t.TempDir()), Stdin: string(message)}.run(t, "node", "webbotauth.mjs")
		if !strings.Contains(r.Stdout, `{"keyid":"poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U"}`) {
			t.Errorf("%s: web-bot-auth says %v of %v", form, r, sent)
		}
	}
}
