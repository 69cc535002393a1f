package providers

import (
	"fmt"
	"slices"
)

// InjectDef says where a request that carries a credential of the client's own passes
// with that, instead of the account's. It holds for agents alone whose grant has
// placeholder; every other agent's credential is always replaced.
type InjectDef struct {
	// Placeholder are patterns of paths: * is one segment, ** any rest. None means
	// every path.
	Placeholder []string `yaml:"placeholder"`
}

func (c *Connector) compileInject() error {
	for _, text := range c.Inject.Placeholder {
		p, err := ParsePath(text)
		if err != nil {
			return fmt.Errorf("inject.placeholder %q: %w", text, err)
		}
		c.leaves = append(c.leaves, p)
	}
	return nil
}

// LeavesOwn reports whether a credential of the client's own may stay on a request
// for a path, which is escaped.
func (c *Connector) LeavesOwn(path string) bool {
	return len(c.leaves) == 0 || slices.ContainsFunc(c.leaves, func(p *PathPattern) bool { return p.Matches(path) })
}
