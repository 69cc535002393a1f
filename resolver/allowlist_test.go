package resolver_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/resolver"
)

// TestAllowListIsNamed: who is kept from a connector by the agent's allow list is
// told so, and not to ask for a grant.
func TestAllowListIsNamed(t *testing.T) {
	w := newWorld(t, worldConfig{yaml: pasted, accounts: []*resolver.Account{account("a", "key-12345")}, grants: []resolver.Grant{}})
	ask := w.ask("GET", "/")
	agent := *ask.Agent
	agent.Only, ask.Agent = []string{"other"}, &agent
	_, err := w.Decide(t.Context(), ask)
	ref, ok := resolver.AsRefusal(err)
	if !ok || ref.Code != "not_permitted" || !strings.Contains(ref.Detail, "allow list") || !strings.Contains(ref.Next, "/connectors") {
		t.Errorf("Decide = %v; want not_permitted with the allow list named", err)
	}
}
