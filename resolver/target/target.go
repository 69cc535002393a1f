// Package target reads where a request is to go.
package target

import (
	"fmt"
	"net"
	"strings"

	"github.com/attache-proxy/attache/providers"
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

// Parse reads host or host:port. The default port is used where there is
// none; an empty default makes the port required (CONNECT).
func Parse(authority, defaultPort string) (Target, error) {
	host, port, err := providers.ParseAuthority(authority)
	if err != nil {
		return Target{}, err
	}
	if port == "" {
		if defaultPort == "" {
			return Target{}, fmt.Errorf("%q has no port; write host:port", authority)
		}
		port = defaultPort
	}
	return Target{Host: host, Port: port}, nil
}

// JoinHostPort is the address to dial.
func (t Target) JoinHostPort() string { return net.JoinHostPort(t.Host, t.Port) }
