package providers

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/oauth/mcp"
)

// completeMCP fills in what holds for every MCP server (revision 2026-07-28 as before): a
// person approves, PKCE is a must, and tokens are for one server.
func completeMCP(s *oauth.Spec) error {
	switch {
	case s.Resource == "":
		return errors.New("type mcp needs resource: the URL of the MCP server")
	case s.AuthorizeURL == "" || s.TokenURL == "":
		return fmt.Errorf("type mcp needs authorize_url and token_url, which are found out from the server's URL: attache connectors mcp %s writes them down", s.Resource)
	case s.GrantType != "" && s.GrantType != "authorization_code":
		return fmt.Errorf("type mcp is always grant_type authorization_code, not %s", s.GrantType)
	case s.PKCE == "off":
		return errors.New("type mcp is always with PKCE; leave pkce out")
	}
	s.PKCE = "required"
	return nil
}

// mcpFile is the YAML of an MCP server's connector, in this order.
type mcpFile struct {
	Key     string                `yaml:"key"`
	Title   string                `yaml:"title"`
	Hosts   []string              `yaml:"hosts"`
	BaseURL string                `yaml:"base_url"`
	Auth    map[string]*mcpOption `yaml:"auth"`
	Test    *mcpTest              `yaml:"test,omitempty"`
}

type mcpOption struct {
	Type            string            `yaml:"type"`
	Title           string            `yaml:"title"`
	Resource        string            `yaml:"resource"`
	Issuer          string            `yaml:"issuer,omitempty"`
	AuthorizeURL    string            `yaml:"authorize_url"`
	AuthorizeParams map[string]string `yaml:"authorize_params,omitempty"`
	TokenURL        string            `yaml:"token_url"`
	TokenAuth       string            `yaml:"token_auth,omitempty"`
	RevokeURL       string            `yaml:"revoke_url,omitempty"`
	Scopes          []string          `yaml:"scopes,omitempty"`
	Callback        map[string]bool   `yaml:"callback,omitempty"`
}

type mcpTest struct {
	Post    string            `yaml:"post"`
	Body    string            `yaml:"body"`
	Headers map[string]string `yaml:"headers"`
	Expect  int               `yaml:"expect"`
	Or      *mcpTest          `yaml:"or,omitempty"`
}

// MCPDefinition writes down what was found out about an MCP server as the YAML
// of a connector. tokenAuth is how its client proves itself; empty where there
// is no client yet. An empty title is the server's own.
func MCPDefinition(key, title string, s *mcp.Server, tokenAuth string) ([]byte, error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	o := &mcpOption{
		Type: TypeMCP, Title: "Sign in", Resource: s.Resource, Issuer: s.Issuer, AuthorizeURL: s.AuthorizeURL,
		TokenURL: s.TokenURL, TokenAuth: tokenAuth, RevokeURL: s.RevokeURL, Scopes: s.Scopes,
	}
	if s.Prompt != "" {
		o.AuthorizeParams = map[string]string{"prompt": s.Prompt}
	}
	if s.NamesItself {
		o.Callback = map[string]bool{"iss_required": true}
	}
	f := mcpFile{
		Key: key, Title: cmp.Or(title, s.Name, u.Hostname()), Hosts: []string{mcpHost(u)}, BaseURL: u.Scheme + "://" + u.Host,
		Auth: map[string]*mcpOption{"oauth": o},
	}
	if !oldTransport(u) {
		for _, g := range slices.Backward(mcp.Greetings) {
			f.Test = &mcpTest{Post: cmp.Or(u.EscapedPath(), "/"), Body: g.Body, Expect: 200, Headers: g.Headers, Or: f.Test}
		}
	}
	return yaml.Marshal(f)
}

// oldTransport reports whether the URL is that of the HTTP+SSE transport (revision
// 2024-11-05), whose messages go to another path beside the stream's.
func oldTransport(u *url.URL) bool { return strings.HasSuffix(u.Path, "/sse") }

// mcpHost is where the server's tokens may go: its own path, and for the old
// transport whatever lies beside the stream.
func mcpHost(u *url.URL) string {
	host, path := u.Host, u.EscapedPath()
	if u.Scheme == "http" {
		host = "http://" + host
	}
	if oldTransport(u) {
		path = strings.TrimSuffix(path, "sse")
	}
	if path == "/" {
		path = ""
	}
	return host + path
}
