package config

import (
	"errors"
	"fmt"

	"github.com/attache-proxy/attache/providers/operations"
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
