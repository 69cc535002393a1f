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

// near are names that lead to this machine, to its link (RFC 6762) or to what a
// cloud puts there, whatever a name server says.
var near = []string{"localhost", "localhost.localdomain", "localhost4", "localhost6", "localhost4.localdomain4", "localhost6.localdomain6",
	"ip6-localhost", "ip6-loopback", "broadcasthost", "local", "metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}

// CheckName says of a host as it is written, a pattern perhaps, that no address of
// it may be dialled. Other names are looked up when they are dialled.
func (g *Guard) CheckName(host string) error {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return g.Check(a)
	}
	for _, name := range near {
		if host != name && !strings.HasSuffix(host, "."+name) {
			continue
		}
		local, loopback := strings.HasSuffix(host, "local"), strings.Contains(name, "localhost") || name == "ip6-loopback"
		if loopback && g.Names("localhost") || local && len(g.Allow) > 0 {
			return nil
		}
		return fmt.Errorf("%s is a name of this machine or its link", name)
	}
	return nil
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
