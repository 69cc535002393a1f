package providers_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/oauth/mcp"
	"github.com/attache-proxy/attache/providers/secret"
)

func TestMCPDefinition(t *testing.T) {
	server := mcp.Server{
		URL: "https://mcp.example.com/v1/mcp", Resource: "https://mcp.example.com/v1", Name: "Files",
		Issuer: "https://as.example", AuthorizeURL: "https://as.example/authorize?tenant=a", TokenURL: "https://as.example/token", RevokeURL: "https://as.example/revoke",
		Scopes: []string{"read", "offline_access"}, NamesItself: true, Prompt: "consent",
	}
	src, err := mcp.Definition("files", "", &server, "post")
	if err != nil {
		t.Fatal(err)
	}
	d, err := providers.Parse("files.yaml", src)
	if err != nil {
		t.Fatalf("%v in\n%s", err, src)
	}
	c, err := providers.Compile(d)
	if err != nil {
		t.Fatalf("%v in\n%s", err, src)
	}
	if c.Title != "Files" || c.Test == nil || c.Test.Post != "/v1/mcp" {
		t.Errorf("title %q, test %+v in\n%s", c.Title, c.Test, src)
	}
	x, err := providers.NewIndex([]*providers.Connector{c})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"/v1/mcp": true, "/v1/mcp/x": true, "/v1": false, "/v1/mcpx": false, "/": false} {
		if _, ok := lookup(x, "mcp.example.com", "443", path); ok != want {
			t.Errorf("Lookup(%s) = %v, want %v", path, ok, want)
		}
	}
	o := c.Options[0]
	at, err := o.OAuth.AuthorizeURL(oauth.Authorization{App: secret.Values{"client_id": secret.New("c")}, RedirectURI: "https://us.example/cb", State: "s", Verifier: oauth.NewVerifier()})
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(at)
	for name, want := range map[string]string{"tenant": "a", "resource": "https://mcp.example.com/v1", "scope": "read offline_access", "prompt": "consent", "code_challenge_method": "S256"} {
		if got := u.Query().Get(name); got != want {
			t.Errorf("%s = %q in %s, want %q", name, got, at, want)
		}
	}
	if _, err := o.OAuth.Callback(url.Values{"code": {"c"}, "state": {"s"}}); err == nil || !strings.Contains(err.Error(), "iss") {
		t.Errorf("Callback without iss = %v, want an error", err)
	}
	// Without PKCE nothing is authorized.
	if at, err := o.OAuth.AuthorizeURL(oauth.Authorization{App: secret.Values{"client_id": secret.New("c")}, State: "s"}); err == nil {
		t.Errorf("AuthorizeURL without a verifier = %s, want an error", at)
	}
}

// Old servers keep their stream and their messages beside each other.
func TestMCPHosts(t *testing.T) {
	for server, want := range map[string]string{
		"https://h.example":         "h.example",
		"https://h.example:8443/m":  "h.example:8443/m",
		"https://h.example/v1/sse":  "h.example/v1/",
		"https://h.example/sse":     "h.example",
		"http://127.0.0.1:9/mcp":    "127.0.0.1:9/mcp",
		"https://[2001:db8::1]/mcp": "2001:db8::1/mcp",
	} {
		src, err := mcp.Definition("h", "", &mcp.Server{URL: server, Resource: server, AuthorizeURL: "https://as.example/a", TokenURL: "https://as.example/t"}, "none")
		if err != nil {
			t.Fatal(err)
		}
		d, err := providers.Parse("h.yaml", src)
		if err != nil {
			t.Fatal(err)
		}
		c, err := providers.Compile(d)
		if err != nil {
			t.Errorf("%s: %v in\n%s", server, err, src)
			continue
		}
		if got := c.Hosts[0].String(); got != want {
			t.Errorf("%s: host %s, want %s", server, got, want)
		}
		if old := strings.HasSuffix(server, "/sse"); (c.Test == nil) != old {
			t.Errorf("%s: test %+v", server, c.Test)
		}
	}
}

func TestMCPMistakes(t *testing.T) {
	for option, want := range map[string]string{
		"{type: mcp}": "needs resource",
		"{type: mcp, resource: https://h.example/mcp}": "attache connectors mcp https://h.example/mcp",
		"{type: mcp, resource: https://h.example/mcp, authorize_url: https://h.example/a, token_url: https://h.example/t, pkce: off}":                    "leave pkce out",
		"{type: mcp, resource: https://h.example/mcp, authorize_url: https://h.example/a, token_url: https://h.example/t, grant_type: device_code}":      "always grant_type authorization_code",
		"{type: mcp, resource: https://h.example/mcp, authorize_url: http://h.example/a, token_url: https://h.example/t}":                                "authorize_url",
		"{type: mcp, resource: https://h.example/mcp, authorize_url: https://h.example/a, token_url: https://h.example/t, revoke_url: ftp://h.example/}": "revoke_url",
	} {
		d, err := providers.Parse("h.yaml", []byte("key: h\nhosts: [h.example]\nauth: {oauth: "+option+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := providers.Compile(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", option, err, want)
		}
	}
}
