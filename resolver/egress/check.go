package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// CheckHost refuses a host none of whose addresses may be dialled, before
// anything is sent there. It does not stand for the check when dialling: a name
// may have other addresses then.
func (d *Dialer) CheckHost(ctx context.Context, host string) error {
	resolver := d.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	addrs := []netip.Addr{}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		addrs = append(addrs, a)
	} else if addrs, err = resolver.LookupNetIP(ctx, "ip", host); err != nil {
		return fmt.Errorf("the name %s cannot be resolved", host)
	}
	var last error
	for _, a := range addrs {
		if last = d.Guard.Check(a); last == nil {
			return nil
		}
	}
	return last
}

// Names reports whether the operator named a host as one that may be dialled
// although it is not public: an address among the exceptions, or localhost where
// loopback is.
func (g *Guard) Names(host string) bool {
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1"
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return false
	}
	for _, p := range g.Allow {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}
