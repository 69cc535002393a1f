package integration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// An MCP server is given by its URL alone, a person approves, and an agent that
// knows no OAuth calls its tools. Server and client are the TypeScript SDK's
// own, as they come.
func TestMCP(t *testing.T) {
	server := mcpExample(t)
	v := newVaulted(t)
	bot, token := v.agent(t, "bot")
	con := v.call(t, 201, "POST", "/connectors", map[string]any{"name": "demo", "mcp": server, "agents": []string{bot}})
	if con["type"] != "MCP" || con["title"] != "MCP Demo Server" {
		t.Errorf("the connector is %v", con)
	}
	at := v.URL + "/demo/mcp"
	refused := mcpCall(t, at, token, "greet", `{"name":"Zoe"}`)
	if !strings.Contains(refused.Error, "account_not_connected") {
		t.Fatalf("before anybody approved: %+v, want account_not_connected", refused)
	}
	if page := newPerson(t, "zoe").connect(connectURL(t, refused.Error)); !strings.Contains(page, connected) {
		t.Fatalf("connecting ends with %s", clip(page))
	}
	if acct := v.call(t, 200, "GET", "/accounts/"+con["account_id"].(string), nil); acct["state"] != "active" {
		t.Errorf("the account is %v after its test, want active", acct)
	}
	if a := mcpCall(t, at, token, "greet", `{"name":"Zoe"}`); a.Said != "Hello, Zoe!" || !slices.Contains(a.Tools, "multi-greet") {
		t.Errorf("greet = %+v", a)
	}
	// Notifications come while the tool works, not with its result.
	if a := mcpCall(t, at, token, "multi-greet", `{"name":"Zoe"}`); a.Heard != 3 || a.Spread < 1500 {
		t.Errorf("multi-greet: %d notifications over %d ms, want 3 over 2000: they were held back", a.Heard, a.Spread)
	}
	// By rules: what would be refused is not offered, and is refused.
	v.rules(t, bot, "allow read", "allow tools/call greet")
	if a := mcpCall(t, at, token, "greet", `{"name":"Zoe"}`); a.Said != "Hello, Zoe!" || !slices.Equal(a.Tools, []string{"greet"}) {
		t.Errorf("greet by a rule = %+v", a)
	}
	if a := mcpCall(t, at, token, "multi-greet", `{"name":"Zoe"}`); !strings.Contains(a.Error, "operation_denied") {
		t.Errorf("multi-greet against the rules = %+v", a)
	}
	if strings.Contains(v.Log.String(), "demo_session") {
		t.Error("the log has a cookie of the service")
	}
}

// rules gives the one grant of an agent rules.
func (v *vaulted) rules(t testing.TB, agent string, rules ...string) {
	t.Helper()
	for _, g := range v.call(t, 200, "GET", "/agents/"+agent+"/grants", nil)["items"].([]any) {
		v.call(t, 200, "PATCH", "/agents/"+agent+"/grants/"+g.(map[string]any)["id"].(string), map[string]any{"operations": rules})
	}
}

// connectURL finds the link in what the agent was told.
func connectURL(t testing.TB, told string) string {
	t.Helper()
	var problem struct {
		ConnectURL string `json:"connect_url"`
	}
	i := strings.IndexByte(told, '{')
	if i < 0 || json.NewDecoder(strings.NewReader(told[i:])).Decode(&problem) != nil || problem.ConnectURL == "" {
		t.Fatalf("there is no connect_url in %q", told)
	}
	return problem.ConnectURL
}

// Servers of the revision 2026-07-28, which know no handshake, or both eras, and those
// before are connected alike; so are agents with either generation of the SDK.
func TestMCPEras(t *testing.T) {
	v := newVaulted(t)
	bot, token := v.agent(t, "bot")
	for era, args := range map[string][]string{"strict": {"--mcp", "--mcp-era", "strict"}, "lenient": {"--mcp", "--mcp-era", "lenient"}, "before": {"--mcp"}} {
		idp := newOIDC(t, args...)
		con := v.call(t, 201, "POST", "/connectors", map[string]any{"name": era, "mcp": idp.Issuer + "/mcp", "agents": []string{bot}})
		at := v.URL + "/" + era + "/mcp"
		if page := newPerson(t, "zoe").connect(connectURL(t, mcpCall(t, at, token, "whoami", "").Error)); !strings.Contains(page, connected) {
			t.Fatalf("%s: connecting ends with %s", era, clip(page))
		}
		id := con["account_id"].(string)
		if r := v.call(t, 200, "POST", "/accounts/"+id+"/test", nil); r["ok"] != true || r["tested"] != true || r["state"] != "active" {
			t.Errorf("%s: the test says %v", era, r)
		}
		if a := mcpCall(t, at, token, "whoami", ""); (era == "strict") != strings.Contains(a.Error, "Unsupported protocol version") || era != "strict" && a.Said != "zoe may read offline_access" {
			t.Errorf("%s: the older client gets %+v", era, a)
		}
		want := mcpAnswer{Era: "modern", Said: "zoe may read offline_access"}
		if era == "before" {
			want.Era = "legacy"
		}
		if a := mcpCallBy(t, "mcp2.mjs", at, token, "whoami", ""); a.Era != want.Era || a.Said != want.Said {
			t.Errorf("%s: the newer client gets %+v, want %+v", era, a, want)
		}
		if era == "before" {
			continue
		}
		if a := mcpCallBy(t, "mcp2.mjs", at, token, "route", `{"tenant":"acme"}`); a.Said != "acme by acme, tools/call route of 2026-07-28" {
			t.Errorf("%s: the headers of a call are lost: %+v", era, a)
		}
	}
	v.rules(t, bot, "allow read", "allow tools/call whoami")
	for _, era := range []string{"strict", "lenient", "before"} {
		at := v.URL + "/" + era + "/mcp"
		if a := mcpCallBy(t, "mcp2.mjs", at, token, "whoami", ""); !slices.Equal(a.Tools, []string{"whoami"}) || a.Said == "" {
			t.Errorf("%s: by rules the newer client gets %+v", era, a)
		}
		if a := mcpCallBy(t, "mcp2.mjs", at, token, "route", `{"tenant":"acme"}`); a.Said != "" {
			t.Errorf("%s: a tool against the rules answers %+v", era, a)
		}
	}
}

// With a certified provider as authorization server: dynamic registration,
// PKCE, resource, iss, rotation, and a tool that needs more scopes than were
// approved at first.
func TestMCPStepUp(t *testing.T) {
	idp := newOIDC(t, "--mcp", "--access-ttl", "4")
	v := newVaulted(t)
	bot, token := v.agent(t, "bot")
	con := v.call(t, 201, "POST", "/connectors", map[string]any{"name": "tools", "mcp": idp.Issuer + "/mcp", "agents": []string{bot}})
	if form := con["form"].(map[string]any); form["registration"] != "dynamic" {
		t.Errorf("the client is %v, want registered dynamically", form)
	}
	at := v.URL + "/tools/mcp"
	p := newPerson(t, "zoe")
	if page := p.connect(connectURL(t, mcpCall(t, at, token, "whoami", "").Error)); !strings.Contains(page, connected) {
		t.Fatalf("connecting ends with %s", clip(page))
	}
	if a := mcpCall(t, at, token, "whoami", ""); a.Said != "zoe may read offline_access" {
		t.Errorf("whoami = %+v, want zoe with the scope of the challenge, and the one that brings a refresh token", a)
	}
	refused := mcpCall(t, at, token, "remove", "")
	if !strings.Contains(refused.Error, "insufficient_scope") || !strings.Contains(refused.Error, `"scopes":["write"]`) {
		t.Fatalf("remove = %+v, want insufficient_scope", refused)
	}
	// Until somebody approves, what was approved goes on working.
	if a := mcpCall(t, at, token, "whoami", ""); a.Said != "zoe may read offline_access" {
		t.Errorf("whoami meanwhile = %+v", a)
	}
	// MCP does not say whose an account is: a link that an agent has must not put
	// somebody else's in its place, so that it leads to the operator.
	if page := p.connect(connectURL(t, refused.Error)); !strings.Contains(page, "Your operator must help") {
		t.Errorf("the agent's link ends with %s", clip(page))
	}
	begun := v.call(t, 200, "POST", "/accounts/"+con["account_id"].(string)+"/authorize", map[string]any{"additional_scopes": []string{"write"}})
	if page := p.connect(begun["authorization_url"].(string)); !strings.Contains(page, connected) {
		t.Fatalf("approving more ends with %s", clip(page))
	}
	if a := mcpCall(t, at, token, "remove", ""); a.Said != "removed" {
		t.Errorf("remove after the approval = %+v", a)
	}
	if a := mcpCall(t, at, token, "whoami", ""); a.Said != "zoe may read offline_access write" {
		t.Errorf("whoami = %+v, want both scopes", a)
	}
	// The token ends; the next one is for the same server, with a refresh token
	// that works once.
	time.Sleep(5 * time.Second)
	if a := mcpCall(t, at, token, "whoami", ""); a.Said != "zoe may read offline_access write" {
		t.Errorf("whoami with a new token = %+v", a)
	}
	if e := idp.Events(t); e.Token["refresh_token"] == 0 || e.RevokedFamilies > 1 { // the first authorization's family may end with the second
		t.Errorf("events %+v, want a refresh and no family that was killed", e)
	}
	tokens := v.call(t, 200, "GET", "/accounts/"+con["account_id"].(string), nil)
	if got := fmt.Sprint(tokens["scopes"]); got != "[read offline_access write]" {
		t.Errorf("the account has the scopes %s", got)
	}
}

// Where the authorization server takes documents, our client is the URL of one,
// which it fetches from us. It knows no name of the test, so that it fetches
// from our address whatever host the document's URL names.
func TestMCPClientDocument(t *testing.T) {
	const public = "https://connect.test"
	v := newVaulted(t, func(s *setup) {
		i := strings.Index(s.Attache, "public_url ")
		s.Attache = s.Attache[:i] + "public_url " + public + s.Attache[i+strings.Index(s.Attache[i:], "\n"):]
	})
	idp := newOIDC(t, "--mcp", "--no-registration", "--cimd", v.Public)
	con := v.call(t, 201, "POST", "/connectors", map[string]any{"name": "tools", "mcp": idp.Issuer + "/mcp"})
	if form := con["form"].(map[string]any); form["registration"] != "document" {
		t.Fatalf("the client is %v, want our document", form)
	}
	bot, token := v.agent(t, "bot")
	acct := v.call(t, 201, "POST", "/accounts", map[string]any{"connector": "tools"})["id"].(string)
	v.call(t, 201, "POST", "/agents/"+bot+"/grants", map[string]any{"account_id": acct, "scopes": []string{"read", "write"}})
	begun := v.call(t, 200, "POST", "/accounts/"+acct+"/authorize", nil)
	at, err := url.Parse(begun["authorization_url"].(string))
	if err != nil || at.Query().Get("client_id") != public+"/oauth/client.json" {
		t.Fatalf("authorization_url = %v, want our document as client_id", begun)
	}
	back, page := newPerson(t, "zoe").approve(at.String())
	if back == nil || !strings.HasPrefix(back.String(), public+"/oauth/callback?") {
		t.Fatalf("the provider sends the browser to %v: %s", back, clip(page))
	}
	res, err := http.Get(v.Public + back.RequestURI())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if a := mcpCall(t, v.URL+"/tools/mcp", token, "whoami", ""); a.Said != "zoe may read offline_access" {
		t.Errorf("whoami = %+v (the callback was answered %s)", a, res.Status)
	}
}
