package providers

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
)

// catalogDir begins the names of the files that are built in.
const catalogDir = "catalog/"

//go:embed catalog/*.yaml
var catalogFS embed.FS

// Catalog returns the definitions that are built in, by key. The map is the
// caller's own; the definitions are shared and must not be changed.
func Catalog() (map[string]*Definition, error) {
	defs, err := builtin()
	return maps.Clone(defs), err
}

var builtin = sync.OnceValues(func() (map[string]*Definition, error) {
	return loadFS(catalogFS, "catalog", catalogDir, parse)
})

// LoadDir reads every *.yaml and *.yml file of a directory.
func LoadDir(dir string) (map[string]*Definition, error) {
	return loadFS(os.DirFS(dir), ".", dir+"/", Parse)
}

func loadFS(fsys fs.FS, dir, shown string, parse func(string, []byte) (*Definition, error)) (map[string]*Definition, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("connectors directory %s cannot be read: %w", strings.TrimSuffix(shown, "/"), errors.Unwrap(err))
	}
	defs := map[string]*Definition{}
	var errs []error
	for _, e := range entries {
		ext := path.Ext(e.Name())
		if e.IsDir() || ext != ".yaml" && ext != ".yml" {
			continue
		}
		src, err := fs.ReadFile(fsys, path.Join(dir, e.Name()))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		d, err := parse(shown+e.Name(), src)
		switch {
		case err != nil:
			errs = append(errs, err)
		case d.Key != strings.TrimSuffix(e.Name(), ext):
			errs = append(errs, fmt.Errorf("%s: key is %q; the file must be named %s.yaml", d.source, d.Key, d.Key))
		default:
			defs[d.Key] = d
		}
	}
	return defs, errors.Join(errs...)
}

// CompileAll fills in what definitions extend and compiles those named by
// keys; nil means all. All mistakes are reported at once.
func CompileAll(defs map[string]*Definition, keys []string) ([]*Connector, error) {
	full, err := resolveExtends(defs)
	if err != nil {
		return nil, err
	}
	if keys == nil {
		keys = slices.Sorted(maps.Keys(full))
	}
	var out []*Connector
	var errs []error
	for _, key := range keys {
		d, ok := full[key]
		if !ok {
			errs = append(errs, fmt.Errorf("connector %s is not known", key))
			continue
		}
		c, err := Compile(d)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, c)
	}
	return out, errors.Join(errs...)
}
