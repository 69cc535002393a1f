// Package client is the agent's side of the proxy, in plain Go: it asks a
// running proxy what it is, and works out the environment with which a command
// calls through it: proxy variables, certificates for every kind of client,
// placeholder keys, base URLs.
package client

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// About is what a proxy says of itself and of the agent that asks:
// GET /.well-known/attache. No secret is in it.
type About struct {
	// Version is Attaché's, and Caddy that of the Caddy in it.
	Version string `json:"version"`
	Caddy   string `json:"caddy,omitempty"`
	// Agent is who the proxy takes us for.
	Agent string `json:"agent"`
	// AuthRequired says that the listener has no agent of its own: clients must
	// present a token.
	AuthRequired bool `json:"auth_required"`
	// Unmatched is what happens to hosts of no connector: tunnel or deny.
	Unmatched string `json:"unmatched"`
	// CAPEM is the root certificate that intercepted connections come from.
	CAPEM string `json:"ca_pem"`
	// Connectors are the services that the agent may call.
	Connectors []Connector `json:"connectors"`
}

// Connector is a service that the agent may call.
type Connector struct {
	Key      string   `json:"key"`
	Title    string   `json:"title,omitempty"`
	Accounts []string `json:"accounts"`
	// Default is the account that is used when none is chosen; empty where
	// there are several and none of them is it.
	Default string `json:"default,omitempty"`
	// Hosts are patterns: api.example.com, *.example.com, host:8443/v2/.
	Hosts   []string `json:"hosts"`
	BaseURL string   `json:"base_url,omitempty"`
	Write   bool     `json:"write"`
	// Presign says that POST /.well-known/attache/presign makes URLs of it.
	Presign bool `json:"presign,omitempty"`
	// Env are the variables that the service's clients read. {base} in a value
	// is the connector's base-URL door.
	Env map[string]string `json:"env,omitempty"`
	// Test says that the connector has a test request.
	Test bool `json:"test"`
	// TestPath is the path of that request at the base-URL door, where it is a plain
	// GET of the connector's base URL.
	TestPath string `json:"test_path,omitempty"`
}

// TestResult is what became of a connector's test request. The service's own
// body is not in it.
type TestResult struct {
	OK       bool   `json:"ok"`
	Status   int    `json:"status,omitempty"`
	Expected int    `json:"expected,omitempty"`
	Error    string `json:"error,omitempty"`
}

// byKey returns the connectors in the order of their keys, so that the same
// one wins wherever two want the same variable.
func (a *About) byKey() []Connector {
	return slices.SortedFunc(slices.Values(a.Connectors), func(x, y Connector) int { return cmp.Compare(x.Key, y.Key) })
}

// hostOf takes port and path off a host pattern, and the brackets of an IPv6
// address.
func hostOf(pattern string) string {
	host, _, _ := strings.Cut(pattern, "/")
	if inside, ok := strings.CutPrefix(host, "["); ok {
		host, _, _ = strings.Cut(inside, "]")
		return strings.ToLower(host)
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.Count(host, ":") == 1 && !strings.ContainsAny(host[i:], "}") {
		host = host[:i]
	}
	return strings.ToLower(host)
}

// ExactHost is the first host of the connector that is one name and not a
// pattern, with the port that it is called at.
func (c *Connector) ExactHost() (host, port string, ok bool) {
	for _, pattern := range c.Hosts {
		h := hostOf(pattern)
		if h == "" || strings.ContainsAny(h, "*{") {
			continue
		}
		rest := strings.TrimPrefix(strings.ToLower(pattern), h)
		if _, err := netip.ParseAddr(h); err == nil && strings.HasPrefix(pattern, "[") {
			rest = pattern[strings.IndexByte(pattern, ']')+1:]
		}
		rest, _, _ = strings.Cut(rest, "/")
		return h, cmp.Or(strings.TrimPrefix(rest, ":"), "443"), true
	}
	return "", "", false
}
