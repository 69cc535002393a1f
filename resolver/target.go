package resolver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Target is where a request is to go, in its normal form.
type Target struct {
	// Host is lower case, without trailing dot; IDNA names are A-labels; IPv6
	// addresses have no brackets and no zone.
	Host string
	// Port is a number from 1 to 65535.
	Port string
	// Plain says that the agent asked for plain HTTP.
	Plain bool
}

// Authority is host:port as it stands in a Host header: the port is left out
// where it is the default of the scheme that we speak.
func (t Target) Authority(https bool) string {
	host := t.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if https && t.Port == "443" || !https && t.Port == "80" {
		return host
	}
	return host + ":" + t.Port
}

// ParseTarget reads host or host:port. The default port is used where there is
// none; an empty default makes the port required (CONNECT).
func ParseTarget(authority, defaultPort string) (Target, error) {
	if strings.Contains(authority, "@") {
		return Target{}, errors.New("user information (user:password@) is not taken here; send the agent's credentials as Proxy-Authorization or Authorization")
	}
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.Contains(authority[i:], "]") {
		host, port = authority[:i], authority[i+1:]
		if port == "" {
			return Target{}, fmt.Errorf("%q has an empty port", authority)
		}
	}
	if port == "" {
		if defaultPort == "" {
			return Target{}, fmt.Errorf("%q has no port; write host:port", authority)
		}
		port = defaultPort
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return Target{}, fmt.Errorf("port %q is not a number from 1 to 65535", port)
	}
	h, err := normalHost(host)
	if err != nil {
		return Target{}, err
	}
	return Target{Host: h, Port: strconv.FormatUint(n, 10)}, nil
}

// normalHost brings a host to the form in which hosts are compared.
func normalHost(host string) (string, error) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		if !ok || err != nil || a.Zone() != "" {
			return "", fmt.Errorf("%q is no IPv6 address (zones are not taken)", host)
		}
		return a.Unmap().String(), nil
	}
	if isPlainName(host) {
		return host, nil // the common case, without allocating
	}
	h := strings.TrimSuffix(strings.ToLower(host), ".")
	if a, err := netip.ParseAddr(h); err == nil {
		if a.Is6() {
			return "", fmt.Errorf("IPv6 address %q needs brackets", host)
		}
		return a.String(), nil
	}
	if legacyIPv4(h) {
		return "", fmt.Errorf("%q is an unusual way to write an IPv4 address; write four decimal numbers", host)
	}
	a, err := idna.Lookup.ToASCII(h)
	if err != nil && !isLooseName(h) {
		return "", fmt.Errorf("%q is no host name", host)
	}
	if err != nil {
		a = h
	}
	if _, err := netip.ParseAddr(a); err == nil || !isLooseName(a) || legacyIPv4(a) {
		return "", fmt.Errorf("%q is no host name", host) // full-width digits become an address only now
	}
	return a, nil
}

// isPlainName reports a name that is already in its normal form and cannot be
// an address.
func isPlainName(s string) bool {
	if len(s) == 0 || len(s) > 253 || s[0] == '.' || s[0] == '-' || s[len(s)-1] == '.' || strings.Contains(s, "..") || strings.Contains(s, "--") {
		return false
	}
	letter, start := false, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z':
			letter = true
		case c == '.':
			start = i + 1
		case c >= '0' && c <= '9', c == '-':
		default:
			return false
		}
		if i-start >= 63 {
			return false
		}
	}
	last := s[strings.LastIndexByte(s, '.')+1:]
	return letter && (last[0] < '0' || last[0] > '9')
}

// isLooseName admits what DNS admits and IDNA does not, such as underscores.
func isLooseName(s string) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// legacyIPv4 reports forms such as 0x7f.1, 2130706433 and 127.1, which
// resolvers of the C library read as addresses.
func legacyIPv4(s string) bool {
	last := s[strings.LastIndexByte(s, '.')+1:]
	_, err := strconv.ParseUint(last, 0, 64)
	return err == nil
}

// JoinHostPort is the address to dial.
func (t Target) JoinHostPort() string { return net.JoinHostPort(t.Host, t.Port) }
