package client

import (
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/secret"
)

// ProxyOf returns the variables of an environment that name a proxy for HTTP
// or HTTPS, with the host and port that they name.
func ProxyOf(environ []string) map[string]string {
	env := lookup(environ)
	out := map[string]string{}
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		value := env[name]
		if value == "" {
			continue
		}
		if !strings.Contains(value, "://") {
			value = "http://" + value
		}
		out[name] = "something that is no URL"
		if u, err := url.Parse(value); err == nil && u.Host != "" {
			out[name] = u.Scheme + "://" + u.Host
		}
	}
	return out
}

// Bypassed returns the entries of NO_PROXY that lead a connector's host past
// the proxy, each with that host.
func (a *About) Bypassed(environ []string) map[string]string {
	env := lookup(environ)
	out := map[string]string{}
	for _, list := range []string{env["NO_PROXY"], env["no_proxy"]} {
		for e := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' }) {
			for _, c := range a.Connectors {
				for _, h := range c.Hosts {
					if leadsPast(e, hostOf(h)) {
						out[e] = h
					}
				}
			}
		}
	}
	return out
}

// Distrusting returns the trust variables of an environment whose file does
// not hold the certificate.
func Distrusting(environ []string, ca []byte) (names []string) {
	env := lookup(environ)
	want := certificates(ca)
	for _, v := range trustVariables {
		if env[v.name] == "" {
			continue
		}
		text, _ := os.ReadFile(env[v.name])
		have := certificates(text)
		for _, der := range want {
			if !slices.ContainsFunc(have, func(d []byte) bool { return string(d) == string(der) }) {
				names = append(names, v.name)
				break
			}
		}
	}
	return names
}

// Leaks returns the variables of an environment that hold what looks like a
// real key of the connector: neither a placeholder nor the agent's token.
func (c *Connector) Leaks(environ []string, token secret.Value) (names []string) {
	env := lookup(environ)
	for name, value := range c.Env {
		now := env[name]
		if now == "" || now == value || strings.Contains(value, baseMark) || !strings.Contains(value, placeholder) && !looksSecret(now) {
			continue
		}
		if strings.Contains(now, placeholder) || !token.IsZero() && token.Equal(secret.New(now)) {
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// looksSecret tells keys from user names, regions and the like: long, and
// neither a word nor an address.
func looksSecret(s string) bool {
	return len(s) >= 16 && !strings.ContainsAny(s, " @/") && strings.ContainsAny(s, "0123456789")
}
