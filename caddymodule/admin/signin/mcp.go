package signin

import (
	"strings"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/providers/oauth/mcp"
)

// Client is how we introduce ourselves to the authorization servers of MCP
// servers, as people reach us at origin.
func (a *Guard) Client(origin string) mcp.Client {
	c := mcp.Client{Name: "Attaché", RedirectURIs: []string{origin + paths.Callback}}
	if public := a.c.PublicURL; strings.HasPrefix(public, "https://") && !Loopback(strings.TrimPrefix(public, "https://")) {
		c.DocumentURL = public + paths.ClientDocument
	}
	return c
}
