package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers"
)

// Definitions are the catalogue, overlaid with the connectors of dir, overlaid
// with those of the configuration. Both may be empty. Files of dir with mistakes are
// an error, and the others are returned beside it; where nothing can be used it is nil.
func Definitions(dir string, connectors map[string]*Connector) (*providers.Definitions, error) {
	defs := providers.BuiltIn()
	var broken error
	if dir != "" {
		own, err := providers.LoadDir(dir)
		if broken = err; own == nil {
			return nil, err
		}
		for _, d := range own {
			d.AllowHTTP()
			defs.Put(d)
		}
	}
	for key, c := range connectors {
		if len(c.Definition) > 0 {
			d, err := providers.Parse(cmp.Or(c.Source, "connector "+key), c.Definition)
			if err != nil {
				return nil, err
			}
			if d.Key != key {
				return nil, fmt.Errorf("%s: connector %s: the definition's key is %q; make them the same", cmp.Or(c.Source, "configuration"), key, d.Key)
			}
			if d.Extends == key {
				base, err := defs.Get(key)
				if err != nil {
					return nil, err
				}
				if base == nil {
					return nil, fmt.Errorf("%s: connector %s: hosts are missing, and there is no built-in connector of that name; name at least one host that the credential may go to", c.Source, key)
				}
				d = d.Over(base)
			}
			d.AllowHTTP()
			defs.Put(d)
		} else if !defs.Has(key) {
			if broken != nil {
				return nil, broken // it may be in one of these files
			}
			return nil, fmt.Errorf("%s: connector %s is neither built in nor in the connectors directory; give it hosts and sign, or correct its name (attache connectors list)", c.Source, key)
		}
	}
	return defs, broken
}

// Meant is the one connector whose key is like key, which is none: written
// without hyphens, or one beginning with the other. Else the error names those
// that are.
func Meant(defs *providers.Definitions, key string) (string, error) {
	var same, like []string
	for _, k := range defs.Keys() {
		switch {
		case squash(k) == squash(key):
			same = append(same, k)
		case strings.HasPrefix(k, key) || strings.HasPrefix(key, k+"-"):
			like = append(like, k)
		}
	}
	if len(same) > 0 {
		like = same
	}
	slices.Sort(like)
	switch len(like) {
	case 0:
		return "", fmt.Errorf("there is no connector %q; attache connectors list shows them", key)
	case 1:
		return like[0], nil
	}
	return "", fmt.Errorf("there is no connector %q (perhaps %s); attache connectors list shows them", key, strings.Join(like, ", "))
}

// squash leaves letters and digits, in lower case.
func squash(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(s))
}
