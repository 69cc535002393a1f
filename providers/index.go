package providers

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Index finds the connector of a host, most specific first. It is built once
// and never changes; one Index serves both matching and enforcement.
type Index struct {
	byKey map[string]*Connector
	exact map[string][]Entry
	// globs are the patterns with a *, by their last two labels.
	globs map[string][]Entry
}

// Entry is one host of one connector.
type Entry struct {
	Connector *Connector
	Host      *Host
}

// Binding is an exact host that an account adds: the expansion of a host that
// is a template, such as {fields.host}.
type Binding struct {
	Entry
	// Name is the host: lower case, no trailing dot.
	Name string
}

// NewIndex builds an index. It is an error when two connectors claim the same
// host, port and path.
func NewIndex(connectors []*Connector, bindings ...Binding) (*Index, error) {
	x := &Index{byKey: map[string]*Connector{}, exact: map[string][]Entry{}, globs: map[string][]Entry{}}
	for _, c := range connectors {
		if other, ok := x.byKey[c.Key]; ok {
			return nil, fmt.Errorf("connector %s stands twice: in %s and in %s", c.Key, other.Source, c.Source)
		}
		x.byKey[c.Key] = c
		for _, h := range c.Hosts {
			if err := x.add(Entry{c, h}); err != nil {
				return nil, err
			}
		}
	}
	for _, b := range bindings {
		x.exact[b.Name] = append(x.exact[b.Name], b.Entry)
	}
	for _, lists := range []map[string][]Entry{x.exact, x.globs} {
		for _, l := range lists {
			slices.SortStableFunc(l, moreSpecific)
		}
	}
	return x, nil
}

func (x *Index) add(e Entry) error {
	list, key := x.exact, e.Host.glob
	if !e.Host.exact() {
		if e.Host.literal() == 0 {
			return nil // {fields.host}: only the accounts' bindings match
		}
		list, key = x.globs, tail(e.Host.glob)
	}
	for _, o := range list[key] {
		if o.Host.glob == e.Host.glob && o.Host.Port == e.Host.Port && o.Host.Path == e.Host.Path && o.Connector != e.Connector {
			return fmt.Errorf("connectors %s (%s) and %s (%s) both claim the host %s%s; give one of them a path prefix or a port, or leave one out",
				o.Connector.Key, o.Connector.Source, e.Connector.Key, e.Connector.Source, e.Host.glob, strings.TrimSuffix(e.Host.Path, "/"))
		}
	}
	list[key] = append(list[key], e)
	return nil
}

// moreSpecific orders entries: more literal characters, then a port, then a
// longer path, then by name so that the order is always the same.
func moreSpecific(a, b Entry) int {
	return cmp.Or(
		cmp.Compare(b.Host.literal(), a.Host.literal()),
		cmp.Compare(len(b.Host.Port), len(a.Host.Port)),
		cmp.Compare(len(b.Host.Path), len(a.Host.Path)),
		cmp.Compare(a.Connector.Key, b.Connector.Key),
	)
}

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

// ByKey returns the connector with that key.
func (x *Index) ByKey(key string) (*Connector, bool) {
	c, ok := x.byKey[key]
	return c, ok
}

// Connectors returns all connectors, by key.
func (x *Index) Connectors() []*Connector {
	out := make([]*Connector, 0, len(x.byKey))
	for _, c := range x.byKey {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *Connector) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

// Lookup finds the entry for a request. Host is lower case without a trailing
// dot, port a number, path escaped as on the wire.
//
// A path that services may read in different ways is looked up as it stands; see Unclear.
func (x *Index) Lookup(host, port, path string) (Entry, bool) {
	if normal, err := NormalPath(path); err == nil {
		path = normal
	}
	return x.lookup(host, port, path)
}

// Unclear says why it is not clear which entry a path of host belongs to; nil
// where all readings of it lead to the same, or only the host decides.
func (x *Index) Unclear(host, port, path string) error {
	normal, err := NormalPath(path)
	if err == nil && !strings.Contains(normal, encodedSlash) {
		return nil
	}
	if err != nil {
		if _, decides := x.find(host, func(h *Host) bool { return h.fitsPort(port) && h.Path != "/" }); !decides {
			return nil
		}
		return err
	}
	one, ok := x.lookup(host, port, normal)
	other, too := x.lookup(host, port, slashes.Replace(normal))
	if ok != too || one != other {
		return errors.New("it has an encoded slash")
	}
	return nil
}

func (x *Index) lookup(host, port, path string) (Entry, bool) {
	return x.find(host, func(h *Host) bool { return h.fitsPort(port) && h.fitsPath(path) })
}

// find is the most specific entry of a host that fits.
func (x *Index) find(host string, fits func(*Host) bool) (Entry, bool) {
	for _, e := range x.exact[host] {
		if fits(e.Host) {
			return e, true
		}
	}
	return x.glob(host, fits)
}

// Known reports whether any path of host and port belongs to a connector.
func (x *Index) Known(host, port string) bool {
	for _, e := range x.exact[host] {
		if e.Host.fitsPort(port) {
			return true
		}
	}
	_, ok := x.glob(host, func(h *Host) bool { return h.fitsPort(port) })
	return ok
}

func (x *Index) glob(host string, fits func(*Host) bool) (Entry, bool) {
	if len(x.globs) == 0 {
		return Entry{}, false
	}
	for _, key := range [2]string{tail(host), "*"} {
		for _, e := range x.globs[key] {
			if e.Host.matches(host) && fits(e.Host) {
				return e, true
			}
		}
	}
	return Entry{}, false
}

// fitsPort reports whether a port belongs to the entry: its own, or the
// scheme's default where none is given.
func (h *Host) fitsPort(port string) bool {
	if h.Port != "" {
		return h.Port == port
	}
	return port == "443" || port == "80"
}
