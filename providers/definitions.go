package providers

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
)

// Definitions are connectors by key: those that are built in, each of which is
// read when somebody first asks for it, and over them what a configuration adds.
// The zero value has none. It must not be changed while another goroutine reads it.
type Definitions struct {
	builtIn bool
	over    map[string]*Definition
}

// BuiltIn returns the definitions that are built in, to which others can be added.
func BuiltIn() *Definitions { return &Definitions{builtIn: true} }

// Get returns the definition of that key; nil where there is none. It is shared
// and must not be changed.
func (d *Definitions) Get(key string) (*Definition, error) {
	if def, ok := d.over[key]; ok || !d.builtIn {
		return def, nil
	}
	return builtIn(key)
}

// Has reports whether there is a definition of that key. It reads none.
func (d *Definitions) Has(key string) bool {
	def, ok := d.over[key]
	return ok && def != nil || !ok && d.builtIn && isBuiltIn(key)
}

// Put adds a definition under its own key, in place of another of that key.
func (d *Definitions) Put(def *Definition) {
	if d.over == nil {
		d.over = map[string]*Definition{}
	}
	d.over[def.Key] = def
}

// Remove takes a definition that was put away, so that a built-in one of that key
// is there again.
func (d *Definitions) Remove(key string) { delete(d.over, key) }

// Keys returns all keys, sorted.
func (d *Definitions) Keys() []string {
	keys := slices.Collect(maps.Keys(d.over))
	if d.builtIn {
		keys = append(keys, builtInKeys()...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// full returns the definition with what it extends filled in.
func (d *Definitions) full(key string) (*Definition, error) {
	def, err := d.Get(key)
	if err != nil {
		return nil, err
	}
	if def == nil {
		return nil, fmt.Errorf("connector %s is not known", key)
	}
	seen := map[string]bool{key: true}
	for def.Extends != "" {
		base, err := d.Get(def.Extends)
		switch {
		case err != nil:
			return nil, err
		case base == nil:
			return nil, fmt.Errorf("%s: extends %q, which is no connector", def.source, def.Extends)
		case seen[def.Extends]:
			return nil, fmt.Errorf("%s: extends goes in a circle through %q", def.source, def.Extends)
		}
		seen[def.Extends] = true
		next := base.Extends
		def = def.extend(base)
		def.Extends = next
	}
	return def, nil
}

// parsed remembers what was read of the built-in definitions: key → func() (*Definition, error).
var parsed sync.Map

func builtIn(key string) (*Definition, error) {
	if !isBuiltIn(key) {
		return nil, nil
	}
	read, ok := parsed.Load(key)
	if !ok {
		read, _ = parsed.LoadOrStore(key, sync.OnceValues(func() (*Definition, error) {
			d, err := readFS(catalogFS, path.Join("catalog", key+".yaml"), catalogDir, parse)
			if err == nil {
				d.tables = []string{key}
			}
			return d, err
		}))
	}
	return read.(func() (*Definition, error))()
}

func isBuiltIn(key string) bool {
	if key == "" || strings.ContainsAny(key, "/\\") {
		return false
	}
	f, err := catalogFS.Open(path.Join("catalog", key+".yaml"))
	if err != nil {
		return false
	}
	f.Close()
	return true
}

var builtInKeys = sync.OnceValue(func() (keys []string) {
	entries, _ := fs.ReadDir(catalogFS, "catalog") // it is embedded
	for _, e := range entries {
		keys = append(keys, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return keys
})
