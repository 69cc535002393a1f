package rule

import (
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers"
)

// Place is where a grant holds.
type Place struct {
	// Hosts are names, or *.name for every name below; none means every host of
	// the connector.
	Hosts []string
	// Methods are HTTP methods; none means every one.
	Methods []string
	// Path is a pattern: * is one segment, ** any rest; nil means every path.
	Path *providers.PathPattern
}

// Covers reports whether a request is in the place.
func (r *Place) Covers(host, method, path string) bool {
	return (len(r.Methods) == 0 || slices.Contains(r.Methods, method)) &&
		(len(r.Hosts) == 0 || slices.ContainsFunc(r.Hosts, func(h string) bool { return hostFits(h, host) })) &&
		(r.Path == nil || r.Path.Matches(path))
}

// hostFits compares a rule's host with a target's, which is in its normal form.
func hostFits(pattern, host string) bool {
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasPrefix(suffix, ".") && len(host) > len(suffix) && strings.HasSuffix(host, suffix)
	}
	return pattern == host
}
