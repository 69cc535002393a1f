package providers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers/operations"
)

const ownDocument = `openapi: 3.1.0
info: {title: Things, version: "1"}
servers: [{url: "https://api.things.test/{v}", variables: {v: {default: v2}}}]
paths:
  /things/{id}:
    get: {operationId: getThing}
    delete: {operationId: deleteThing}
  /things:
    post:
      servers: [{url: "https://up.things.test/in"}]
`

// TestOwnDocument: an operator's connector names an OpenAPI document beside it.
func TestOwnDocument(t *testing.T) {
	def := "key: things\ntitle: Things\nhosts: [api.things.test]\noperations: ./things.openapi.json\nauth: {key: {type: credentials, fields: {k: {secret: true}}, sign: {bearer: \"{fields.k}\"}}}\n"
	for _, tt := range []struct{ operations, document, wrong string }{
		{"./docs/things.txt", ownDocument, ""},
		{"../things.txt", ownDocument, "in this directory or below it"},
		{"/etc/passwd", "", "in this directory or below it"},
		{"missing.json", "", "cannot be read"},
		{"docs/bad.txt", "openapi: 3.1.0\npaths:\n  things: {}\n", `docs/bad.txt:3: the path "things" must begin with /`},
		{"docs/bad.txt", "{\n\"openapi\": \"3.0.3\",\n\"paths\": {\n", "docs/bad.txt:3: the document ends in the middle"},
		{"docs/bad.txt", "swagger: \"1.2\"\npaths: {}\n", `docs/bad.txt:1: Swagger "1.2" is not read`},
		{"docs/bad.txt", "hello: 1\n", "docs/bad.txt:1: this is no OpenAPI document"},
		{"docs/bad.txt", "a: [\n", "docs/bad.txt:"},
		{"docs/bad.txt", "", "the document is empty"},
		{"docs/bad.txt", "openapi: 3.0.0\npaths:\n  /a: {get: {}}\n  /a: {get: {}}\n", "docs/bad.txt:4: the path /a stands in line 3, too"},
		{"docs/bad.txt", "openapi: 3.0.0\npaths:\n  /a/{b: {get: {}}\n", "docs/bad.txt:"},
		{"docs/bad.txt", "openapi: 3.0.0\npaths:\n  /a/b}c: {get: {}}\n", "docs/bad.txt:3: the path /a/b}c"},
		{"docs/bad.txt", "openapi: 3.0.0\npaths:\n  /a: {$ref: other.yaml}\n", "docs/bad.txt:3: \"other.yaml\" is in another file"},
		{"docs/bad.txt", "openapi: 3.0.0\npaths:\n  /a:\n    GET: {}\n", "docs/bad.txt:4: the method GET"},
		{"docs/bad.txt", "{\"openapi\":\"3.0.0\",\"paths\":" + strings.Repeat("[", 5000), "nested"},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"things.yaml": strings.Replace(def, "./things.openapi.json", tt.operations, 1), tt.operations: tt.document} {
			file := filepath.Join(dir, name)
			if text == "" && tt.wrong != "the document is empty" || !filepath.IsLocal(name) {
				continue
			}
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		defs, err := LoadDir(dir)
		if tt.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("%s with %q: %v; want %q", tt.operations, tt.document, err, tt.wrong)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		c, err := Compile(defs["things"])
		if err != nil {
			t.Fatal(err)
		}
		for request, want := range map[string]operations.Operation{
			"GET /v2/things/7":    {Name: "getThing", Effect: operations.Read, Resource: "7"},
			"DELETE /v2/things/7": {Name: "deleteThing", Effect: operations.Delete, Resource: "7"},
			"POST /in/things":     {Name: "POST /in/things", Effect: operations.Write},
			"POST /v2/things":     {},
		} {
			method, path, _ := strings.Cut(request, " ")
			if got, _ := c.Operations().Find(method, path); got != want {
				t.Errorf("%s is %+v, want %+v", request, got, want)
			}
		}
	}
	d, err := Parse("api", []byte(def))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Compile(d); err == nil || !strings.Contains(err.Error(), "connectors directory") {
		t.Errorf("a document that is named outside a directory: %v", err)
	}
}

// TestTablesOfConnectors: the built-in table belongs to the built-in connector and to what
// extends it, not to another of its name.
func TestTablesOfConnectors(t *testing.T) {
	defs := BuiltIn()
	own, err := Parse("own", []byte("key: notion\ntitle: Mine\nhosts: [mine.test]\nauth: {key: {type: credentials, fields: {k: {secret: true}}, sign: {bearer: \"{fields.k}\"}}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := Parse("more", []byte("key: more\nextends: github\n"))
	if err != nil {
		t.Fatal(err)
	}
	defs.Put(own)
	defs.Put(more)
	all, err := CompileAll(defs, []string{"notion", "more", "github"})
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Operations() != nil {
		t.Error("a connector of one's own has another's table")
	}
	if all[1].Operations() == nil || all[1].Operations() != all[2].Operations() {
		t.Error("what extends github has not its table")
	}
}
