package providers

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// prefixShape is a path that a client may have left out the beginning of, or that
// beginning.
var prefixShape = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

func (c *Connector) checkPrefixes() error {
	for prefix, paths := range c.Prefixes {
		for _, p := range append([]string{prefix}, paths...) {
			if !prefixShape.MatchString(p) || DotSegments(p) {
				return fmt.Errorf("prefixes: %q: want a path such as /v1", p)
			}
		}
		for _, p := range paths {
			if below(p, prefix) || below(prefix, p) {
				return fmt.Errorf("prefixes: %s: %s is below it already, or above it", prefix, p)
			}
		}
	}
	return nil
}

// FullPath is an escaped path at the base-URL door with the beginning that its client
// took for a part of the base URL.
func (c *Connector) FullPath(path string) string {
	for _, prefix := range slices.Sorted(maps.Keys(c.Prefixes)) {
		if slices.ContainsFunc(c.Prefixes[prefix], func(p string) bool { return below(path, p) }) {
			return prefix + path
		}
	}
	return path
}

func below(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}
