package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// asking is two replicas on PostgreSQL and Redis, and an agent with rules that ask.
type asking struct {
	t     *testing.T
	both  [2]*vaultReplica
	agent string // its token
	id    string
	grant string
	doors map[string]func(r *vaultReplica) (*http.Client, string)
}

const approvalCanary = "canary-of-approvals-7d1f"

func newAsking(t *testing.T) *asking {
	t.Helper()
	redis := startRedis(t)
	both, _, api := newVaultReplicas(t, "cache redis redis://"+redis.Addr)
	a := &asking{t: t, both: both}
	want := func(status int, method, path, body string) map[string]any {
		t.Helper()
		got, m := api(method, path, body)
		if got != status {
			t.Fatalf("%s %s %s = %d %v, want %d", method, path, body, got, m, status)
		}
		return m
	}
	acct := want(201, "POST", "/accounts", `{"connector":"svc","name":"main","credentials":{"token":"`+replicaToken+`"}}`)
	agent := want(201, "POST", "/agents", `{"name":"research"}`)
	a.id, a.agent = fmt.Sprint(agent["id"]), fmt.Sprint(agent["token"])
	grant := want(201, "POST", "/agents/"+a.id+"/grants", fmt.Sprintf(`{"account_id":%q,"scopes":["read","write"],"operations":["ask POST /held/** wait 2m","ask POST /later/** nowait","ask POST /short/** wait 1s","allow read"]}`, acct["id"]))
	a.grant = fmt.Sprint(grant["id"])
	plain := &http.Client{Timeout: time.Minute}
	a.doors = map[string]func(r *vaultReplica) (*http.Client, string){
		"base URL": func(r *vaultReplica) (*http.Client, string) { return plain, r.URL + "/svc" },
		"host name": func(r *vaultReplica) (*http.Client, string) {
			dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, r.Addr)
			}
			return &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: dial}}, "http://svc.localhost:" + r.Addr[strings.LastIndex(r.Addr, ":")+1:]
		},
		"forward": func(r *vaultReplica) (*http.Client, string) {
			proxy, _ := url.Parse("http://research:" + a.agent + "@" + r.Addr)
			return &http.Client{Timeout: time.Minute, Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}, "http://svc.test"
		},
		"tunnel": func(r *vaultReplica) (*http.Client, string) {
			c := openTunnel(t, r.attache, "research", a.agent).client
			return &http.Client{Timeout: time.Minute, Transport: c.Transport}, "https://svc.test"
		},
	}
	return a
}

// reply is what the agent got.
type reply struct {
	status int
	body   map[string]any
	header http.Header
	err    error
}

func (r reply) code() string { return fmt.Sprint(r.body["code"]) }

// send sends as the agent.
func (a *asking) send(ctx context.Context, c *http.Client, method, url, body string) (r reply) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return reply{err: err}
	}
	if !strings.Contains(url, "svc.test") {
		req.Header.Set("Authorization", "Bearer "+a.agent)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	r = reply{status: res.StatusCode, header: res.Header}
	_ = json.Unmarshal(text, &r.body)
	return r
}

func (a *asking) answer(at int, id, what, body string) map[string]any {
	a.t.Helper()
	status, m := callAPI(a.t, a.both[at].token, "POST", a.both[at].admin+"/approvals/"+id+"/"+what, body)
	if status != 200 {
		a.t.Fatalf("%s of %s = %d %v", what, id, status, m)
	}
	return m
}

// came counts the requests that the service got.
func (a *asking) came(path string) (n int) {
	s := a.both[0].svc
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.seen {
		if strings.HasPrefix(r.URI, path) {
			n++
		}
	}
	return n
}

// TestApprovals: held at one replica and answered at the other, through every door; exactly
// once after a yes, whoever repeats it how often; and no in every other case.
func TestApprovals(t *testing.T) {
	a := newAsking(t)
	ctx := t.Context()
	body := `{"text":"` + approvalCanary + `"}`
	n := 0
	for door, at := range a.doors {
		from, to := n%2, 1-n%2
		n++
		c, base := at(a.both[from])
		path := "/held/" + strings.ReplaceAll(door, " ", "-")
		done := make(chan reply, 1)
		go func() {
			r := a.send(ctx, c, "POST", base+path, body)
			if r.status != 200 {
				t.Errorf("%s: %+v", door, r)
			}
			done <- r
		}()
		id := a.openAt(to, path)
		if a.came(path) != 0 {
			t.Errorf("%s: it was sent before anybody answered", door)
		}
		if _, m := callAPI(t, a.both[to].token, "GET", a.both[to].admin+"/approvals/"+id, ""); m["preview"].(map[string]any)["body"] != body || m["agent"] != "research" || !strings.HasSuffix(fmt.Sprint(m["url"]), path) {
			t.Errorf("%s: the person sees %v", door, m)
		}
		a.answer(to, id, "approve", `{"scope":"once"}`)
		if r := <-done; r.err != nil || r.status != 200 || a.came(path) != 1 {
			t.Errorf("%s: after a yes: %+v, %d came", door, r, a.came(path))
		}
	}

	c, base := a.doors["base URL"](a.both[0])
	_, other := a.doors["base URL"](a.both[1])
	t.Run("proposed", func(t *testing.T) { a.proposed(t, c, base, other) })
	t.Run("once", func(t *testing.T) {
		r := a.send(ctx, c, "POST", base+"/later/x", body)
		id := fmt.Sprint(r.body["approval"])
		if r.status != 403 || r.code() != "approval_pending" || r.header.Get("Retry-After") == "" || !strings.HasPrefix(id, "apr_") {
			t.Fatalf("%+v", r)
		}
		if r := a.send(ctx, c, "GET", a.both[1].URL+"/.well-known/attache/approvals/"+id, ""); r.body["state"] != "pending" {
			t.Errorf("how it stands: %+v", r)
		}
		_, stranger := callAPI(t, a.both[0].token, "POST", a.both[0].admin+"/agents", `{"name":"stranger"}`)
		was := a.agent
		a.agent = fmt.Sprint(stranger["token"])
		if r := a.send(ctx, c, "GET", a.both[0].URL+"/.well-known/attache/approvals/"+id, ""); r.status != 404 {
			t.Errorf("another agent's: %+v", r)
		}
		a.agent = was
		a.answer(1, id, "approve", `{}`)
		if r := a.send(ctx, c, "POST", base+"/later/x", body+" "); r.status != 403 {
			t.Errorf("another body after the yes: %+v", r)
		}
		var mu sync.Mutex
		codes := map[string]int{}
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				at := base
				if i%2 == 1 {
					at = other
				}
				r := a.send(ctx, c, "POST", at+"/later/x", body)
				mu.Lock()
				defer mu.Unlock()
				codes[fmt.Sprint(r.status, " ", r.body["code"])]++
			})
		}
		all.Wait()
		if a.came("/later/x") != 1 || codes["200 <nil>"] != 1 {
			t.Errorf("%d came: %v", a.came("/later/x"), codes)
		}
	})

	t.Run("no", func(t *testing.T) {
		done := make(chan reply, 1)
		go func() { done <- a.send(ctx, c, "POST", base+"/held/no", body) }()
		a.answer(1, a.openAt(1, "/held/no"), "deny", `{"reason":"not on a Friday"}`)
		if r := <-done; r.code() != "approval_denied" || !strings.Contains(fmt.Sprint(r.body["detail"]), "not on a Friday") {
			t.Errorf("denied: %+v", r)
		}
		if r := a.send(ctx, c, "POST", other+"/held/no", body); r.code() != "approval_denied" {
			t.Errorf("again, at the other one: %+v", r)
		}
		if r := a.send(ctx, c, "POST", base+"/short/x", body); r.code() != "approval_pending" {
			t.Errorf("the wait ends: %+v", r)
		}

		leaving, hangUp := context.WithCancel(ctx)
		go func() { done <- a.send(leaving, c, "POST", base+"/held/hangs-up", body) }()
		id := a.openAt(1, "/held/hangs-up")
		hangUp()
		<-done
		waitFor(t, "the question to be withdrawn", func() bool {
			_, m := callAPI(t, a.both[1].token, "GET", a.both[1].admin+"/approvals/"+id, "")
			return m["state"] == "withdrawn"
		})
	})

	t.Run("command line", func(t *testing.T) {
		done := make(chan reply, 1)
		go func() { done <- a.send(ctx, c, "POST", base+"/held/cli", body) }()
		id := a.openAt(1, "/held/cli")
		at := []string{"--admin", strings.TrimSuffix(a.both[1].admin, "/api/v1"), "--token-file", t.TempDir() + "/token"}
		writeFile(t, at[3], a.both[1].token)
		list := a.both[1].command(append([]string{"approvals", "list", "--state", "pending"}, at...)...)
		if list.Code != 0 || !strings.Contains(list.Stdout, id) || strings.Contains(list.Stdout, approvalCanary) {
			t.Errorf("list: %v", list)
		}
		show := a.both[1].command(append([]string{"approvals", "show", id}, at...)...)
		if show.Code != 0 || !strings.Contains(show.Stdout, approvalCanary) || strings.Contains(show.Stdout, a.agent) {
			t.Errorf("show: %v", show)
		}
		if r := a.both[1].command(append([]string{"approvals", "approve", id, "--for", "nonsense"}, at...)...); r.Code == 0 {
			t.Errorf("a scope that there is not: %v", r)
		}
		if r := a.both[1].command(append([]string{"approvals", "approve", id}, at...)...); r.Code != 0 || !strings.Contains(r.Stdout, "is approved once") {
			t.Errorf("approve: %v", r)
		}
		if r := <-done; r.status != 200 {
			t.Errorf("%+v", r)
		}
		if r := a.both[1].command(append([]string{"approvals", "deny", id}, at...)...); r.Code == 0 || !strings.Contains(r.Stderr, "used") {
			t.Errorf("a second answer: %v", r)
		}
	})

	t.Run("reload", func(t *testing.T) {
		done := make(chan reply, 1)
		go func() { done <- a.send(ctx, c, "POST", base+"/held/reload", body) }()
		id := a.openAt(0, "/held/reload")
		s := a.both[0].s
		s.Attache += "\n\t\tagent another"
		if !a.both[0].reload(s) {
			t.Fatal("the configuration is refused")
		}
		if r := <-done; r.code() != "approval_pending" || r.body["approval"] != id {
			t.Errorf("what waited: %+v", r)
		}
		a.answer(0, id, "approve", `{}`)
		if r := a.send(ctx, c, "POST", base+"/held/reload", body); r.status != 200 || a.came("/held/reload") != 1 {
			t.Errorf("after a yes: %+v", r)
		}
	})

	// A grant that is taken away has the last word.
	t.Run("revoked", func(t *testing.T) {
		done := make(chan reply, 1)
		go func() { done <- a.send(ctx, c, "POST", base+"/held/revoked", body) }()
		id := a.openAt(1, "/held/revoked")
		if status, m := callAPI(t, a.both[1].token, "DELETE", a.both[1].admin+"/agents/"+a.id+"/grants/"+a.grant, ""); status != 204 {
			t.Fatal(status, m)
		}
		_, _ = callAPI(t, a.both[1].token, "POST", a.both[1].admin+"/approvals/"+id+"/approve", `{}`)
		if r := <-done; r.status != 403 || r.code() != "not_permitted" {
			t.Errorf("held when the grant ended: %+v", r)
		}
		if a.came("/held/revoked") != 0 {
			t.Error("a yes beats a grant that was taken away")
		}
	})

	for i, r := range a.both {
		if log := r.Log.String(); strings.Contains(log, approvalCanary) || bytes.Contains([]byte(log), []byte(a.agent)) {
			t.Errorf("replica %d logs what is in requests", i)
		}
		if i == 0 && !strings.Contains(r.Log.String(), `"approval":"apr_`) && !strings.Contains(r.Log.String(), `"approval": "apr_`) {
			t.Error("the audit has no handle")
		}
	}
}

// openAt waits until a request for a path asks, among others that are open.
func (a *asking) openAt(at int, path string) (id string) {
	a.t.Helper()
	waitFor(a.t, "somebody to be asked about "+path, func() bool {
		_, m := callAPI(a.t, a.both[at].token, "GET", a.both[at].admin+"/approvals?state=pending", "")
		items, _ := m["items"].([]any)
		for _, x := range items {
			if x := x.(map[string]any); strings.HasSuffix(fmt.Sprint(x["url"]), path) {
				id = fmt.Sprint(x["id"])
			}
		}
		return id != ""
	})
	return id
}

// proposed is an agent that wants a rule: nothing changes until a person accepts it, at
// either replica; what is for more than was refused cannot be proposed.
func (a *asking) proposed(t *testing.T, c *http.Client, base, other string) {
	ctx, at := t.Context(), "/.well-known/attache/proposals"
	refused := a.send(ctx, c, "POST", base+"/wanted/x", "{}")
	proposal, _ := refused.body["proposal"].(map[string]any)
	if refused.code() != "operation_denied" || proposal["rule"] != "allow POST /wanted/x" || proposal["connector"] != "svc" {
		t.Fatalf("%+v", refused)
	}
	for what, body := range map[string]string{
		"a wider rule": `{"rule":"allow POST /wanted/**","connector":"svc"}`, "everything": `{"rule":"allow *","connector":"svc"}`, "a service of another": `{"rule":"allow POST /wanted/x","connector":"slack"}`,
		"what is allowed": `{"rule":"allow GET /x","connector":"svc"}`, "what is asked about": `{"rule":"allow POST /later/y","connector":"svc"}`, "another member": `{"rule":"allow POST /wanted/x","connector":"svc","by":"kim"}`,
		"a long reason": `{"rule":"allow POST /wanted/x","connector":"svc","reason":"` + strings.Repeat("x", 501) + `"}`, "nothing": "",
	} {
		if r := a.send(ctx, c, "POST", a.both[0].URL+at, body); r.status < 400 || r.header.Get("Attache-Error") == "" {
			t.Errorf("%s is filed: %+v", what, r)
		}
	}
	proposal["reason"] = "the task says so " + approvalCanary
	text, _ := json.Marshal(proposal)
	r := a.send(ctx, c, "POST", a.both[0].URL+at, string(text))
	id := fmt.Sprint(r.body["approval"])
	if r.status != 202 || r.body["state"] != "pending" || r.body["rule"] != "allow POST /wanted/x" || r.header.Get("Location") != at+"/"+id {
		t.Fatalf("%+v", r)
	}
	if again := a.send(ctx, c, "POST", a.both[1].URL+at, string(text)); fmt.Sprint(again.body["approval"]) != id {
		t.Errorf("filed twice: %+v", again)
	}
	if r := a.send(ctx, c, "POST", base+"/wanted/x", "{}"); r.code() != "operation_denied" {
		t.Errorf("a proposal is a permission: %+v", r)
	}
	_, m := callAPI(t, a.both[1].token, "GET", a.both[1].admin+"/approvals/"+id, "")
	if said := m["preview"].(map[string]any)["said"]; m["kind"] != "proposal" || m["allows"] != "allow POST /wanted/x" || said != proposal["reason"] {
		t.Errorf("the person sees %v", m)
	}
	if status, m := callAPI(t, a.both[1].token, "POST", a.both[1].admin+"/approvals/"+id+"/approve", `{"scope":"rule","rule":"allow POST /wanted/**"}`); status != 422 {
		t.Errorf("wider than proposed: %d %v", status, m)
	}
	a.answer(1, id, "approve", `{"scope":"rule","rule":"allow POST /wanted/x when operation.method == \"POST\""}`)
	if r := a.send(ctx, c, "GET", a.both[0].URL+at+"/"+id, ""); r.body["state"] != "approved" || r.body["rule"] != `allow POST /wanted/x when operation.method == "POST"` {
		t.Errorf("how it stands: %+v", r)
	}
	for _, base := range []string{other, base} {
		if r := a.send(ctx, c, "POST", base+"/wanted/x", "{}"); r.status != 200 {
			t.Errorf("after a yes: %+v", r)
		}
		if r := a.send(ctx, c, "POST", base+"/wanted/y", "{}"); r.code() != "operation_denied" {
			t.Errorf("after a yes to something else: %+v", r)
		}
	}
	r = a.send(ctx, c, "POST", a.both[0].URL+at, `{"rule":"allow POST /wanted/y","connector":"svc"}`)
	a.answer(0, fmt.Sprint(r.body["approval"]), "deny", `{"reason":"x is enough"}`)
	if r := a.send(ctx, c, "GET", a.both[1].URL+at+"/"+fmt.Sprint(r.body["approval"]), ""); r.body["state"] != "denied" || r.body["reason"] != "x is enough" {
		t.Errorf("after a no: %+v", r)
	}
}
