package providers

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// ParseAuthority reads host or host:port and brings the host to the form in
// which hosts are compared: lower case, no trailing dot, IDNA names as A-labels,
// IPv6 addresses without brackets and zone. The port is empty where there is
// none, else a number from 1 to 65535.
func ParseAuthority(authority string) (host, port string, err error) {
	if strings.Contains(authority, "@") {
		return "", "", errors.New("user information (user:password@) is not taken here; send the agent's credentials as Proxy-Authorization or Authorization")
	}
	host = authority
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.Contains(authority[i:], "]") {
		if host, port = authority[:i], authority[i+1:]; port == "" {
			return "", "", fmt.Errorf("%q has an empty port", authority)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return "", "", fmt.Errorf("port %q is not a number from 1 to 65535", port)
		}
		port = strconv.FormatUint(n, 10)
	}
	host, err = normalHost(host)
	return host, port, err
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
