package providers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/normal"
)

// Index finds the connectors of a host, most specific first. It is built once
// and never changes; one Index serves both matching and enforcement. Each
// organisation sees what it has something to do with, and nothing else: a
// connector or an account of another one changes nothing for its agents.
type Index struct {
	byKey map[string]Use
	exact map[string][]claim
	// globs are the patterns with a *, by their last two labels.
	globs map[string][]claim
	// bound are the hosts of accounts.
	bound map[ownHost][]Entry
}

// Use is a connector that is in use, and by whom.
type Use struct {
	*Connector
	// Organisations are those that use it; nil means every one.
	Organisations map[string]bool
}

// seen reports whether it is there for an organisation.
func (u Use) seen(organisation string) bool {
	return u.Organisations == nil || u.Organisations[organisation]
}

// Entry is one host of one connector.
type Entry struct {
	Connector *Connector
	Host      *Host
	// Port is the account's own, for hosts of accounts; empty for the scheme's
	// default. Others have that of Host.
	Port string
	// Name is the account's own host in the normal form of ParseAuthority; empty for
	// hosts that are the connector's.
	Name string
}

// literal is how many characters of it are fixed: all of a host that an account adds.
func (e Entry) literal() int {
	if e.Name != "" {
		return len(e.Name)
	}
	return e.Host.literal()
}

// ported is 1 for a port of its own: those of https and http are what none means.
func (e Entry) ported() int {
	if e.Port == "" || fitsPort("", e.Port) {
		return 0
	}
	return 1
}

// claim is an entry, and who sees it.
type claim struct {
	Entry
	use Use
}

// ownHost names a host of accounts of one organisation.
type ownHost struct{ organisation, name string }

// Binding is an exact host that an account adds: the expansion of a host that
// is a template, such as {fields.host}.
type Binding struct {
	Entry
	// Organisation is the account's; only its agents see the host.
	Organisation string
}

// NewIndex builds an index that every organisation sees whole, but for the
// hosts of accounts.
func NewIndex(connectors []*Connector, bindings ...Binding) (*Index, error) {
	uses := make([]Use, len(connectors))
	for i, c := range connectors {
		uses[i].Connector = c
	}
	return NewIndexFor(uses, bindings...)
}

// NewIndexFor builds an index. Several connectors may claim one host: then the
// grants of who calls decide. It is an error when two have the same key.
func NewIndexFor(uses []Use, bindings ...Binding) (*Index, error) {
	x := &Index{byKey: map[string]Use{}, exact: map[string][]claim{}, globs: map[string][]claim{}, bound: map[ownHost][]Entry{}}
	for _, u := range uses {
		if other, ok := x.byKey[u.Key]; ok {
			return nil, fmt.Errorf("connector %s stands twice: in %s and in %s", u.Key, other.Source, u.Source)
		}
		x.byKey[u.Key] = u
		for _, h := range u.Hosts {
			x.add(claim{Entry{Connector: u.Connector, Host: h, Port: h.Port}, u})
		}
	}
	for _, lists := range []map[string][]claim{x.exact, x.globs} {
		for _, l := range lists {
			slices.SortStableFunc(l, func(a, b claim) int { return moreSpecific(a.Entry, b.Entry) })
		}
	}
	x.bind(bindings)
	return x, nil
}

func (x *Index) add(c claim) {
	switch h := c.Host; {
	case h.exact():
		x.exact[h.glob] = append(x.exact[h.glob], c)
	case h.literal() == 0: // {fields.host}: only the accounts' bindings match
	default:
		x.globs[tail(h.glob)] = append(x.globs[tail(h.glob)], c)
	}
}

// bind adds hosts of accounts, each once for all accounts that share it.
func (x *Index) bind(bindings []Binding) {
	type once struct {
		ownHost
		Entry
	}
	seen := make(map[once]bool, len(bindings))
	for _, b := range bindings {
		k := ownHost{b.Organisation, b.Name}
		if !seen[once{k, b.Entry}] {
			seen[once{k, b.Entry}] = true
			x.bound[k] = append(x.bound[k], b.Entry)
		}
	}
	for _, l := range x.bound {
		slices.SortStableFunc(l, moreSpecific)
	}
}

// moreSpecific orders entries: as bySpecificity, then by name so that the order
// is always the same.
func moreSpecific(a, b Entry) int {
	return cmp.Or(bySpecificity(a, b), cmp.Compare(a.Connector.Key, b.Connector.Key))
}

// bySpecificity orders entries for one host: more literal characters, then a
// port, then a longer path.
func bySpecificity(a, b Entry) int {
	return cmp.Or(
		cmp.Compare(b.literal(), a.literal()),
		cmp.Compare(b.ported(), a.ported()),
		cmp.Compare(len(b.Host.Path), len(a.Host.Path)),
	)
}

// AsSpecific reports whether neither of two entries for one host comes before
// the other: then who calls must choose.
func (e Entry) AsSpecific(o Entry) bool { return bySpecificity(e, o) == 0 }

// tail is the last two labels of a host or glob; a * in them makes it "*".
func tail(host string) string {
	i := strings.LastIndexByte(host, '.')
	if i > 0 {
		i = strings.LastIndexByte(host[:i], '.')
	}
	t := host[i+1:]
	if strings.Contains(t, "*") {
		return "*"
	}
	return t
}

// ByKey returns the connector with that key, whoever uses it.
func (x *Index) ByKey(key string) (*Connector, bool) {
	u, ok := x.byKey[key]
	return u.Connector, ok
}

// For returns the connector with that key if it is there for an organisation.
func (x *Index) For(organisation, key string) (*Connector, bool) {
	u, ok := x.byKey[key]
	return u.Connector, ok && u.seen(organisation)
}

// Connectors returns all connectors, by key.
func (x *Index) Connectors() []*Connector {
	out := make([]*Connector, 0, len(x.byKey))
	for _, u := range x.byKey {
		out = append(out, u.Connector)
	}
	slices.SortFunc(out, func(a, b *Connector) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

// Lookup appends the entries that a request of an organisation may be for, most
// specific first: names and hosts of accounts, then patterns. Host is in the
// normal form of ParseAuthority, port a number, path escaped as on the wire.
//
// A path that services may read in different ways is looked up as it stands; see Unclear.
func (x *Index) Lookup(dst []Entry, organisation, host, port, path string) []Entry {
	if normal, err := NormalPath(path); err == nil {
		path = normal
	}
	return x.lookup(dst, ownHost{organisation, host}, port, path)
}

// Unclear says why it is not clear which entries a path of host belongs to; nil
// where all readings of it lead to the same, or only the host decides.
func (x *Index) Unclear(organisation, host, port, path string) error {
	of := ownHost{organisation, host}
	err := normal.Unclear(path, func(a, b string) bool { return slices.Equal(x.lookup(nil, of, port, a), x.lookup(nil, of, port, b)) })
	if err != nil && len(x.find(nil, of, port, func(h *Host) bool { return h.Path != "/" })) == 0 {
		return nil
	}
	return err
}

func (x *Index) lookup(dst []Entry, of ownHost, port, path string) []Entry {
	return x.find(dst, of, port, func(h *Host) bool { return h.fitsPath(path) })
}

// Known reports whether any path of host and port belongs to a connector, as an
// organisation sees it.
func (x *Index) Known(organisation, host, port string) bool {
	var few [4]Entry
	return len(x.find(few[:0], ownHost{organisation, host}, port, func(*Host) bool { return true })) > 0
}

func (x *Index) find(dst []Entry, of ownHost, port string, fits func(*Host) bool) []Entry {
	for _, c := range x.exact[of.name] {
		if fitsPort(c.Port, port) && fits(c.Host) && c.use.seen(of.organisation) {
			dst = append(dst, c.Entry)
		}
	}
	exact := len(dst)
	for _, e := range x.bound[of] {
		if fitsPort(e.Port, port) && fits(e.Host) {
			dst = append(dst, e)
		}
	}
	if exact > 0 && len(dst) > exact { // both are this very host
		slices.SortStableFunc(dst, moreSpecific)
	}
	if len(x.globs) == 0 {
		return dst
	}
	for _, key := range [2]string{tail(of.name), "*"} {
		for _, c := range x.globs[key] {
			if c.Host.matches(of.name) && c.fits(port) && fits(c.Host) && c.use.seen(of.organisation) && !has(dst, c.Host) {
				dst = append(dst, c.Entry)
			}
		}
	}
	return dst
}

// has reports whether the host of an account, which is there already, was made
// of this pattern.
func has(entries []Entry, h *Host) bool {
	return slices.ContainsFunc(entries, func(e Entry) bool { return e.Host == h })
}

// fits reports whether a port may be the claim's. A field may give another one
// than the pattern, so that where it decides the account is asked later.
func (c claim) fits(port string) bool { return c.Host.port != nil || fitsPort(c.Port, port) }
