package attache_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What a package may be, so that it fits into a head.
const (
	maxFiles = 30
	maxLines = 4500
	maxFile  = 500
)

// TestPackagesFitIntoAHead bounds the files and lines of every package, tests left
// out.
func TestPackagesFitIntoAHead(t *testing.T) {
	files, lines := map[string]int{}, map[string]int{}
	for file := range sources(t) {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n := strings.Count(string(src), "\n")
		files[path.Dir(file)]++
		lines[path.Dir(file)] += n
		if n > maxFile {
			t.Errorf("%s has %d lines, at most %d", file, n, maxFile)
		}
	}
	for dir, n := range files {
		if n > maxFiles || lines[dir] > maxLines {
			t.Errorf("%s has %d files with %d lines; at most %d with %d: give a part of it a room of its own", dir, n, lines[dir], maxFiles, maxLines)
		}
	}
}

// siblings are what a room may import of its own floor besides its children. One that
// is not here imports nothing else.
var siblings = map[string][]string{
	"caddymodule/admin/api":         {"caddymodule/admin/paths", "caddymodule/admin/rest", "caddymodule/admin/signin"},
	"caddymodule/admin/rest":        {"caddymodule/admin/paths", "caddymodule/admin/signin"},
	"caddymodule/admin/connect":     {"caddymodule/admin/paths", "caddymodule/admin/signin"},
	"caddymodule/admin/signin":      {"caddymodule/admin/paths"},
	"caddymodule/admin/approvals":   {"caddymodule/admin/rest", "caddymodule/admin/signin"},
	"caddymodule/command/approvals": {"caddymodule/admin/approvals", "caddymodule/client"},
	"caddymodule/admin/runs":        {"caddymodule/admin/audit", "caddymodule/admin/rest", "caddymodule/admin/signin"},
	"caddymodule/command/runs":      {"caddymodule/admin/runs", "caddymodule/client"},
	"caddymodule/runs":              {"caddymodule/client", "caddymodule/config"},
	"caddymodule/admin/audit":       {"caddymodule/admin/rest", "caddymodule/admin/signin"},
	"caddymodule/admin/explain":     {"caddymodule/admin/audit", "caddymodule/admin/rest", "caddymodule/admin/signin"},
	"caddymodule/admin/overview":    {"caddymodule/admin/api", "caddymodule/admin/audit", "caddymodule/admin/paths", "caddymodule/admin/rest", "caddymodule/admin/signin"},
	"caddymodule/admin/webhooks":    {"caddymodule/admin/paths", "caddymodule/admin/rest", "caddymodule/admin/signin"},
	"caddymodule/admin/ui":          {"caddymodule/admin/paths"},
	"caddymodule/admin/paths":       {},
	"caddymodule/command":           {"caddymodule/admin/api", "caddymodule/admin/audit", "caddymodule/client", "caddymodule/config", "caddymodule/doctor", "caddymodule/schema"},
	"caddymodule/command/sign":      {"caddymodule/config"},
	"caddymodule/command/strict":    {"caddymodule/client"},
	"caddymodule/command/rules":     {"caddymodule/admin/explain", "caddymodule/client"},
	"caddymodule/command/relay":     {"caddymodule/client"},
	"caddymodule/command/store":     {"caddymodule/config"},
	"caddymodule/config":            {},
	"caddymodule/blocks":            {"caddymodule/config"},
	"caddymodule/audit":             {"caddymodule/config"},
	"caddymodule/connectors":        {},
	"caddymodule/http1":             {},
	"caddymodule/metrics":           {"caddymodule/health", "caddymodule/version"},
	"caddymodule/oidc":              {"caddymodule/admin/paths", "caddymodule/admin/signin", "caddymodule/config"},
	"caddymodule/entrance":          {},
	"caddymodule/fieldname":         {},
	"caddymodule/presented":         {},
	"caddymodule/sample":            {},
	"resolver/connect":              {"resolver/egress", "resolver/problem", "resolver/vault"},
	"resolver/problem":              {"resolver", "resolver/vault"},
	"resolver/vault":                {"resolver/budget"},
	"resolver/vault/database":       {},
	"resolver/vault/seal":           {"resolver/vault/database"},
	"resolver/vault/audit":          {"resolver/vault/database"},
	"resolver/vault/transfer":       {"resolver/vault/database"},
	"resolver/vault/access":         {"resolver/vault/audit", "resolver/vault/database", "resolver/vault/seal"},
	"resolver/vault/approval":       {"resolver/approval", "resolver/vault/audit", "resolver/vault/database", "resolver/vault/seal", "resolver/vault/webhook"},
	"resolver/vault/runs":           {"resolver/run", "resolver/vault/audit", "resolver/vault/database"},
	"resolver/run":                  {},
	"resolver/approval":             {"resolver/limit", "resolver/operation", "resolver/refusal", "resolver/rule"},
	"resolver/deed":                 {"resolver/limit", "resolver/listing", "resolver/operation", "resolver/rule", "resolver/tool"},
	"resolver/trailer":              {},
	"resolver/tool":                 {"resolver/listing"},
	"resolver/vault/tool":           {"resolver/listing", "resolver/tool", "resolver/vault/audit", "resolver/vault/database", "resolver/vault/webhook"},
	"caddymodule/admin/tools":       {"caddymodule/admin/rest", "caddymodule/admin/signin"},
	"caddymodule/command/tools":     {"caddymodule/admin/tools", "caddymodule/client"},
	"resolver/denial":               {"resolver/operation", "resolver/refusal", "resolver/rule"},
	"resolver/keep":                 {"resolver/limit", "resolver/spool"},
	"resolver/observation":          {},
	"resolver/vault/narrowing":      {"resolver/budget", "resolver/rule", "resolver/vault/database"},
	"resolver/vault/spent":          {"resolver/budget", "resolver/vault/database"},
	"resolver/budget":               {"resolver/refusal", "resolver/rule"},
	"resolver/tap":                  {"resolver/scrub"},
	"resolver/carried":              {},
	"resolver/cache":                {"resolver/budget"},
	"resolver/vault/session":        {"resolver/vault/audit", "resolver/vault/database", "resolver/vault/seal"},
	"resolver/vault/webhook":        {"resolver/vault/audit", "resolver/vault/database", "resolver/vault/seal"},
	"resolver/egress":               {},
	"resolver/endpoint":             {},
	"resolver/refusal":              {},
	"resolver/target":               {},
	"resolver/answer":               {"resolver/refusal"},
	"resolver/operation":            {"resolver/rule", "resolver/rule/condition"},
	"resolver/override":             {"resolver/limit", "resolver/refusal"},
	"resolver/rule":                 {},
	"resolver/rule/condition":       {},
	"resolver/record":               {"resolver/rule"},
	"resolver/reach":                {"resolver/rule"},
	"resolver/listing":              {"resolver/operation", "resolver/outcome", "resolver/rule"},
	"resolver/spool":                {"resolver/limit"},
	"resolver/outcome":              {},
	"resolver/reindex":              {},
	"resolver/failure":              {"resolver/egress", "resolver/refusal"},
	"resolver/echo":                 {"resolver/scrub"},
	"resolver/vault/vaulttest":      {"resolver/vault", "resolver/vault/database"},
	"caddymodule/admin/synonyms":    {"caddymodule/admin/paths"},
	"caddymodule/doctor":            {"caddymodule/client"},
	"caddymodule/intercept":         {"caddymodule/http1"},
	"caddymodule/start":             {"caddymodule/admin/paths", "caddymodule/admin/signin", "caddymodule/config"},
	"providers/usage":               {"providers/strictyaml"},
	"providers/expr":                {"providers/secret", "providers/spelling"},
	"providers/oauth":               {"providers/expr", "providers/secret"},
	"providers/oauth/ambient":       {"providers/secret"},
	"providers/oauth/mcp":           {"providers/oauth/bearer", "providers/oauth/unreached", "providers/secret"},
	"providers/oauth/spec":          {"providers/strictyaml"},
	"providers/providerstest":       {"providers"},
	"providers/sign":                {"providers/expr", "providers/strictyaml"},
	"providers/sign/sigv4":          {"providers/expr"},

	"caddymodule/command/confine":  {"caddymodule/client", "caddymodule/command/process", "caddymodule/command/relay"},
	"caddymodule/admin/budgets":    {"caddymodule/admin/rest", "caddymodule/admin/signin"},
	"caddymodule/admin/operations": {"caddymodule/admin/rest", "caddymodule/admin/signin"},
	"providers/operations":         {"providers/normal"},
	"providers/operations/import":  {"providers", "providers/operations"},
}

// TestRoomsImportTheirOwn holds the direction between the rooms of a floor.
func TestRoomsImportTheirOwn(t *testing.T) {
	for file, imports := range sources(t) {
		dir := path.Dir(file)
		if !strings.Contains(dir, "/") {
			continue // a floor knows its rooms, and the rooms theirs
		}
		may := siblings[dir]
		for _, imp := range imports {
			own, ok := strings.CutPrefix(imp, module)
			if !ok || top(own) != top(dir) || strings.HasPrefix(own, dir+"/") || slices.Contains(may, own) {
				continue
			}
			t.Errorf("%s imports %s; this room imports of its own floor only %v", file, own, may)
		}
	}
}

// TestVaultIsEnteredByItsDoor: nobody but the vault uses its rooms, in which a
// transaction can be had that writes no audit.
func TestVaultIsEnteredByItsDoor(t *testing.T) {
	for file, imports := range sources(t) {
		for _, imp := range imports {
			own, _ := strings.CutPrefix(imp, module)
			if strings.HasPrefix(own, "resolver/vault/") && own != "resolver/vault/vaulttest" && !strings.HasPrefix(file, "resolver/vault/") {
				t.Errorf("%s imports %s; what it needs is in resolver/vault", file, own)
			}
		}
	}
}

// TestMapNamesWhatIsThere: every file and folder that the map, the README and the
// guide for contributors name in backquotes exists.
func TestMapNamesWhatIsThere(t *testing.T) {
	named := regexp.MustCompile("[`(](?:\\.\\./)?((?:caddymodule|resolver|providers|integration|bench|cmd|docs|packaging|sdk)/[A-Za-z0-9_./-]*[A-Za-z0-9_])/?[`)]")
	for page, least := range map[string]int{"docs/architecture.md": 60, "CONTRIBUTING.md": 20, "README.md": 5} {
		src, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		found := named.FindAllStringSubmatch(string(src), -1)
		if len(found) < least {
			t.Errorf("%s names %d files; the pattern is out of date", page, len(found))
		}
		for _, m := range found {
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("%s names %s, which is not there", page, m[1])
			}
		}
	}
}

// TestEveryRoomIsInTheMap: each package that is more than tests stands in the map.
func TestEveryRoomIsInTheMap(t *testing.T) {
	src, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for file := range sources(t) {
		dir := path.Dir(file)
		if dir == "." || told[dir] || strings.Contains(string(src), "`"+dir+"`") {
			continue
		}
		told[dir] = true
		t.Errorf("docs/architecture.md has no room %s", dir)
	}
}

// TestGuideNamesWhatIsInTheFile: where the map or the guide names something in
// brackets behind a file, it is in that file.
func TestGuideNamesWhatIsInTheFile(t *testing.T) {
	listed := regexp.MustCompile("`([A-Za-z0-9_./-]+\\.(?:go|tsx))` \\((`[A-Za-z]+`(?:, `[A-Za-z]+`)*)\\)")
	found := 0
	for _, page := range []string{"docs/architecture.md", "CONTRIBUTING.md"} {
		src, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range listed.FindAllStringSubmatch(string(src), -1) {
			file, err := os.ReadFile(m[1])
			if err != nil {
				t.Errorf("%s: %v", page, err)
			}
			for name := range strings.SplitSeq(m[2], ", ") {
				found++
				if !regexp.MustCompile(`\b` + strings.Trim(name, "`") + `\b`).Match(file) {
					t.Errorf("%s names %s, which is not in %s", page, name, m[1])
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("%d names; the pattern is out of date", found)
	}
}

// TestDecisionsHaveNumbersOfTheirOwn keeps two from having the same.
func TestDecisionsHaveNumbersOfTheirOwn(t *testing.T) {
	found, err := fs.Glob(os.DirFS("docs/decisions"), "[0-9]*.md")
	if err != nil || len(found) < 15 {
		t.Fatalf("%d decisions, %v", len(found), err)
	}
	for i := range found[1:] {
		if found[i][:4] == found[i+1][:4] {
			t.Errorf("%s and %s have the same number", found[i], found[i+1])
		}
	}
}

// maxBackArrows is a third of the 80 pairs that there were below caddymodule before
// its rooms were made.
const maxBackArrows = 28

// TestFewArrowsRunBack counts pairs of files of one package below caddymodule that
// name each other: each uses a type, function, method, variable or constant that
// the other declares. Run it with -v to see the pairs; ARROWS_IN=DIR counts in
// another checkout.
func TestFewArrowsRunBack(t *testing.T) {
	root := os.Getenv("ARROWS_IN")
	if root != "" {
		t.Chdir(root)
	}
	byDir := map[string][]string{}
	for file := range sources(t) {
		if top(file) == "caddymodule" {
			byDir[path.Dir(file)] = append(byDir[path.Dir(file)], file)
		}
	}
	n := 0
	for _, files := range byDir {
		pairs := backArrows(t, files)
		n += len(pairs)
		for _, p := range pairs {
			t.Log(p)
		}
	}
	t.Logf("%d pairs of files name each other", n)
	if n > maxBackArrows && root == "" {
		t.Errorf("%d pairs of files below caddymodule name each other, at most %d; move what both need into a third", n, maxBackArrows)
	}
}

// backArrows are the pairs in one package. What it imports is not looked at: names
// of its own are found without.
func backArrows(t *testing.T, files []string) (pairs []string) {
	fset := token.NewFileSet()
	var parsed []*ast.File
	for _, file := range files {
		f, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Error: func(error) {}, Importer: noImports{}}
	pkg, _ := conf.Check(path.Dir(files[0]), fset, parsed, info)
	arrows := map[[2]string]bool{}
	for id, o := range info.Uses {
		fn, _ := o.(*types.Func)
		if o.Pkg() == pkg && (o.Parent() == pkg.Scope() || fn != nil) {
			arrows[[2]string{fset.Position(id.Pos()).Filename, fset.Position(o.Pos()).Filename}] = true
		}
	}
	for a := range arrows {
		if a[0] < a[1] && arrows[[2]string{a[1], a[0]}] {
			pairs = append(pairs, a[0]+" and "+path.Base(a[1]))
		}
	}
	slices.Sort(pairs)
	return pairs
}

type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not looked at") }
