package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/rule"
)

// ErrAsks is a rule with ask where nothing is remembered.
var ErrAsks = errors.New("a rule with ask needs a vault, in which the question and its answer are kept; write vault sqlite PATH or vault postgres URL in the option attache, or allow or deny instead")

// Rules compiles a grant's rules of operations; nil where it has none. Table is the
// connector's, or nil.
func Rules(g *Grant, table operations.Table) (*rule.Set, error) {
	if len(g.Operations) == 0 {
		return nil, nil
	}
	set, err := rule.New(g.Operations, table)
	if err != nil {
		return nil, fmt.Errorf("grant %s: %w", g.Connector, err)
	}
	if !g.Write {
		set = set.OnlyReading()
	}
	return set, nil
}

// AgentBudgets compiles an agent's own budgets; nil where it has none.
func AgentBudgets(name string, c *Agent) (*budget.Plan, error) {
	return budget.New(budget.Owner{Kind: "agent", ID: "file:" + name, Name: name}, c.Budgets)
}

// GrantBudgets compiles those of one of its grants.
func GrantBudgets(agent string, g *Grant) (*budget.Plan, error) {
	of := strings.TrimSuffix(g.Connector+":"+g.Account, ":")
	p, err := budget.New(budget.Owner{Kind: "grant", ID: "file:" + agent + "/" + of, Name: of + " of agent " + agent}, g.Budgets)
	if err != nil {
		err = fmt.Errorf("grant %s: %w", of, err)
	}
	return p, err
}

// AccountBudgets compiles those of an account.
func AccountBudgets(connector, name string, c *Account) (*budget.Plan, error) {
	return budget.New(budget.Owner{Kind: "account", ID: "file:" + connector + ":" + name, Name: connector + ":" + name}, c.Budgets)
}
