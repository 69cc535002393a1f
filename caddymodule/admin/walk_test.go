package admin_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// TestFromEmptyToFirstCall walks from an empty vault to what the proxy needs for
// an agent's first call.
func TestFromEmptyToFirstCall(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		meta := w.want(200, "", "GET", "/connectors/desk/metadata", "")
		if meta.str("options.0.flow") != "credentials" || meta.get("options.0.schema.properties.api_token.writeOnly") != true {
			t.Errorf("metadata = %s", meta.raw)
		}
		acct := w.want(201, "", "POST", "/accounts", `{"connector":"desk","name":"Top Zip","identifier":"u-1","identifier_type":"user","option":"token",
			"credentials":{"subdomain":"acme","email":"zip@example.com","api_token":"good-secret-4711"}}`)
		if acct.str("state") != "active" || acct.str("provider.label") != "Zip" || acct.str("fields.subdomain") != "acme" ||
			acct.str("secrets.0.field") != "api_token" || acct.str("secrets.0.last4") != "4711" || acct.header.Get("ETag") == "" ||
			acct.header.Get("Location") != "/api/v1/accounts/"+acct.str("id") {
			t.Errorf("the account = %v %s", acct.header, acct.raw)
		}
		agent := w.want(201, "", "POST", "/agents", `{"name":"research"}`)
		token := agent.str("token")
		if !strings.HasPrefix(token, "att_") {
			t.Errorf("the agent = %s, want a token", agent.raw)
		}
		grant := w.want(201, "", "POST", "/agents/"+agent.str("id")+"/grants", `{"account_id":"`+acct.str("id")+`","scopes":["read"]}`)
		if grant.str("connector") != "desk" || grant.str("agent_id") != agent.str("id") {
			t.Errorf("the grant = %s", grant.raw)
		}

		// What the proxy does with it.
		who, _, err := w.v.AgentByToken(t.Context(), secret.New(token))
		if err != nil || who.Name != "research" {
			t.Fatalf("AgentByToken() = %+v, %v", who, err)
		}
		ps, err := w.v.Permits(t.Context(), who.ID, "desk")
		if err != nil || len(ps) != 1 || ps[0].Account.State != vault.Active {
			t.Fatalf("Permits() = %+v, %v", ps, err)
		}
		u, err := w.v.Unseal(t.Context(), ps[0].Account.ID)
		if err != nil || u.Credential.Fields.Get("api_token").Reveal() != "good-secret-4711" || u.Credential.Fields.Get("email").Reveal() != "zip@example.com" {
			t.Errorf("Unseal() = %v fields, %v", len(u.Credential.Fields), err)
		}
		if strings.Contains(w.seen.String(), "good-secret-4711") {
			t.Errorf("an answer holds the secret")
		}
	})
}

// hooked takes every webhook and keeps what it was sent.
type hooked struct {
	mu   sync.Mutex
	sent strings.Builder
	n    int
}

func (h *hooked) Do(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = r.Write(&h.sent)
	h.n++
	return &http.Response{StatusCode: 204, Body: http.NoBody, Request: r}, nil
}

// TestCanary pushes secrets through every operation and looks for them in every
// answer, in the audit, in what webhooks are sent, and in an export.
func TestCanary(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, conf vault.Config) {
		hooks := &hooked{}
		w := newWorld(t, conf, func(c *admin.Config) { c.HTTP = hooks })
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.api.Run(ctx); close(ended) }()
		defer func() { stop(); <-ended }()
		const canary = "good-canary-91be7f"
		acct := w.want(201, "", "POST", "/accounts", `{"connector":"hub","credentials":{"token":"`+canary+`-a"}}`).str("id")
		w.do("POST", "/accounts", `{"connector":"hub","name":"x","credentials":{"token":"bad-canary-91be7f"}}`)
		w.do("POST", "/accounts", `{"connector":"hub","name":"x","credentials":{"token":"away-canary-91be7f"}}`)
		w.do("POST", "/accounts", `{"connector":"hub","name":"x","credentials":{"tokn":"`+canary+`"}}`)
		w.do("POST", "/accounts", `{"connector":"hub","name":"x","credentials":"`+canary+`"}`)
		w.do("POST", "/accounts", `{"connector":"hub","name":"x","credentials":{"token":["`+canary+`"]}}`)
		w.do("POST", "/accounts", `{"connector":"hub","name":"x","credentials":{"token":"`+canary+`"`)
		w.do("POST", "/accounts", `{"connector":"desk","name":"x","credentials":{"subdomain":"`+canary+` canary","email":"canary-91be7f","api_token":""}}`)
		w.want(200, "", "PUT", "/accounts/"+acct+"/credentials", `{"credentials":{"token":"`+canary+`-b"}}`)
		w.do("PUT", "/accounts/"+acct+"/credentials", `{"credentials":{"token":"bad-canary-91be7f"}}`)
		w.do("POST", "/accounts/bulk", `{"items":[{"connector":"hub","name":"b1","credentials":{"token":"`+canary+`"}},{"connector":"hub","name":"b2","credentials":{"token":"bad-canary-91be7f"}}]}`)
		app := w.want(201, "", "POST", "/apps", `{"connector":"desk","mode":"managed","client_id":"id","secrets":{"client_secret":"`+canary+`"}}`).str("id")
		w.want(200, "", "PATCH", "/apps/"+app, `{"secrets":{"client_secret":"`+canary+`-2"}}`)
		agent := w.agent("bot")
		w.want(201, "", "POST", "/connectors", `{"name":"billing","hosts":["billing.example"],"token_url":"https://auth.example/token","client_id":"id","client_secret":"`+canary+`","agents":["`+agent+`"]}`)
		w.want(200, "", "PATCH", "/connectors/billing", `{"client_secret":"`+canary+`-3"}`)
		hook := w.want(201, "", "POST", "/webhooks", `{"url":"https://hooks.example/x","events":["*"]}`)
		for _, path := range []string{
			"/accounts", "/accounts/" + acct, "/accounts/" + acct + "/status", "/accounts/" + acct + "/health", "/accounts/" + acct + "/usage",
			"/connectors", "/connectors/metadata", "/connectors/billing", "/connectors/desk", "/apps", "/apps/" + app, "/agents", "/agents/" + agent,
			"/agents/" + agent + "/tokens", "/agents/" + agent + "/grants", "/grants", "/audit", "/webhooks", "/webhooks/" + hook.str("id"),
			"/webhooks/" + hook.str("id") + "/deliveries", "/tokens", "/me", "/status", "/overview", "/organisations", "/usage?kind=connector", "/usage?kind=account&ids=" + acct, "/usage?kind=agent&ids=" + agent,
			"/connectors?q=hub", "/accounts?q=x&sort=name", "/agents?q=b&sort=-name", "/audit?outcome=failed&path=GET+/",
		} {
			w.want(200, "", "GET", path, "")
		}
		for _, action := range []string{"test", "suspend", "resume", "refresh", "revoke"} {
			w.do("POST", "/accounts/"+acct+"/"+action, "")
		}
		w.want(200, "", "PUT", "/accounts/"+acct+"/credentials", `{"credentials":{"token":"`+canary+`-c"}}`)
		told := func() int { hooks.mu.Lock(); defer hooks.mu.Unlock(); return hooks.n }
		for end := time.Now().Add(10 * time.Second); told() < 4 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		}
		if log := w.want(200, "", "GET", "/webhooks/"+hook.str("id")+"/deliveries", ""); told() < 4 || log.len("items") < 4 {
			t.Errorf("%d webhooks were sent, and the log has %d: the test shows little", told(), log.len("items"))
		}
		if audit := w.want(200, "", "GET", "/audit?limit=500", ""); audit.len("items") < 10 {
			t.Errorf("the audit has %d events: the test shows little", audit.len("items"))
		}
		var export bytes.Buffer
		if err := w.v.Export(ctx, &export, true, nil); err != nil || export.Len() < 1000 {
			t.Errorf("the export has %d bytes, %v", export.Len(), err)
		}
		hooks.mu.Lock()
		sent := hooks.sent.String()
		hooks.mu.Unlock()
		for what, text := range map[string]string{"a webhook": sent, "the export": export.String()} {
			if i := strings.Index(text, "canary"); i >= 0 {
				t.Errorf("%s holds a secret: …%s…", what, text[max(0, i-300):min(len(text), i+100)])
			}
		}
		seen := w.seen.String()
		if strings.Contains(seen, "canary") {
			i := strings.Index(seen, "canary")
			t.Errorf("an answer holds a secret: …%s…", seen[max(0, i-400):min(len(seen), i+100)])
		}
		// What is shown once is shown once.
		if key := hook.str("secret"); key == "" || strings.Count(seen, key) != 1 {
			t.Errorf("the key of the webhook is shown %d times, want 1", strings.Count(seen, key))
		}
	})
}
