package client

import (
	"slices"
	"strings"
)

// IdentityPath is where the run's own listener stands for Azure's managed identities.
const IdentityPath = WellKnown + "/identity"

// Placeholder is what the listener hands out for a token.
const Placeholder = placeholder

// NeedsListener reports whether some service's libraries look for a credential where
// machines of a cloud have it: then a listener of the run's own hands out placeholders.
func (a *About) NeedsListener() bool { return a.has("googleapis.com") || a.has(azure...) }

// azure are the domains of services for which Azure's libraries want an identity.
var azure = []string{"management.azure.com", "graph.microsoft.com", "vault.azure.net", "core.windows.net"}

// has reports a connector with a host of a domain.
func (a *About) has(domains ...string) bool {
	return slices.ContainsFunc(a.Connectors, func(c Connector) bool {
		return slices.ContainsFunc(c.Hosts, func(pattern string) bool {
			host := hostOf(pattern)
			return slices.ContainsFunc(domains, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
		})
	})
}
