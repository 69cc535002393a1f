package admin_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/vaulttest"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

const document = "../../docs/openapi.json"

// TestDocument: the document that is committed is the one that is served.
func TestDocument(t *testing.T) {
	w := newWorld(t, vaulttest.SQLite(t), nil)
	got, err := w.api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(document, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/openapi.json is out of date; go test ./caddymodule/admin -run TestDocument -update && go run ./sdk/generate")
	}
	defer w.as("")()
	served := w.want(200, "", "GET", "/openapi.json", "")
	if served.str("openapi") != "3.1.0" {
		t.Errorf("the served document is of version %q, want 3.1.0", served.str("openapi"))
	}
	if strings.Contains(served.raw, "ErrorModel") {
		t.Errorf("the document describes errors that are not ours")
	}
	res, err := http.Get(w.server.URL + "/api/v1/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("openapi.yaml = %d", res.StatusCode)
	}
}

// TestDocumentedSecrets: no schema of an answer has a member for a secret, but
// for those that are shown once.
func TestDocumentedSecrets(t *testing.T) {
	w := newWorld(t, vaulttest.SQLite(t), nil)
	raw, err := w.api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ WriteOnly bool }
			}
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	secret := regexp.MustCompile(`(?i)secret|password|token$|credential|private`)
	var found []string
	for name, s := range doc.Components.Schemas {
		for member, p := range s.Properties {
			if secret.MatchString(member) && !p.WriteOnly {
				found = append(found, name+"."+member)
			}
		}
	}
	slices.Sort(found)
	want := []string{"Account.secrets", "App.secrets", "CreateTokenOutBody.token", "Disconnected.secrets", "MeOutBody.csrf_token", "NewAgent.token", "NewToken.token", "NewWebhookOutBody.secret", "TestTokensOutBody.access_token", "TestTokensOutBody.token_secret"}
	if !slices.Equal(found, want) {
		t.Errorf("answers have members for secrets: %v, want %v (fingerprints, what is shown once, and what is made up)", found, want)
	}
}

// TestDocumentedExamples: each request with a body has an example, which the schema of
// that body lets through.
func TestDocumentedExamples(t *testing.T) {
	w := newWorld(t, vaulttest.SQLite(t), nil)
	raw, err := w.api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("https://attache.dev/openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.(map[string]any)["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			body, has := op.(map[string]any)["requestBody"].(map[string]any)
			if !has {
				continue
			}
			media := body["content"].(map[string]any)["application/json"].(map[string]any)
			example, has := media["example"]
			if !has {
				t.Errorf("%s %s has no example", method, path)
				continue
			}
			at := "https://attache.dev/openapi.json#/paths/" + strings.ReplaceAll(path, "/", "~1") + "/" + method + "/requestBody/content/application~1json/schema"
			schema, err := c.Compile(at)
			if err == nil {
				err = schema.Validate(example)
			}
			if err != nil {
				t.Errorf("the example of %s %s: %v", method, path, err)
			}
		}
	}
}

// TestSchemaAgrees: the published schema and what is enforced let the same
// credentials through.
func TestSchemaAgrees(t *testing.T) {
	con := newCatalogue(t).list[0]
	opt, _ := con.Option("token")
	raw, err := json.Marshal(api.Schema(opt))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("x", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("x")
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]string{"subdomain": "acme", "email": "a@b.example", "api_token": "x"}
	for _, tt := range []struct {
		name string
		edit func(m map[string]string)
	}{
		{"good", func(map[string]string) {}}, {"missing", func(m map[string]string) { delete(m, "api_token") }}, {"empty", func(m map[string]string) { m["api_token"] = "" }},
		{"pattern", func(m map[string]string) { m["subdomain"] = "A B" }}, {"email", func(m map[string]string) { m["email"] = "nobody" }}, {"unknown", func(m map[string]string) { m["x"] = "y" }},
	} {
		m := map[string]string{}
		for k, v := range good {
			m[k] = v
		}
		tt.edit(m)
		instance, values := map[string]any{}, secret.Values{}
		for k, v := range m {
			instance[k], values[k] = v, secret.New(v)
		}
		_, enforced := opt.Validate(values)
		if published := schema.Validate(instance); (published == nil) != (enforced == nil) {
			t.Errorf("%s: the schema says %v, Validate says %v", tt.name, published, enforced)
		}
	}
}
