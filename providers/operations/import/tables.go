package main

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/operations"
)

// maker gathers the tables.
type maker struct {
	catalog *catalog
	sources []operations.Source
	source  int // that is read
	tables  map[string]*table
	filled  map[string]bool // by this source
	added   int
}

// table are the entries of a connector.
type table struct {
	entries []operations.Entry
	at      map[string]int // of entries, by host, method and shape
	sources []int
	done    bool // an earlier source has it
}

// catalog are the connectors.
type catalog struct {
	byKey   map[string]*providers.Connector
	keys    []string
	special map[string]special
	known   map[string][]place // by host
}

func readCatalog(sp map[string]special) (*catalog, error) {
	all, err := providers.CompileAll(providers.BuiltIn(), nil)
	if err != nil {
		return nil, err
	}
	c := &catalog{byKey: map[string]*providers.Connector{}, special: sp, known: map[string][]place{}}
	for _, one := range all {
		c.byKey[one.Key] = one
		c.keys = append(c.keys, one.Key)
	}
	for key := range sp {
		if c.byKey[key] == nil {
			return nil, fmt.Errorf("sources.yaml: there is no connector %q", key)
		}
	}
	return c, nil
}

// place is where a connector has a server's operations.
type place struct {
	key    string
	prefix string // of paths, from the connector's host
	host   string // of the entries; empty for all
}

var field = regexp.MustCompile(`\{[^{}]*\}`)

// places are the connectors with a host: by name, by a template over fields, or by a
// wildcard of the vendor's.
func (c *catalog) places(host string) (out []place) {
	if out, ok := c.known[host]; ok {
		return out
	}
	defer func() { c.known[host] = out }()
	for _, key := range c.keys {
		conn := c.byKey[key]
		for _, h := range conn.Hosts {
			glob := field.ReplaceAllString(strings.ToLower(h.Pattern), "*")
			if !likeHost(glob, host) {
				continue
			}
			p := place{key: key, prefix: h.Path}
			alike := c.special[key].Alike || len(conn.Environments) > 0 || len(conn.Hosts) == 1 && !strings.Contains(h.Pattern, "*")
			if !alike && !strings.Contains(h.Pattern, "{") {
				p.host = host
			}
			out = append(out, p)
		}
	}
	return out
}

// likeHost matches a host with a glob that names a domain at least.
func likeHost(glob, host string) bool {
	if !strings.Contains(glob, "*") {
		return glob == host
	}
	fixed := glob[strings.LastIndexByte(glob, '*')+1:]
	if strings.Count(fixed, ".") < 2 {
		return false
	}
	text := strings.ReplaceAll(regexp.QuoteMeta(glob), `\*`, `.+`)
	return regexp.MustCompile("^" + text + "$").MatchString(host)
}

// add puts an operation that is served at a URL into the tables of the connectors that
// have its host; or into those that are named.
func (m *maker) add(s *source, server string, d operations.Described) {
	for {
		i, j := strings.IndexByte(server, '{'), strings.IndexByte(server, '}')
		if i < 0 || j < i {
			break
		}
		server = server[:i] + "x" + server[j+1:]
	}
	u, err := url.Parse(server)
	if err != nil {
		return
	}
	e := d.Entry(operations.BasePath(server))
	if strings.ContainsAny(e.Template, "#\n\t ") {
		return // one that no request has
	}
	if len(s.Connectors) > 0 {
		for _, key := range s.Connectors {
			e.Host = ""
			for _, p := range m.catalog.places(u.Hostname()) {
				if p.key == key && s.ByHost {
					e.Host = p.host
				}
			}
			m.put(key, e, s.Also)
		}
		return
	}
	for _, p := range m.catalog.places(strings.ToLower(u.Hostname())) {
		if p.prefix == "/" || strings.HasPrefix(e.Template, p.prefix) {
			e.Host = p.host
			m.put(p.key, e, s.Also)
		}
	}
}

var parameter = regexp.MustCompile(`\{[^{}]*\}`)

// put adds an entry to a connector's table. Of two that one request could be, the first
// stays, with the stricter effect.
func (m *maker) put(key string, e operations.Entry, also bool) {
	t := m.tables[key]
	if t == nil {
		t = &table{at: map[string]int{}}
		m.tables[key] = t
	}
	if t.done && !also {
		return
	}
	sp := m.catalog.special[key]
	if sp.RPC {
		e.Name = e.Template[strings.LastIndexByte(e.Template, '/')+1:]
		e.Effect = operations.EffectOf("POST", e.Name, e.Template)
		e.From, e.To = 0, 0
		for _, method := range []string{"GET", "POST"} {
			e.Method = method
			m.keep(key, t, e)
		}
		return
	}
	m.keep(key, t, e)
	if sp.Optional != "" && strings.Contains(e.Template, "/"+sp.Optional) {
		e.Template = strings.ReplaceAll(e.Template, "/"+sp.Optional, "/")
		m.keep(key, t, e)
	}
}

func (m *maker) keep(key string, t *table, e operations.Entry) {
	if _, err := operations.New([]operations.Entry{e}); err != nil {
		return
	}
	e.Effect = agreed(m.catalog.byKey[key], e)
	path, query, _ := strings.Cut(e.Template, "?")
	id := strings.Join([]string{e.Host, e.Method, parameter.ReplaceAllString(strings.ToLower(strings.TrimSuffix(path, "/")), "{}"), query}, " ")
	m.filled[key] = true
	if !slices.Contains(t.sources, m.source) {
		t.sources = append(t.sources, m.source)
	}
	if i, ok := t.at[id]; ok {
		t.entries[i].Effect = operations.Stricter(t.entries[i].Effect, e.Effect)
		return
	}
	t.at[id] = len(t.entries)
	t.entries = append(t.entries, e)
	m.added++
}

// agreed is an effect that does not contradict the connector's access: what it lists as
// reading reads, unless the name says worse, and what it lists as writing does not read.
func agreed(c *providers.Connector, e operations.Entry) operations.Effect {
	if e.Method == operations.Action {
		return e.Effect
	}
	path, query, _ := strings.Cut(e.Template, "?")
	path = parameter.ReplaceAllString(path, "x")
	reads := c.Reads(providers.Does{Methods: []string{e.Method}, Path: path, Query: query})
	switch {
	case e.Effect == operations.Read && !reads && (e.Method == "GET" || e.Method == "HEAD"):
		return operations.Write
	case e.Effect == operations.Write && reads && e.Method != "GET" && e.Method != "HEAD":
		return operations.Read
	}
	return e.Effect
}

// write packs what was gathered.
func (m *maker) write(dir, day string) error {
	c := operations.Contents{Checked: day, Tables: map[string]operations.Built{}}
	used := map[int]int{}
	entries := map[string][]operations.Entry{}
	total := 0
	for key, t := range m.tables {
		if len(t.entries) == 0 {
			continue
		}
		b := operations.Built{}
		for _, i := range t.sources {
			b.Sources = append(b.Sources, i)
			used[i]++
		}
		c.Tables[key], entries[key] = b, t.entries
		total += len(t.entries)
	}
	c.Sources = m.sources
	blob, err := operations.Pack(c, entries)
	if err != nil {
		return err
	}
	keys := c.Keys()
	slices.SortFunc(keys, func(a, b string) int { return cmp.Compare(len(entries[b]), len(entries[a])) })
	for _, key := range keys {
		fmt.Printf("  %-28s %6d %7d\n", key, len(entries[key]), c.Tables[key].Length)
	}
	fmt.Printf("%d connectors, %d operations, %d bytes\n", len(entries), total, len(blob))
	return os.WriteFile(filepath.Join(dir, "tables.bin"), blob, 0o644)
}
