package caddymodule

import (
	"cmp"
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/vault"
)

// ownBudgets counts where there is neither Redis nor a vault. It outlives a reload.
var ownBudgets budget.Memory

// openBudgets counts where all replicas do: in Redis, else in the vault.
func (a *App) openBudgets(c sharedCache) {
	a.budgets = &budget.Keeper{Store: &ownBudgets, Warn: a.warnOfBudget}
	if a.vault != nil {
		a.budgets.Store = a.vault.Budgets()
	}
	if pooled, ok := c.(pooledCache); ok {
		c = pooled.sharedCache
	}
	if redis, ok := c.(interface{ Budgets() budget.Store }); ok {
		a.budgets.Store = redis.Budgets()
	}
}

// warnOfBudget tells the operator, without making the request wait.
func (a *App) warnOfBudget(w budget.Warning) {
	a.metrics.BudgetWarning(w.Of.Kind)
	a.logger.Warn("a budget is nearly used up", zap.String("owner", w.Of.String()), zap.String("budget", w.Line),
		zap.String("used", w.Amount(w.Used)), zap.Time("resets_at", w.Until))
	if a.vault == nil {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := a.vault.WarnOfBudget(ctx, vault.BudgetAlert{Organisation: cmp.Or(w.Of.Organisation, vault.DefaultOrganisation), OwnerKind: w.Of.Kind, OwnerID: w.Of.ID, Owner: w.Of.Name,
			Line: w.Line, Used: w.Amount(w.Used), Most: w.Amount(w.Most), ResetsAt: w.Until})
		if err != nil {
			a.logger.Warn("the webhooks could not be told of a budget", zap.Error(err))
		}
	}()
}

// Plans implements budgets.Source: those of the configuration file.
func (o backend) Plans() (out []*budget.Plan) {
	a := o.app
	add := func(p *budget.Plan) {
		if p.Has() {
			out = append(out, p)
		}
	}
	for _, acct := range a.accounts {
		add(acct.Budgets)
	}
	for _, p := range a.plans {
		add(p)
	}
	return out
}

// States implements budgets.Source.
func (o backend) States(ctx context.Context, p *budget.Plan) ([]budget.State, error) {
	return o.app.budgets.States(ctx, p)
}
