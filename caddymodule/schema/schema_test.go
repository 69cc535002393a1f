package schema_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/caddymodule/schema"
)

var update = flag.Bool("update", false, "write descriptions.json and docs/connector.schema.json")

const (
	published = "../../docs/connector.schema.json"
	catalog   = "../../providers/catalog"
)

// TestDescriptions holds descriptions.json to the doc comments in the source.
func TestDescriptions(t *testing.T) {
	got := map[string]string{}
	for _, dir := range []string{"../../providers", "../../providers/oauth", "../../providers/oauth/spec", "../../providers/sign"} {
		files, _ := filepath.Glob(dir + "/*.go")
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				comments(t, file, got)
			}
		}
	}
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "descriptions.json", append(text, '\n'))
}

// comments collects the doc comments of every field with a yaml tag.
func comments(t *testing.T, file string, into map[string]string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		st, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, field := range st.Fields.List {
			if field.Tag == nil || !strings.Contains(field.Tag.Value, "yaml:") {
				continue
			}
			text := field.Doc.Text()
			if text == "" {
				text = field.Comment.Text()
			}
			for _, name := range field.Names {
				if text := strings.Join(strings.Fields(text), " "); text != "" {
					into[spec.Name.Name+"."+name.Name] = yamlWords(text, name.Name, field.Tag.Value)
				}
			}
		}
		return true
	})
}

// yamlWords begins a comment with the YAML key instead of the Go name.
func yamlWords(text, name, tag string) string {
	_, key, _ := strings.Cut(tag, `yaml:"`)
	key, _, _ = strings.Cut(key, `"`)
	key, _, _ = strings.Cut(key, ",")
	if rest, ok := strings.CutPrefix(text, name+" "); ok {
		return key + " " + rest
	}
	return text
}

// TestPublished holds docs/connector.schema.json to the Go types.
func TestPublished(t *testing.T) { compare(t, published, schema.JSON()) }

func compare(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the source says now; go test ./caddymodule/schema -update (twice)", file)
	}
}

// TestCatalog validates every built-in connector with the published file.
func TestCatalog(t *testing.T) {
	c := jsonschema.NewCompiler()
	compiled, err := c.Compile(published)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(catalog + "/*.yaml")
	if err != nil || len(files) < 100 {
		t.Fatalf("found %d catalogue files (%v), want at least 100", len(files), err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(asJSON(t, src)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func asJSON(t *testing.T, src []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(src, &v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return out
}
