package caddymodule

import (
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/limit"
)

// tunnelAgent is who opened a tunnel. It is looked up again for each request
// inside: a token that was revoked works no more, although the tunnel is open.
type tunnelAgent struct {
	agent   *resolver.Agent
	account string
	door    resolver.Door
	user    string
	token   secret.Value
	ours    bool // the tunnel ends at our own doors: some clients heed no NO_PROXY
}

// header counts bytes of headers that are not complete, against the agent's limit.
func (t *tunnelAgent) header(n int64) bool {
	if n < 0 {
		t.agent.Limit.Give(limit.Headers, -n)
		return true
	}
	return t.agent.Limit.Take(limit.Headers, n)
}

// String is the agent's name, for logs.
func (t *tunnelAgent) String() string { return t.agent.Name }
