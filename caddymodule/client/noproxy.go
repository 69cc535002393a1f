package client

import (
	"net/netip"
	"slices"
	"strings"
)

// direct are the hosts that are never asked through a proxy: the agent's own
// machine.
var direct = []string{"localhost", "127.0.0.1", "::1"}

// noProxy is NO_PROXY: what stands there, what is ours, and the proxy itself,
// without what would lead a connector's host past the proxy. Dropped holds the
// entries that were left out, each with a host that it would have taken along.
//
// Clients agree on little here. Most take example.com as example.com and all
// its subdomains, so localhost would take along demo.localhost; no way of
// writing it means localhost alone.
func noProxy(current, proxyHost string, hosts []string) (value string, dropped map[string]string) {
	var entries []string
	for e := range strings.FieldsFuncSeq(current, func(r rune) bool { return r == ',' || r == ' ' }) {
		entries = append(entries, e)
	}
	entries = append(entries, direct...)
	entries = append(entries, proxyHost)
	dropped = map[string]string{}
	var kept []string
	for _, e := range entries {
		if slices.Contains(kept, e) || e == "" {
			continue
		}
		if i := slices.IndexFunc(hosts, func(h string) bool { return leadsPast(e, h) }); i >= 0 {
			dropped[e] = hosts[i]
			continue
		}
		kept = append(kept, e)
	}
	return strings.Join(kept, ","), dropped
}

// leadsPast reports whether an entry of NO_PROXY fits a host, or some host of a
// pattern.
func leadsPast(entry, host string) bool {
	entry = strings.ToLower(strings.TrimSpace(entry))
	if entry == "*" {
		return true
	}
	if prefix, err := netip.ParsePrefix(entry); err == nil {
		addr, err := netip.ParseAddr(host)
		return err == nil && prefix.Contains(addr)
	}
	name := hostOf(entry)
	if strings.Count(entry, ":") > 1 && !strings.HasPrefix(entry, "[") {
		name = entry // an IPv6 address
	}
	name = strings.TrimPrefix(strings.TrimPrefix(name, "*"), ".")
	if name == "" {
		return false
	}
	if host == name || strings.HasSuffix(host, "."+name) {
		return true
	}
	// Of a pattern only the part after its last * or field is known; {fields.host}
	// alone says nothing.
	i := strings.LastIndexAny(host, "*}")
	tail, ok := strings.CutPrefix(host[i+1:], ".")
	if i < 0 || tail == "" {
		return false
	}
	if !ok { // eu-*example.com
		return strings.HasSuffix(name, tail)
	}
	return name == tail || strings.HasSuffix(name, "."+tail)
}
