package providers

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/headers"
	"github.com/attache-proxy/attache/providers/strictyaml"
)

// SpeaksDef says at which paths a service speaks a protocol that has one method for
// everything, so that a request there is known by what its body says. A path may have
// a host before it: api.example.com/graphql.
type SpeaksDef struct {
	// GraphQL are the paths of GraphQL over HTTP.
	GraphQL []string `yaml:"graphql"`
	// MCP are the paths of the Model Context Protocol.
	MCP []string `yaml:"mcp"`
	// JSONRPC are the paths of JSON-RPC.
	JSONRPC []string `yaml:"jsonrpc"`
	// Same are operations of these protocols that are also one of the connector's table, by
	// their names: mutation mergePullRequest is pulls/merge. Rules for the one are for both.
	Same map[string]string `yaml:"same"`
	// TrustHints believes an MCP server that says of a tool that it only reads. What it says
	// against a tool counts in any case.
	TrustHints bool `yaml:"trust_hints"`
}

// UnmarshalYAML refuses unknown keys.
func (d *SpeaksDef) UnmarshalYAML(n *yaml.Node) error {
	type plain SpeaksDef
	return strictyaml.Decode(n, (*plain)(d))
}

func (d *SpeaksDef) isZero() bool {
	return d.GraphQL == nil && d.MCP == nil && d.JSONRPC == nil && d.Same == nil && !d.TrustHints
}

// SameAs is the operation of the table that does the same as one of a protocol whose body
// says what it does; empty for none.
func (c *Connector) SameAs(name string) string { return c.Speaks.Same[name] }

// Protocol is how a request's body says what it does.
type Protocol uint8

// The protocols. In Plain ones method and path say it.
const (
	Plain Protocol = iota
	GraphQL
	MCP
	JSONRPC
)

type spoken struct {
	protocol Protocol
	host     string // empty means any
	path     *PathPattern
}

// on reports whether it is for a host: its own, any, or one below *.
func (s *spoken) on(host string) bool {
	below, wildcard := strings.CutPrefix(s.host, "*")
	return s.host == "" || s.host == host || wildcard && len(host) > len(below) && strings.HasSuffix(host, below)
}

func (c *Connector) compileSpeaks() error {
	for _, l := range []struct {
		name     string
		protocol Protocol
		places   []string
	}{{"graphql", GraphQL, c.Speaks.GraphQL}, {"mcp", MCP, c.mcpPaths()}, {"jsonrpc", JSONRPC, c.Speaks.JSONRPC}} {
		for _, place := range l.places {
			host, path := place, "/"
			if slash := strings.IndexByte(place, '/'); slash >= 0 {
				host, path = place[:slash], place[slash:]
			}
			p, err := ParsePath(path)
			if err != nil {
				return fmt.Errorf("speaks.%s %q: %w", l.name, place, err)
			}
			c.spoken = append(c.spoken, spoken{l.protocol, strings.ToLower(host), p})
		}
	}
	return nil
}

// mcpPaths are also those of connectors that were made of an MCP server's URL.
func (c *Connector) mcpPaths() []string {
	paths := c.Speaks.MCP
	for i := range c.Auth {
		if c.Auth[i].Type == TypeMCP && c.Test != nil && strings.HasPrefix(c.Test.Post, "/") {
			path, _, _ := strings.Cut(c.Test.Post, "?")
			paths = append(paths[:len(paths):len(paths)], path)
		}
	}
	return paths
}

// Spoken is the protocol of a request. Path is escaped, as on the wire; one that
// services may read in different ways is Plain.
func (c *Connector) Spoken(host, path string) Protocol {
	for i := range c.spoken {
		s := &c.spoken[i]
		if s.on(host) && s.path.Matches(path) {
			return s.protocol
		}
	}
	return Plain
}

// SpokenNear reports a path that is not one at which a protocol is spoken, and that some
// service may take for one: in other case, with a slash more, with what some cut off.
func (c *Connector) SpokenNear(host, path string) bool {
	for i := range c.spoken {
		s := &c.spoken[i]
		if s.on(host) && !s.path.Matches(path) && s.path.Near(path) {
			return true
		}
	}
	return false
}

// Actions are the values that the parameters and headers have which name the action
// here (access.query, access.header); query is raw, of the URL or of a form. Read reports
// that all of them read.
func (c *Connector) Actions(d Does, query string) (actions []string, read bool) {
	pairs := parameters(query)
	for _, r := range c.access.query {
		for _, p := range pairs {
			if p.name == r.name {
				actions = append(actions, p.value)
			}
		}
	}
	for _, r := range c.access.header {
		for name, values := range d.Header {
			if headers.Words(name) == r.name {
				actions = append(actions, values...)
			}
		}
	}
	d.Methods, d.Body = nil, false
	return actions, len(actions) > 0 && c.access.actionsRead(d, pairs)
}

// NamesActions reports that parameters or headers name the action here.
func (c *Connector) NamesActions() bool { return len(c.access.query)+len(c.access.header) > 0 }
