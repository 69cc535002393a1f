package admin_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin"
	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/providers/oauth/mcp"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

// finder knows one MCP server, whose authorization server may change.
type finder struct {
	server     mcp.Server
	registered []mcp.Client
	manual     bool // registers nobody
	secretEnd  time.Time
}

func (f *finder) Find(_ context.Context, server string) (*mcp.Server, error) {
	switch {
	case strings.Contains(server, "away"):
		return nil, &mcp.Error{Step: "asking the server without a token", Why: "no answer", Temporary: true}
	case server != f.server.URL:
		return nil, &mcp.Error{Step: "the server's URL", Why: "want https://HOST/PATH"}
	}
	s := f.server
	return &s, nil
}

func (f *finder) Register(_ context.Context, s *mcp.Server, c mcp.Client) (*mcp.Registration, error) {
	if s.TakesDocuments && c.DocumentURL != "" {
		return &mcp.Registration{ClientID: c.DocumentURL, Auth: "none", How: "document"}, nil
	}
	if f.manual {
		return nil, mcp.ErrNoRegistration
	}
	f.registered = append(f.registered, c)
	return &mcp.Registration{ClientID: fmt.Sprintf("client-%d", len(f.registered)), ClientSecret: secret.New("registered-secret-5150"), Auth: "post", How: "dynamic", SecretExpiry: f.secretEnd}, nil
}

func TestConnectorOfMCPServer(t *testing.T) {
	vaulttest.Each(t, func(t *testing.T, c vault.Config) {
		f := &finder{}
		f.server = mcp.Server{
			URL: "https://mcp.files.example/mcp", Resource: "https://mcp.files.example/mcp", Name: "Files", Issuer: "https://as.files.example",
			AuthorizeURL: "https://as.files.example/authorize", TokenURL: "https://as.files.example/token", RegistrationURL: "https://as.files.example/register",
			AuthMethods: []string{"client_secret_post", "none"}, Scopes: []string{"files:read"},
		}
		w := newWorld(t, c, func(c *admin.Config) { c.MCP, c.PublicURL = f, "https://connect.files.example" })
		bot := w.agent("bot")
		con := w.want(201, "", "POST", "/connectors", `{"name":"files","mcp":"https://mcp.files.example/mcp","agents":["`+bot+`"]}`)
		if con.str("type") != "MCP" || con.str("title") != "Files" || con.str("hosts.0") != "mcp.files.example/mcp" || con.str("options.0.flow") != "popup_oauth" || con.str("form.registration") != "dynamic" {
			t.Errorf("the connector = %s", con.raw)
		}
		for _, line := range []string{"type: mcp", "resource: https://mcp.files.example/mcp", "token_auth: post", "issuer: https://as.files.example"} {
			if !strings.Contains(con.str("definition"), line) {
				t.Errorf("the definition lacks %s:\n%s", line, con.str("definition"))
			}
		}
		if len(f.registered) != 1 || f.registered[0].RedirectURIs[0] != "https://connect.files.example/oauth/callback" {
			t.Errorf("registered %+v", f.registered)
		}
		apps := w.want(200, "", "GET", "/apps?connector=files", "")
		if apps.len("items") != 1 || apps.str("items.0.client_id") != "client-1" || apps.str("items.0.mode") != "managed" {
			t.Errorf("its app = %s", apps.raw)
		}
		acct := w.want(200, "", "GET", "/accounts/"+con.str("account_id"), "")
		if acct.str("state") != "pending" || acct.str("app_id") != apps.str("items.0.id") {
			t.Errorf("its account = %s", acct.raw)
		}
		begun := w.want(200, "", "POST", "/accounts/"+con.str("account_id")+"/authorize", "")
		if at := begun.str("authorization_url"); !strings.HasPrefix(at, "https://as.files.example/authorize?") || !strings.Contains(at, "resource=https%3A%2F%2Fmcp.files.example%2Fmcp") || !strings.Contains(at, "code_challenge_method=S256") {
			t.Errorf("authorization_url = %s", at)
		}
		w.want(409, "CONNECTOR_EXISTS", "POST", "/connectors", `{"name":"files","mcp":"https://mcp.files.example/mcp"}`)
		if len(f.registered) != 1 {
			t.Error("a second client was registered for a connector that could not be made")
		}

		// Found out anew: the same authorization server keeps its client, another
		// one gets a new client, and an operator may not send tokens there.
		f.server.Scopes = []string{"files:read", "files:write"}
		w.want(200, "", "PATCH", "/connectors/files", `{"mcp":"https://mcp.files.example/mcp"}`)
		if len(f.registered) != 1 {
			t.Error("a second client was registered at the same authorization server")
		}
		// Unless its secret is about to end, or somebody wants a new client.
		for i, body := range []string{`{"mcp":"https://mcp.files.example/mcp","client_id":""}`, `{"mcp":"https://mcp.files.example/mcp"}`} {
			f.secretEnd = time.Now().Add(time.Hour)
			w.want(200, "", "PATCH", "/connectors/files", body)
			if len(f.registered) != i+2 {
				t.Errorf("%s: %d clients registered so far, want %d", body, len(f.registered), i+2)
			}
		}
		f.secretEnd = time.Time{}
		// Tokens are bound to the issuer that gave them.
		bound, err := w.v.System().CreateAccount(t.Context(), vault.NewAccount{Connector: "files", Option: "oauth", Name: "bound",
			Credentials: &vault.Credentials{Token: secret.New("t"), RefreshToken: secret.New("r")}, Connected: &vault.Connection{}})
		if err != nil {
			t.Fatal(err)
		}
		w.want(200, "", "PATCH", "/connectors/files", `{"mcp":"https://mcp.files.example/mcp"}`)
		if a := w.want(200, "", "GET", "/accounts/"+bound.ID, ""); a.str("state") != "active" {
			t.Errorf("at the same issuer the account is %s", a.raw)
		}
		f.server.Issuer, f.server.TokenURL = "https://as2.files.example", "https://as2.files.example/token"
		undo := w.as(w.admin("operator", vault.RoleOperator, vault.All))
		w.want(403, "INVALID_PERMISSIONS", "PATCH", "/connectors/files", `{"mcp":"https://mcp.files.example/mcp"}`)
		undo()
		if a := w.want(200, "", "GET", "/accounts/"+bound.ID, ""); a.str("state") != "active" {
			t.Errorf("after an edit that was refused the account is %s", a.raw)
		}
		e := w.want(200, "", "PATCH", "/connectors/files", `{"mcp":"https://mcp.files.example/mcp"}`)
		if a := w.want(200, "", "GET", "/accounts/"+bound.ID, ""); a.str("state") != "revoked" || a.str("state_reason.code") != "issuer_changed" {
			t.Errorf("at another issuer the account is %s", a.raw)
		}
		if u, err := w.v.Unseal(t.Context(), bound.ID); err != nil || !u.RefreshToken.IsZero() {
			t.Errorf("its refresh token is still there: %v", err)
		}
		app := w.want(200, "", "GET", "/apps/"+apps.str("items.0.id"), "")
		if !strings.Contains(e.str("definition"), "as2.files.example") || app.str("client_id") != fmt.Sprintf("client-%d", len(f.registered)) {
			t.Errorf("after the authorization server changed: %s\n%s", e.raw, app.raw)
		}
		if strings.Contains(w.seen.String(), "registered-secret-5150") {
			t.Error("the API shows a client secret")
		}
		w.want(204, "", "DELETE", "/accounts/"+bound.ID, "")
		w.want(204, "", "DELETE", "/connectors/files", "")
		if l := w.want(200, "", "GET", "/apps?connector=files", ""); l.len("items") != 0 {
			t.Errorf("apps are left: %s", l.raw)
		}
	})
}

func TestMCPServerRefusals(t *testing.T) {
	f := &finder{}
	w := newWorld(t, vaulttest.SQLite(t), func(c *admin.Config) { c.MCP = f })
	f.server = mcp.Server{URL: "https://mcp.files.example/mcp", Resource: "https://mcp.files.example/mcp", Issuer: "https://as.files.example", AuthorizeURL: "https://as.files.example/a", TokenURL: "https://as.files.example/t"}
	w.want(422, "MCP_SERVER_REFUSED", "POST", "/connectors", `{"name":"files","mcp":"https://other.example/mcp"}`)
	w.want(502, "MCP_SERVER_UNAVAILABLE", "POST", "/connectors", `{"name":"files","mcp":"https://away.example/mcp"}`)
	w.want(422, "INVALID_INPUT", "POST", "/connectors", `{"name":"files","mcp":"https://mcp.files.example/mcp","hosts":["evil.example"]}`)
	w.want(422, "AGENT_NOT_FOUND", "POST", "/connectors", `{"name":"files","mcp":"https://mcp.files.example/mcp","agents":["agt_none"]}`)
	f.manual = true
	a := w.want(409, "APP_REQUIRED", "POST", "/connectors", `{"name":"files","mcp":"https://mcp.files.example/mcp"}`)
	if !strings.Contains(a.str("detail"), "/oauth/callback") {
		t.Errorf("detail %q does not say which redirect URI to register", a.str("detail"))
	}
	w.want(404, "CONNECTOR_NOT_FOUND", "GET", "/connectors/files", "")
	c := w.want(201, "", "POST", "/connectors", `{"name":"files","mcp":"https://mcp.files.example/mcp","client_id":"by-hand","client_secret":"by-hand-secret-7","scope":"one two"}`)
	if !strings.Contains(c.str("definition"), "token_auth: post") || !strings.Contains(c.str("definition"), "- two") || c.str("form.registration") != "by_hand" || c.str("account_id") != "" {
		t.Errorf("with a client registered by hand: %s", c.raw)
	}
	// Plain HTTP is for hosts that the operator named.
	f.server.URL, f.server.Resource = "http://127.0.0.1:9/mcp", "http://127.0.0.1:9/mcp"
	w.want(422, "INVALID_CONNECTOR", "POST", "/connectors", `{"name":"local","mcp":"http://127.0.0.1:9/mcp","client_id":"x"}`)
	undo := w.as(w.admin("theirs", vault.RoleAdmin, "acme"))
	w.want(403, "INVALID_PERMISSIONS", "POST", "/connectors", `{"name":"files2","mcp":"https://mcp.files.example/mcp"}`)
	undo()
}

// Authorization servers that take documents read ours at the public address,
// and nobody reads one where there is none.
func TestClientDocument(t *testing.T) {
	for public, status := range map[string]int{"https://connect.files.example": 200, "http://localhost:9090": 404, "https://127.0.0.1:9090": 404, "": 404} {
		f := &finder{}
		w := newWorld(t, vaulttest.SQLite(t), func(c *admin.Config) { c.MCP, c.PublicURL = f, public })
		f.server = mcp.Server{URL: "https://h.example/mcp", Resource: "https://h.example/mcp", Issuer: "https://as.example", AuthorizeURL: "https://as.example/a", TokenURL: "https://as.example/t", TakesDocuments: true}
		res, err := http.Get(w.server.URL + paths.ClientDocument)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != status {
			t.Errorf("public_url %q: the document is answered %d %s, want %d", public, res.StatusCode, b, status)
		}
		c := w.want(201, "", "POST", "/connectors", `{"name":"h","mcp":"https://h.example/mcp"}`)
		app := w.want(200, "", "GET", "/apps?connector=h", "")
		if status == 200 {
			if !strings.Contains(string(b), `"client_id": "https://connect.files.example/oauth/client.json"`) || !strings.Contains(string(b), `"https://connect.files.example/oauth/callback"`) {
				t.Errorf("the document is %s", b)
			}
			if app.str("items.0.client_id") != public+paths.ClientDocument || c.str("form.registration") != "document" || !strings.Contains(c.str("definition"), "token_auth: none") {
				t.Errorf("the client is not the document: %s %s", app.raw, c.raw)
			}
		} else if c.str("form.registration") != "dynamic" {
			t.Errorf("public_url %q: registered by %s, want dynamic", public, c.str("form.registration"))
		}
	}
}
