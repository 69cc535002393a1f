package integration_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// Two replicas, real processes, on one real PostgreSQL, worked with as an operator
// does: a token from the command line, then the REST API of one of them.

const replicaToken = "svc-token-of-replicas-1"

type vaultReplica struct {
	*attache
	admin string // base URL of the API
	token string // of it
	svc   *service
}

func newVaultReplicas(t *testing.T, more ...string) (both [2]*vaultReplica, server *vaulttest.Server, api func(method, path, body string) (int, map[string]any)) {
	t.Helper()
	integration(t)
	server, err := vaulttest.StartPostgres()
	if err != nil {
		missing(t, err.Error())
	}
	t.Cleanup(server.Stop)
	svc := newPlainService(t, requires(bearer(replicaToken), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })))
	key, dir := vault.NewKey().Reveal(), t.TempDir()
	writeFile(t, dir+"/svc.yaml", `key: svc
hosts: [svc.test]
auth: {token: {type: credentials, fields: {token: {title: Token, secret: true}}, sign: bearer}}
test: {get: /, expect: 200}
`)
	for i := range both {
		port := freePort(t)
		both[i] = &vaultReplica{admin: fmt.Sprintf("http://127.0.0.1:%d/api/v1", port), attache: newAttache(t, setup{
			Attache: strings.Join(more, "\n\t\t") + `
		vault postgres {env.DATABASE_URL}
		key {env.KEY}
		connectors ` + dir + `
		connector svc {
			upstream ` + svc.URL + `
		}
		agent local`,
			Listener: "unmatched deny",
			Env:      []string{"KEY=" + key, "DATABASE_URL=" + server.URL("postgres")},
			Sites:    fmt.Sprintf("http://:%d {\n\tbind 127.0.0.1\n\tattache_admin\n}", port),
		})}
	}
	r := both[0].command("admin", "token", "create", "--config", both[0].Caddyfile, "--name", "ops", "--role", "admin")
	token := strings.TrimSpace(r.Stdout)
	if r.Code != 0 || !vault.LooksLikeAdminToken(token) || strings.Count(r.Stdout, "\n") != 1 {
		t.Fatalf("attache admin token create: %v, want a token alone", r)
	}
	for _, b := range both {
		b.token, b.svc = token, svc
	}
	return both, server, func(method, path, body string) (int, map[string]any) {
		t.Helper()
		return callAPI(t, token, method, both[0].admin+path, body)
	}
}

func callAPI(t testing.TB, token, method, url, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer res.Body.Close()
	var m map[string]any
	b, _ := io.ReadAll(res.Body)
	_ = json.Unmarshal(b, &m)
	return res.StatusCode, m
}

// tunnel is one CONNECT that stays open.
type tunnel struct {
	t      *testing.T
	client *http.Client
	reused bool // the last request went through the connection of the one before
}

func openTunnel(t *testing.T, a *attache, agent, token string) *tunnel {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(readFile(t, a.CA)))
	proxy, _ := url.Parse(fmt.Sprintf("http://%s:%s@%s", agent, token, a.Addr))
	tr := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true} // a refusal ends a connection of HTTP/1
	t.Cleanup(tr.CloseIdleConnections)
	return &tunnel{t: t, client: &http.Client{Transport: tr, Timeout: 10 * time.Second}}
}

// get is the status of a request through the tunnel, and the code of our refusal.
func (x *tunnel) get() (status int, code string) {
	x.t.Helper()
	req, _ := http.NewRequest("GET", "https://svc.test/", nil)
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { x.reused = i.Reused }}))
	res, err := x.client.Do(req)
	if err != nil {
		x.t.Fatal(err)
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header.Get("Attache-Error")
}

// TestReplicasHearOfChanges: a change holds on the next request of the replica
// that was told, and within a second on the other one, in tunnels that are open.
func TestReplicasHearOfChanges(t *testing.T) {
	both, _, api := newVaultReplicas(t)
	want := func(status int, method, path, body string) map[string]any {
		t.Helper()
		got, m := api(method, path, body)
		if got != status {
			t.Fatalf("%s %s %s = %d %v, want %d", method, path, body, got, m, status)
		}
		return m
	}
	acct := want(201, "POST", "/accounts", `{"connector":"svc","name":"main","identifier":"ann","identifier_type":"user","credentials":{"token":"`+replicaToken+`"}}`)
	agent := want(201, "POST", "/agents", `{"name":"research"}`)
	id, agentID, token := fmt.Sprint(acct["id"]), fmt.Sprint(agent["id"]), fmt.Sprint(agent["token"])
	grant := want(201, "POST", "/agents/"+agentID+"/grants", `{"account_id":"`+id+`","scopes":["read"]}`)

	here, there := openTunnel(t, both[0].attache, "research", token), openTunnel(t, both[1].attache, "research", token)
	var slowest time.Duration
	hold := func(what string, status int, code string) {
		t.Helper()
		began := time.Now()
		if s, c := here.get(); s != status || c != code {
			t.Errorf("%s: the next request = %d %q, want %d %q", what, s, c, status, code)
		}
		var s int
		var c string
		for s, c = there.get(); (s != status || c != code) && time.Since(began) < 3*time.Second; s, c = there.get() {
			time.Sleep(5 * time.Millisecond)
		}
		took := time.Since(began)
		slowest = max(slowest, took)
		if s != status || c != code || took > time.Second {
			t.Errorf("%s: on the other replica %d %q after %v, want %d %q within a second", what, s, c, took, status, code)
		}
	}
	hold("granted", 200, "")
	want(200, "POST", "/accounts/"+id+"/suspend", "")
	hold("suspended", 403, "account_suspended")
	want(200, "POST", "/accounts/"+id+"/resume", "")
	hold("resumed", 200, "")
	if !here.reused || !there.reused {
		t.Error("the tunnels were opened anew: the test shows nothing of open ones")
	}
	want(200, "PUT", "/agents/"+agentID+"/connectors", `{"connectors":["github"]}`)
	hold("kept from the connector", 403, "not_permitted")
	want(200, "PUT", "/agents/"+agentID+"/connectors", `{"connectors":null}`)
	hold("allowed it again", 200, "")
	want(200, "PATCH", "/accounts/"+id, `{"settings":{"rate_limit":1}}`)
	here.get()
	hold("limited", 429, "rate_limited")
	want(200, "PATCH", "/accounts/"+id, `{"settings":{"rate_limit":0}}`)
	hold("not limited", 200, "")
	want(204, "DELETE", "/agents/"+agentID+"/grants/"+fmt.Sprint(grant["id"]), "")
	hold("grant deleted", 403, "not_permitted")
	want(201, "POST", "/agents/"+agentID+"/grants", `{"account_id":"`+id+`","scopes":["read"]}`)
	hold("granted again", 200, "")
	want(422, "PUT", "/accounts/"+id+"/credentials", `{"credentials":{"token":"wrong-token-wrong-token"}}`)
	hold("credentials that were not taken", 200, "")
	want(200, "PUT", "/accounts/"+id+"/credentials", `{"test":false,"credentials":{"token":"wrong-token-wrong-token"}}`)
	hold("wrong credentials", 401, "")
	want(200, "PUT", "/accounts/"+id+"/credentials", `{"credentials":{"token":"`+replicaToken+`"}}`)
	hold("right credentials", 200, "")
	want(200, "POST", "/accounts/"+id+"/revoke", "")
	hold("revoked", 403, "account_revoked")
	want(200, "PUT", "/accounts/"+id+"/credentials", `{"credentials":{"token":"`+replicaToken+`"}}`)
	hold("connected again", 200, "")
	// The agent goes, and with it what its open tunnels may do.
	want(200, "PATCH", "/agents/"+agentID, `{"disabled":true}`)
	hold("agent disabled", 407, "unknown_agent")
	t.Logf("the slowest change took %v to hold on both replicas", slowest.Round(time.Millisecond))
}

// TestPostgresAway: what is in memory goes on, the rest is a clear 503, and when
// the database is back all that happened meanwhile is there.
func TestPostgresAway(t *testing.T) {
	both, server, api := newVaultReplicas(t)
	_, acct := api("POST", "/accounts", `{"connector":"svc","name":"main","credentials":{"token":"`+replicaToken+`"}}`)
	_, agent := api("POST", "/agents", `{"name":"research"}`)
	_, other := api("POST", "/agents", `{"name":"other"}`)
	id := fmt.Sprint(acct["id"])
	for _, a := range []map[string]any{agent, other} {
		if status, m := api("POST", "/agents/"+fmt.Sprint(a["id"])+"/grants", `{"account_id":"`+id+`","scopes":["read"]}`); status != 201 {
			t.Fatalf("granting = %d %v", status, m)
		}
	}
	known := openTunnel(t, both[0].attache, "research", fmt.Sprint(agent["token"]))
	unknown := openTunnel(t, both[0].attache, "other", fmt.Sprint(other["token"]))
	if s, c := known.get(); s != 200 {
		t.Fatalf("the first request = %d %q", s, c)
	}
	calls := 1
	server.Kill()
	began, slowest := time.Now(), time.Duration(0)
	for time.Since(began) < 8*time.Second {
		at := time.Now()
		if s, c := known.get(); s != 200 {
			t.Errorf("without the database, after %v, a request of an agent in memory = %d %q, want 200", time.Since(began), s, c)
			break
		}
		calls++
		slowest = max(slowest, time.Since(at))
		time.Sleep(20 * time.Millisecond)
	}
	if slowest > 3*time.Second {
		t.Errorf("without the database a request of an agent in memory took %v", slowest)
	}
	if s, c := unknownStatus(unknown); s != 503 || c != "vault_unavailable" {
		t.Errorf("without the database a request of an agent that is not in memory = %d %q, want 503 vault_unavailable", s, c)
	}
	if s, m := api("GET", "/accounts/"+id, ""); s != 503 || m["code"] != "VAULT_UNAVAILABLE" {
		t.Errorf("without the database the API answers %d %v, want 503 VAULT_UNAVAILABLE", s, m)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	var s int
	var m map[string]any
	for s, m = api("GET", "/accounts/"+id, ""); s != 200 && time.Since(began) < 20*time.Second; s, m = api("GET", "/accounts/"+id, "") {
		time.Sleep(100 * time.Millisecond)
	}
	if s != 200 || m["state"] != "active" {
		t.Fatalf("the database is back, and the API answers %d %v after %v", s, m, time.Since(began))
	}
	if s, c := unknownStatus(unknown); s != 200 {
		t.Errorf("the database is back: a request of the other agent = %d %q", s, c)
	}
	calls++
	counted := func() float64 {
		_, u := api("GET", "/accounts/"+id+"/usage", "")
		n, _ := u["calls"].(float64)
		return n
	}
	for end := time.Now().Add(15 * time.Second); counted() != float64(calls) && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
	}
	if got := counted(); got != float64(calls) {
		t.Errorf("%v calls are counted, of %d that were made: what happened meanwhile is lost", got, calls)
	}
	// The other replica hears again.
	there := openTunnel(t, both[1].attache, "research", fmt.Sprint(agent["token"]))
	if s, c := there.get(); s != 200 {
		t.Errorf("on the other replica = %d %q", s, c)
	}
	api("POST", "/accounts/"+id+"/suspend", "")
	changed := time.Now()
	for s, _ := there.get(); s != 403 && time.Since(changed) < 10*time.Second; s, _ = there.get() {
		time.Sleep(5 * time.Millisecond)
	}
	if took := time.Since(changed); took > time.Second {
		t.Errorf("after it was away, a change took %v to hold on the other replica", took)
	}
	t.Logf("%d calls; the slowest without the database took %v", calls, slowest.Round(time.Millisecond))
}

// unknownStatus is what another connection of the tunnel's agent gets, without
// CONNECT, whose refusal net/http turns into an error.
func unknownStatus(x *tunnel) (int, string) {
	x.t.Helper()
	plain := &http.Client{Transport: &http.Transport{Proxy: x.client.Transport.(*http.Transport).Proxy, DisableKeepAlives: true}, Timeout: 20 * time.Second}
	res, err := plain.Get("http://svc.test/")
	if err != nil {
		x.t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); bytes.Contains(b, []byte(replicaToken)) {
		x.t.Error("an answer holds the secret")
	}
	return res.StatusCode, res.Header.Get("Attache-Error")
}
