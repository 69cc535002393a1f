package client

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers"
)

// placeholder is the word in the values with which clients start although they
// have no key.
const placeholder = "attache"

// baseMark stands for a connector's base-URL door.
const baseMark = "{base}"

// connectorKey is what a connector may be called; it stands in base URLs.
var connectorKey = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,99}$`)

// setConnector sets what a service's clients read: a base URL, and a
// placeholder instead of a key.
//
// At the base-URL door the key is how the proxy knows the agent: where the
// agent has a token, the key is the token. Elsewhere the proxy's own
// credentials say who it is, and the key only has to look like one.
func (e *Environment) setConnector(r Request, c Connector) {
	if !connectorKey.MatchString(c.Key) {
		e.Warnings = append(e.Warnings, fmt.Sprintf("the proxy names a connector %.60q, which is no name of one", c.Key))
		return
	}
	base := r.base(c)
	names := slices.Sorted(maps.Keys(c.Env))
	ours := false // the clients' requests come to the base-URL door
	for _, name := range names {
		if strings.Contains(c.Env[name], baseMark) && e.claim(name, c) {
			ours = e.setBase(r, name, strings.ReplaceAll(c.Env[name], baseMark, base), c) || ours
		}
	}
	for _, name := range names {
		value := c.Env[name]
		if strings.Contains(value, baseMark) || !e.claim(name, c) {
			continue
		}
		if ours && r.Through == nil && !r.Token.IsZero() && strings.Contains(value, placeholder) {
			e.setKey(name, r.Token.Reveal(), c, true)
		} else {
			if old := e.current[name]; old != "" && old == r.Token.Reveal() {
				delete(e.current, name) // of attache env: the relay knows it
			}
			e.setKey(name, value, c, false)
		}
	}
}

// base is the connector's base-URL door.
func (r *Request) base(c Connector) string {
	account := r.Accounts[c.Key]
	if account == "" && slices.Contains(c.Accounts, r.Account) {
		account = r.Account
	}
	base := r.door().String() + "/" + c.Key
	if account != "" {
		base += ":" + url.PathEscape(account)
	}
	return base
}

// claim reports whether a connector may set a variable: its name and value are
// harmless, and no other connector was first.
func (e *Environment) claim(name string, c Connector) bool {
	if err := providers.CheckEnv(name, c.Env[name]); err != nil { // the proxy did so as well, if it is one
		e.Warnings = append(e.Warnings, fmt.Sprintf("connector %.60q names a variable that it may not set: %s", c.Key, cleaned(err.Error())))
		return false
	}
	if _, taken := e.Set[name]; taken {
		e.note("did not set", name+" for "+c.Key, "another connector was first")
		return false
	}
	return true
}

// setBase sets a base URL unless the user's own leads elsewhere than to the
// service itself, or to this proxy, as in a command inside a command. It reports whether the requests come to us.
func (e *Environment) setBase(r Request, name, value string, c Connector) bool {
	old := e.current[name]
	u, err := url.Parse(old)
	switch {
	case old == "" || err == nil && (u.Host == r.Proxy.Host || u.Host == r.door().Host):
	case err == nil && u.Host != "" && !c.has(u.Hostname()):
		e.note("kept", name, "it leads to a server of your own")
		return false
	default:
		e.note("replaced", name, "some clients would go past the proxy with it")
	}
	e.Set[name] = value
	return true
}

// has reports whether a host is one of the connector's.
func (c *Connector) has(host string) bool {
	return slices.ContainsFunc(c.Hosts, func(pattern string) bool {
		return strings.EqualFold(hostOf(pattern), host) || leadsPast(host, hostOf(pattern))
	})
}

// setKey sets a placeholder unless the user has a value of their own there.
func (e *Environment) setKey(name, value string, c Connector, needed bool) {
	old := e.current[name]
	switch {
	case old == "" || old == value || old == c.Env[name]:
	case needed:
		e.note("replaced", name, "at "+c.Key+"'s base URL the proxy knows the agent by it")
	default:
		e.Warnings = append(e.Warnings, fmt.Sprintf("%s holds a value of your own, which the command can read; unset it and the command gets a placeholder", name))
		return
	}
	e.Set[name] = value
}
