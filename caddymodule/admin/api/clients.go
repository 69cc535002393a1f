package api

import (
	"context"
	"strings"

	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/vault"
)

// needsClient reports whether nobody can connect a connector before an OAuth client is
// stored: each of its ways is a person's sign-in through one.
func needsClient(con *providers.Connector) bool {
	for _, o := range con.Options {
		if o.Type != providers.TypeOAuth2 || connect.FlowOf(o) == "credentials" {
			return false
		}
	}
	return len(con.Options) > 0
}

// clients are the connectors for which the caller has an OAuth client that is in use;
// key may be empty, for all.
func clients(ctx context.Context, c *signin.Caller, key string) (map[string]bool, error) {
	out := map[string]bool{}
	page := vault.Page{Limit: 500}
	for {
		l, err := c.Apps(ctx, vault.AppFilter{Connector: key}, page)
		if err != nil {
			return nil, err
		}
		for _, app := range l.Items {
			out[app.Connector] = out[app.Connector] || app.Active
		}
		if page.After = l.Next; page.After == "" {
			return out, nil
		}
	}
}

// await makes a connector pending that waits for its OAuth client.
func (b *Connector) await(con *providers.Connector, has map[string]bool) {
	if con != nil && b.State == "active" && needsClient(con) && !has[b.Key] {
		b.State = "pending"
	}
}

// grantedTo are the connectors of which an agent may use an account; nil for no agent.
func (a *API) grantedTo(ctx context.Context, c *signin.Caller, agent string) (map[string]bool, error) {
	if agent == "" {
		return nil, nil
	}
	out := map[string]bool{}
	if _, err := a.agent(ctx, c, agent); err != nil {
		return nil, a.rest.Explain(err, "AGENT", c)
	}
	if strings.HasPrefix(agent, vault.FileAgent) {
		for _, g := range a.fileGrants(agent) {
			out[g.Connector] = true
		}
	}
	page := vault.Page{Limit: 500}
	for {
		l, err := c.Grants(ctx, vault.GrantFilter{AgentID: agent}, page)
		if err != nil {
			return nil, err
		}
		for _, g := range l.Items {
			out[g.Connector] = true
		}
		if page.After = l.Next; page.After == "" {
			return out, nil
		}
	}
}
