// Package egress is the one place that dials out. Every connection that leaves
// (to services, to token endpoints, for opaque tunnels) is checked here after
// DNS and at the moment of dialling, so that a name that changes between check
// and dial gains nothing.
package egress

import (
	"fmt"
	"net/netip"
)

// Guard decides which addresses may be dialled. The zero Guard lets through
// public addresses only.
type Guard struct {
	// Allow are the operator's named exceptions.
	Allow []netip.Prefix
}

// DeniedError says that an address may not be dialled. It matches no other error.
type DeniedError struct {
	// Addr is the address, as dialled.
	Addr netip.Addr
	// Why is what the address is: "loopback", "private", …
	Why string
}

// Denied tells those who cannot import this package what the error is.
func (e *DeniedError) Denied() bool { return true }

func (e *DeniedError) Error() string {
	return fmt.Sprintf("address %s is refused: %s", e.Addr, e.Why)
}

// special are the ranges that are not the public internet. Sources: the IANA
// special-purpose address registries for IPv4 and IPv6, and the metadata
// services that sit at public-looking addresses.
var special = []struct {
	prefix netip.Prefix
	why    string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this host (RFC 1122)"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private (RFC 1918)"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared by carriers (RFC 6598)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("168.63.129.16/32"), "Azure's host agent"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local, cloud metadata"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private (RFC 1918)"},
	{netip.MustParsePrefix("192.0.0.0/24"), "IETF protocol assignments"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private (RFC 1918)"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local NAT64"},
	{netip.MustParsePrefix("100::/64"), "discard-only"},
	{netip.MustParsePrefix("2001:2::/48"), "benchmarking"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("3fff::/20"), "documentation"},
	{netip.MustParsePrefix("5f00::/16"), "segment routing"},
	{netip.MustParsePrefix("fc00::/7"), "unique local"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// Check returns a *DeniedError where addr may not be dialled. IPv4 addresses
// inside IPv6 ones (mapped, compatible, NAT64, 6to4, Teredo) are checked too.
func (g *Guard) Check(addr netip.Addr) error {
	addr = addr.WithZone("").Unmap()
	for _, p := range g.Allow {
		if p.Contains(addr) {
			return nil
		}
	}
	for _, s := range special {
		if s.prefix.Contains(addr) {
			return &DeniedError{addr, s.why}
		}
	}
	if v4, how, ok := embedded(addr); ok {
		if err := g.Check(v4); err != nil {
			return &DeniedError{addr, fmt.Sprintf("it holds %s (%s)", v4, how)}
		}
	}
	return nil
}

// embedded finds the IPv4 address that an IPv6 address carries.
func embedded(a netip.Addr) (v4 netip.Addr, how string, ok bool) {
	if !a.Is6() {
		return netip.Addr{}, "", false
	}
	b := a.As16()
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a):
		return at(12), "NAT64, RFC 6052", true
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return at(2), "6to4, RFC 3056", true
	case netip.MustParsePrefix("2001::/32").Contains(a):
		for i := 12; i < 16; i++ {
			b[i] = ^b[i]
		}
		return at(12), "Teredo, RFC 4380", true
	case netip.MustParsePrefix("::/96").Contains(a):
		return at(12), "IPv4-compatible, RFC 4291", true
	case b[8]&0xfc == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe:
		return at(12), "ISATAP, RFC 5214", true
	}
	return netip.Addr{}, "", false
}

// ParseAllow reads the operator's exceptions: addresses or CIDR prefixes.
func ParseAllow(args []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range args {
		if p, err := netip.ParsePrefix(s); err == nil {
			out = append(out, p.Masked())
			continue
		}
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an IP address nor a prefix such as 10.0.0.0/8", s)
		}
		a = a.Unmap()
		out = append(out, netip.PrefixFrom(a, a.BitLen()))
	}
	return out, nil
}
