package caddymodule

import (
	"github.com/attache-proxy/attache/resolver/budget"
)

// ownBudgets counts where there is neither Redis nor a vault. It outlives a reload.
var ownBudgets budget.Memory

// budgets counts where all replicas do: in Redis, else in the vault.
func (a *App) budgets(c sharedCache) *budget.Keeper {
	k := &budget.Keeper{Store: &ownBudgets}
	if a.vault != nil {
		k.Store = a.vault.Budgets()
	}
	if pooled, ok := c.(pooledCache); ok {
		c = pooled.sharedCache
	}
	if redis, ok := c.(interface{ Budgets() budget.Store }); ok {
		k.Store = redis.Budgets()
	}
	return k
}
