package attache_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/attache-proxy/attache/"

// order is the one direction of imports: a package may import those of a later
// line, and its own children.
var order = []string{"cmd", "caddymodule", "resolver", "providers"}

// programs make what their parents embed. Nobody can import them.
var programs = map[string]bool{"providers/operations/import": true}

// TestImportDirection holds caddymodule → resolver → providers, parents before
// children, and Caddy in caddymodule and cmd alone.
func TestImportDirection(t *testing.T) {
	for file, imports := range sources(t) {
		dir := path.Dir(file)
		for _, imp := range imports {
			if strings.HasPrefix(imp, "github.com/caddyserver/") && top(dir) != "caddymodule" && top(dir) != "cmd" {
				t.Errorf("%s imports Caddy (%s)", file, imp)
			}
			own, ok := strings.CutPrefix(imp, module)
			if !ok {
				continue
			}
			if strings.HasPrefix(dir, own+"/") && !strings.HasSuffix(dir, "test") && !programs[dir] { // vaulttest tests its parent
				t.Errorf("%s imports its parent %s", file, own)
			}
			if from, to := rank(dir), rank(own); from >= 0 && to >= 0 && from > to {
				t.Errorf("%s imports %s, against the direction", file, own)
			}
		}
	}
}

// TestResolverLinksNoStore keeps databases out of the resolver.
func TestResolverLinksNoStore(t *testing.T) {
	for file, imports := range sources(t) {
		if path.Dir(file) != "resolver" {
			continue
		}
		for _, imp := range imports {
			if imp == "database/sql" || strings.Contains(imp, "redis") || strings.Contains(imp, "sqlite") || strings.Contains(imp, "pgx") || imp == module+"resolver/vault" {
				t.Errorf("%s imports %s", file, imp)
			}
		}
	}
}

func top(dir string) string { first, _, _ := strings.Cut(dir, "/"); return first }

func rank(dir string) int {
	for i, name := range order {
		if top(dir) == name {
			return i
		}
	}
	return -1
}

// sources returns the imports of every file that is not a test.
func sources(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := fs.WalkDir(os.DirFS("."), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && p != ".") {
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") || top(p) == "internal" {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		out[p] = nil
		for _, imp := range f.Imports {
			name, _ := strconv.Unquote(imp.Path.Value)
			out[p] = append(out[p], name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
