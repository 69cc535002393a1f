package providers

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/attache-proxy/attache/providers/usage"
)

func (c *Connector) compileUsage() (err error) {
	if c.usage, err = usage.New(&c.Usage); err != nil {
		return err
	}
	for _, path := range c.Usage.Paths {
		p, err := ParsePath(path)
		if err != nil {
			return fmt.Errorf("usage.paths %q: %w", path, err)
		}
		c.usageAt = append(c.usageAt, p)
	}
	return nil
}

// TokensOf reads the tokens of a request's answer; nil where it uses none.
func (c *Connector) TokensOf(method, path string) *usage.Spec {
	if c.usage == nil || method != http.MethodPost {
		return nil
	}
	if c.usageAt != nil && !slices.ContainsFunc(c.usageAt, func(p *PathPattern) bool { return p.Matches(path) }) {
		return nil
	}
	return c.usage
}
