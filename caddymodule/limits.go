package caddymodule

import (
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/limit"
)

// underWay are the requests of all configurations, and inUse what each agent has
// in use: both outlive a reload.
var (
	underWay resolver.Running
	inUse    limit.Agents
)

// limitOf is what an agent has in use.
func (a *App) limitOf(id string, own limit.Limits) *limit.Agent {
	return inUse.Of(id, own.Over(a.Limits))
}
