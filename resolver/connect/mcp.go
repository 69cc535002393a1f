// Package connect makes accounts come to be: what happens between a person, a
// service and the vault until there are credentials.
package connect

import (
	"context"
	"net/url"
	"time"

	"github.com/attache-proxy/attache/providers/oauth/mcp"
	"github.com/attache-proxy/attache/resolver/egress"
)

// MCPFinder asks MCP servers and their authorization servers, all through the
// guard.
func MCPFinder(guard *egress.Guard) *mcp.Finder {
	d := &egress.Dialer{Guard: guard}
	return &mcp.Finder{
		HTTP:      d.Client(20*time.Second, nil),
		Allow:     func(ctx context.Context, u *url.URL) error { return d.CheckHost(ctx, u.Hostname()) },
		AllowHTTP: guard.Names,
	}
}
