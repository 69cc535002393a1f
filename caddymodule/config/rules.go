package config

import (
	"fmt"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/rule"
)

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
