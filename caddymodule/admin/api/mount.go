package api

import (
	"context"

	"github.com/attache-proxy/attache/caddymodule/admin/signin"
)

// Mount registers the resources. Sees refuses an agent that a caller does not see.
func Mount(c Config) (sees func(ctx context.Context, c *signin.Caller, agentID string) error) {
	a := &API{c: c, v: c.Vault, log: c.Log, guard: c.Guard, turns: c.Turns, rest: c.Rest}
	for _, mount := range []func(*API){
		mountMe, mountSession, mountConnectors, mountConnectorEdits, mountApps, mountAccounts, mountAccountActions, mountAccountStatus, mountTestMode, mountStorage, mountAuthorize, mountConnectSessions, mountBulk,
		mountAgents, mountAgentTokens, mountGrants, mountTokens,
	} {
		mount(a)
	}
	return func(ctx context.Context, c *signin.Caller, agentID string) error {
		_, err := a.agent(ctx, c, agentID)
		return err
	}
}
