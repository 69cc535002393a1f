package rest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/providers/printable"
	"github.com/attache-proxy/attache/resolver/problem"
)

// humaConfig is huma without the parts that add to our answers.
func humaConfig(version string) huma.Config {
	if version == "" {
		version = "dev"
	}
	c := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Attaché", Version: version,
				Description: "Connected accounts, agents and what each may use. No answer holds a secret, except for a token that was just made, this once.",
				License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
				Contact:     &huma.Contact{Name: "The Attaché authors", URL: "https://github.com/attache-proxy/attache"},
			},
			Servers: []*huma.Server{{
				URL: "{origin}", Description: "Where attache_admin listens.",
				Variables: map[string]*huma.ServerVariable{"origin": {Default: "http://127.0.0.1:8081", Description: "Its scheme, host and port."}},
			}},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"admin": {Type: "http", Scheme: "bearer", Description: "An admin token: atm_…"},
				},
			},
			Security: []map[string][]string{{"admin": {}}},
		},
		OpenAPIPath:                  paths.API + "/openapi",
		Formats:                      map[string]huma.Format{"application/json": inJSON, "json": inJSON},
		DefaultFormat:                "application/json",
		Transformers:                 []huma.Transformer{ownProblems},
		RejectUnknownQueryParameters: true,
	}
	return c
}

// inJSON is huma's, with escapes for what would steer a terminal.
var inJSON = huma.Format{Unmarshal: huma.DefaultJSONFormat.Unmarshal, Marshal: func(w io.Writer, v any) error {
	var text bytes.Buffer
	if err := huma.DefaultJSONFormat.Marshal(&text, v); err != nil {
		return err
	}
	_, err := w.Write(printable.JSON(text.Bytes()))
	return err
}}

// idempotencyKey is taken by every POST, before huma.
var idempotencyKey = &huma.Param{
	Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: huma.TypeString},
	Description: "Makes the request safe to repeat for 24 hours: it is done once, and every repetition gets the first answer, without what was shown once.",
}

// finishDocument describes our errors instead of huma's.
func finishDocument(doc *huma.OpenAPI) {
	schemas := doc.Components.Schemas
	schemas.Schema(reflect.TypeFor[problem.Problem](), true, "Problem")
	if m := schemas.Map(); m["ErrorModel"] != nil {
		delete(m, "ErrorModel")
		delete(m, "ErrorDetail")
	}
	var code []any
	for _, c := range Codes() {
		code = append(code, c)
	}
	schemas.Map()["Problem"].Properties["code"].Enum = code
	doc.Tags = tags(doc)
	ref := &huma.Schema{Ref: "#/components/schemas/Problem"}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			if example, ok := examples()[op.OperationID]; ok && op.RequestBody != nil {
				op.RequestBody.Content["application/json"].Example = example
			}
			if op.Method == http.MethodPost {
				op.Parameters = append(op.Parameters, idempotencyKey)
			}
			for _, res := range op.Responses {
				if media := res.Content["application/problem+json"]; media != nil {
					media.Schema = ref
				}
			}
		}
	}
}

// tags names what operations are sorted by.
func tags(doc *huma.OpenAPI) (out []*huma.Tag) {
	found := map[string]bool{}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				found[op.Tags[0]] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		out = append(out, &huma.Tag{Name: name, Description: "Operations below " + paths.API + "/" + name + "."})
	}
	return out
}

// inWords rewrites the messages that only Go programmers understand.
func inWords(message string) string {
	if strings.HasPrefix(message, "invalid date/time for format ") {
		return "wants a moment such as 2026-01-31T00:00:00Z"
	}
	return message
}

// ownProblems turns huma's errors into ours. Huma's show the value that was
// wrong; ours never do.
func ownProblems(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	code := map[int]string{
		http.StatusBadRequest: "BAD_REQUEST", http.StatusUnprocessableEntity: "INVALID_INPUT", http.StatusUnsupportedMediaType: "UNSUPPORTED_MEDIA_TYPE",
		http.StatusRequestEntityTooLarge: "TOO_LARGE", http.StatusRequestTimeout: "REQUEST_TIMEOUT", http.StatusNotAcceptable: "NOT_ACCEPTABLE",
	}[e.Status]
	if code == "" {
		code = "INTERNAL"
	}
	p := problem.New(e.Status, code, problem.Sentence(e.Detail))
	for _, d := range e.Errors {
		p.At(d.Location, inWords(d.Message))
	}
	if len(p.Errors) > 0 {
		p.Detail = "The request is wrong: " + p.Errors[0].Location + " " + p.Errors[0].Message + "."
	}
	return p, nil
}
