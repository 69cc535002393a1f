package api

// Mount registers every resource.
func Mount(c Config) {
	a := &API{c: c, v: c.Vault, log: c.Log, guard: c.Guard, turns: c.Turns, rest: c.Rest}
	for _, mount := range []func(*API){
		mountMe, mountSession, mountConnectors, mountConnectorEdits, mountApps, mountAccounts, mountAccountActions, mountAccountStatus, mountTestMode, mountStorage, mountAuthorize, mountConnectSessions, mountBulk,
		mountAgents, mountAgentTokens, mountGrants, mountTokens,
	} {
		mount(a)
	}
}
