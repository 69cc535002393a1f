package providers

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/normal"
)

// Allows reports whether the credential of an account may go to host and port,
// in the normal form of ParseAuthority. For a host that is a template the
// account's own values decide: one tenant's credential never goes to another
// tenant's host.
func (h *Host) Allows(host, port string, v *expr.Vars) bool {
	if !h.inEnvironment(v) {
		return false
	}
	if h.template == nil {
		return h.matches(host) && fitsPort(h.Port, port)
	}
	own, ownPort, err := h.Own(v)
	if err != nil || !fitsPort(ownPort, port) {
		return false
	}
	if h.wild() {
		return globFits(own, host)
	}
	return own == host
}

// PortFor is the port that an account's values, or the pattern, name; empty for
// the scheme's default.
func (h *Host) PortFor(v *expr.Vars) string {
	if h.template == nil {
		return h.Port
	}
	_, port, _ := h.Own(v)
	return port
}

// fitsPort reports whether a port is the one named, or the default of https or
// http where none is.
func fitsPort(named, port string) bool {
	if named != "" {
		return named == port
	}
	return port == "443" || port == "80"
}

// matches reports whether host fits the pattern, whatever the fields are.
func (h *Host) matches(host string) bool {
	if h.exact() {
		return h.glob == host
	}
	fits := globMatch
	if strings.HasPrefix(h.Pattern, "*.") {
		fits = globFits
	}
	return fits(h.glob, host) && (h.labels == nil || h.labels.MatchString(host))
}

// globFits reports whether host fits a glob: "*." at the left is one or more
// labels, any other * a run without a dot.
func globFits(glob, host string) bool {
	suffix, ok := strings.CutPrefix(glob, "*.")
	if !ok {
		return globMatch(glob, host)
	}
	for {
		_, rest, ok := strings.Cut(host, ".")
		if !ok {
			return false
		}
		if globMatch(suffix, rest) {
			return true
		}
		host = rest
	}
}

// globMatch matches * against any run without a dot, not empty.
func globMatch(glob, s string) bool {
	head, rest, found := strings.Cut(glob, "*")
	if !found {
		return glob == s
	}
	s, ok := strings.CutPrefix(s, head)
	if !ok {
		return false
	}
	for n := 1; n <= len(s) && s[n-1] != '.'; n++ {
		if globMatch(rest, s[n:]) {
			return true
		}
	}
	return false
}

// fitsPath reports whether path (escaped, as on the wire) is under the prefix.
// A prefix that does not end in / fits whole segments only.
func (h *Host) fitsPath(path string) bool {
	if h.Path == "/" {
		return true
	}
	rest, ok := strings.CutPrefix(path, h.Path)
	return ok && (rest == "" || strings.HasSuffix(h.Path, "/") || rest[0] == '/' || rest[0] == '?')
}

// HostFor is the most specific of the connector's hosts that fits, or nil.
func (c *Connector) HostFor(host, port, path string, v *expr.Vars) *Host {
	if normal, err := NormalPath(path); err == nil {
		path = normal
	}
	return c.hostFor(host, port, path, v)
}

func (c *Connector) hostFor(host, port, path string, v *expr.Vars) *Host {
	var best *Host
	for _, h := range c.Hosts {
		if h.fitsPath(path) && h.Allows(host, port, v) && (best == nil || moreSpecific(Entry{Connector: c, Host: h, Port: h.Port}, Entry{Connector: c, Host: best, Port: best.Port}) < 0) {
			best = h
		}
	}
	return best
}

// Unclear says why it is not clear which of the connector's hosts a path of host
// belongs to; nil where all readings of it lead to the same one.
func (c *Connector) Unclear(host, port, path string, v *expr.Vars) error {
	if !c.ByPath {
		return nil
	}
	err := normal.Unclear(path, func(a, b string) bool { return c.hostFor(host, port, a, v) == c.hostFor(host, port, b, v) })
	if err != nil && !slices.ContainsFunc(c.Hosts, func(h *Host) bool { return h.Path != "/" && h.Allows(host, port, v) }) {
		return nil
	}
	return err
}

// SharesHost reports whether two connectors claim one host alike: then an agent
// with grants for both has to choose.
func (c *Connector) SharesHost(o *Connector) bool {
	for _, a := range c.Hosts {
		for _, b := range o.Hosts {
			if a.glob == b.glob && a.Port == b.Port && a.Path == b.Path && a.literal() > 0 {
				return true
			}
		}
	}
	return false
}

// NamesBelow reports whether the service has names of its own right below the host
// of the base URL, as object stores have buckets.
func (c *Connector) NamesBelow() bool {
	if c.BaseURL == nil {
		return false
	}
	_, rest, _ := strings.Cut(c.BaseURL.String(), "://")
	host, _, _ := strings.Cut(rest, "/")
	return slices.ContainsFunc(c.Hosts, func(h *Host) bool { return h.Path == "/" && h.Pattern == "*."+host })
}

// HasHostTemplates reports whether some host depends on the account.
func (c *Connector) HasHostTemplates() bool { return c.templates }

// Bindings are the exact hosts that an account's fields make of host templates.
func (c *Connector) Bindings(organisation string, v *expr.Vars) []Binding {
	var out []Binding
	for _, h := range c.Hosts {
		if h.template == nil || h.wild() || !h.inEnvironment(v) {
			continue // a pattern with a * is looked up as one, and Allows decides
		}
		if host, port, err := h.Own(v); err == nil {
			out = append(out, Binding{Entry{c, h, port, host}, organisation})
		}
	}
	return out
}

// FieldsOf reads the fields that stand in the pattern out of a host name that
// fits it, and the environment that the host belongs to; nil where none does. A
// port stays out of what it reads.
func (h *Host) FieldsOf(host string) map[string]string {
	if h.template == nil {
		if h.Environment != "" && h.matches(host) {
			return map[string]string{EnvironmentField: h.Environment}
		}
		return nil
	}
	if name, _, ok := strings.Cut(host, ":"); ok && h.glob != "*" {
		host = name
	}
	var names []string
	shape := "(?i)^"
	for rest := h.Pattern; rest != ""; {
		literal, after, found := strings.Cut(rest, "{fields.")
		shape += strings.ReplaceAll(regexp.QuoteMeta(literal), `\*`, `[^.]+`)
		if !found {
			break
		}
		name, tail, ok := strings.Cut(after, "}")
		if !ok || !fieldName.MatchString(name) {
			return nil
		}
		names, rest = append(names, name), tail
		shape += cmp.Or(map[bool]string{true: "(.+)"}[h.glob == "*"], "([^.]+)")
	}
	m := regexp.MustCompile(shape + "$").FindStringSubmatch(host)
	if m == nil {
		return nil
	}
	out := map[string]string{}
	for i, name := range names {
		out[name] = m[i+1]
	}
	if h.Environment != "" {
		out[EnvironmentField] = h.Environment
	}
	return out
}
