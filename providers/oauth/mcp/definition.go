package mcp

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// file is the YAML of an MCP server's connector, in this order.
type file struct {
	Key     string             `yaml:"key"`
	Title   string             `yaml:"title"`
	Hosts   []string           `yaml:"hosts"`
	BaseURL string             `yaml:"base_url"`
	Auth    map[string]*option `yaml:"auth"`
	Test    *test              `yaml:"test,omitempty"`
}

type option struct {
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

type test struct {
	Post    string            `yaml:"post"`
	Body    string            `yaml:"body"`
	Headers map[string]string `yaml:"headers"`
	Expect  int               `yaml:"expect"`
	Or      *test             `yaml:"or,omitempty"`
}

// Definition writes down what was found out about an MCP server as the YAML
// of a connector. tokenAuth is how its client proves itself; empty where there
// is no client yet. An empty title is the server's own.
func Definition(key, title string, s *Server, tokenAuth string) ([]byte, error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	o := &option{
		Type: "mcp", Title: "Sign in", Resource: s.Resource, Issuer: s.Issuer, AuthorizeURL: s.AuthorizeURL,
		TokenURL: s.TokenURL, TokenAuth: tokenAuth, RevokeURL: s.RevokeURL, Scopes: s.Scopes,
	}
	if s.Prompt != "" {
		o.AuthorizeParams = map[string]string{"prompt": s.Prompt}
	}
	if s.NamesItself {
		o.Callback = map[string]bool{"iss_required": true}
	}
	f := file{
		Key: key, Title: cmp.Or(title, s.Name, u.Hostname()), Hosts: []string{hostOf(u)}, BaseURL: u.Scheme + "://" + u.Host,
		Auth: map[string]*option{"oauth": o},
	}
	if !oldTransport(u) {
		for _, g := range slices.Backward(Greetings) {
			f.Test = &test{Post: cmp.Or(u.EscapedPath(), "/"), Body: g.Body, Expect: 200, Headers: g.Headers, Or: f.Test}
		}
	}
	return yaml.Marshal(f)
}

// oldTransport reports whether the URL is that of the HTTP+SSE transport (revision
// 2024-11-05), whose messages go to another path beside the stream's.
func oldTransport(u *url.URL) bool { return strings.HasSuffix(u.Path, "/sse") }

// hostOf is where the server's tokens may go: its own path, and for the old
// transport whatever lies beside the stream.
func hostOf(u *url.URL) string {
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
