package providers

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// catalogDir begins the names of the files that are built in.
const catalogDir = "catalog/"

//go:embed catalog/*.yaml
var catalogFS embed.FS

// Catalog returns the definitions that are built in, by key. The map is the
// caller's own; the definitions are shared and must not be changed.
func Catalog() (map[string]*Definition, error) {
	defs := make(map[string]*Definition, len(builtInKeys()))
	var errs []error
	for _, key := range builtInKeys() {
		d, err := builtIn(key)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		defs[key] = d
	}
	return defs, errors.Join(errs...)
}

// LoadDir reads every *.yaml and *.yml file of a directory.
func LoadDir(dir string) (map[string]*Definition, error) {
	fsys := os.DirFS(dir)
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("connectors directory %s cannot be read: %w", dir, errors.Unwrap(err))
	}
	defs := map[string]*Definition{}
	var errs []error
	for _, e := range entries {
		ext := path.Ext(e.Name())
		if e.IsDir() || ext != ".yaml" && ext != ".yml" {
			continue
		}
		d, err := readFS(fsys, e.Name(), dir+"/", Parse)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		defs[d.Key] = d
	}
	return defs, errors.Join(errs...)
}

// readFS reads the definition in a file, which bears its key.
func readFS(fsys fs.FS, name, shown string, parse func(string, []byte) (*Definition, error)) (*Definition, error) {
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	file := path.Base(name)
	d, err := parse(shown+file, src)
	if err == nil && d.Key != strings.TrimSuffix(file, path.Ext(file)) {
		err = fmt.Errorf("%s: key is %q; the file must be named %s.yaml", d.source, d.Key, d.Key)
	}
	if err == nil {
		err = d.describe(fsys, name, shown)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// CompileAll fills in what definitions extend and compiles those named by
// keys; nil means all. All mistakes are reported at once.
func CompileAll(defs *Definitions, keys []string) ([]*Connector, error) {
	if keys == nil {
		keys = defs.Keys()
	}
	var out []*Connector
	var errs []error
	for _, key := range keys {
		d, err := defs.full(key)
		if err != nil {
			errs = append(errs, err)
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
