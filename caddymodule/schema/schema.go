// Package schema describes connectors as JSON Schema, for editors, and finds
// the mistakes of connector files with their lines.
package schema

import (
	_ "embed"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/sign"
)

// ID is the schema's own address.
const ID = "https://attache.dev/schema/connector.json"

// object is a JSON object.
type object = map[string]any

// scalar is what a YAML field of text takes: a number or a truth value counts
// as its text.
func scalar() object { return object{"$ref": "#/$defs/Text"} }

// JSON is the schema (draft 2020-12) of a connector file, indented.
func JSON() []byte {
	g := &generator{defs: object{"Text": object{"type": []string{"string", "number", "boolean"}}}, special: special()}
	root := g.structure(reflect.TypeFor[providers.Definition]())
	root["$schema"], root["$id"] = "https://json-schema.org/draft/2020-12/schema", ID
	root["title"], root["description"] = "Attaché connector", "What a service looks like: its hosts, what to ask a person for, and where the credential goes. No secrets."
	root["required"] = []string{"key"}
	root["anyOf"] = []object{{"required": []string{"hosts", "auth"}}, {"required": []string{"environments", "auth"}}, {"required": []string{"extends"}}}
	root["$defs"] = g.defs
	text, _ := json.MarshalIndent(root, "", "  ") // maps of strings and lists cannot fail
	return append(text, '\n')
}

// generator makes schemas of Go types by their yaml tags.
type generator struct {
	defs    object
	special map[reflect.Type]func(*generator) object
}

// special are the types that decode themselves. A value of several JSON types
// needs no anyOf: properties speak of objects only, items of lists, pattern of
// text.
func special() map[reflect.Type]func(*generator) object {
	return map[reflect.Type]func(*generator) object{
		reflect.TypeFor[providers.HostDef]():         (*generator).host,
		reflect.TypeFor[providers.OptionDefs]():      named[providers.OptionDef],
		reflect.TypeFor[providers.FieldDefs]():       named[providers.FieldDef],
		reflect.TypeFor[providers.EnvironmentDefs](): named[providers.EnvironmentDef],
		reflect.TypeFor[providers.ScopeDefs]():       func(*generator) object { return object{"type": "object", "additionalProperties": scalar()} },
		reflect.TypeFor[providers.Date]():            func(*generator) object { return object{"type": "string", "pattern": `^\d{4}-\d{2}-\d{2}`} },
		reflect.TypeFor[providers.WrongDef]():        (*generator).wrong,
		reflect.TypeFor[sign.Spec]():                 (*generator).sign,
		reflect.TypeFor[oauth.Steps]():               (*generator).steps,
		reflect.TypeFor[oauth.List]():                func(*generator) object { return listOrWords() },
		reflect.TypeFor[oauth.Duration](): func(*generator) object {
			return object{"type": "string", "pattern": `^([0-9.]+(ns|us|µs|ms|s|m|h))+$`}
		},
		reflect.TypeFor[oauth.Params](): func(*generator) object { return object{"type": "object"} },
	}
}

func (g *generator) of(t reflect.Type) object {
	if t.Kind() == reflect.Pointer {
		return g.of(t.Elem())
	}
	if f, ok := g.special[t]; ok {
		return f(g)
	}
	switch t.Kind() {
	case reflect.Struct:
		return g.ref(t)
	case reflect.Slice:
		return object{"type": "array", "items": g.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": g.of(t.Elem())}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.String:
		return scalar()
	}
	return object{} // any
}

// ref describes a struct once and refers to it.
func (g *generator) ref(t reflect.Type) object {
	name := strings.TrimSuffix(strings.TrimSuffix(t.Name(), "Def"), "Spec")
	if _, ok := g.defs[name]; !ok {
		g.defs[name] = object{} // a type that holds itself comes here again
		g.defs[name] = g.structure(t)
	}
	return object{"$ref": "#/$defs/" + name}
}

func (g *generator) structure(t reflect.Type) object {
	properties := object{}
	g.fields(t, properties)
	return object{"type": "object", "properties": properties, "additionalProperties": false}
}

func (g *generator) fields(t reflect.Type, properties object) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case strings.Contains(opts, "inline"):
			g.fields(f.Type, properties)
		default:
			s := g.of(f.Type)
			where := t.Name() + "." + f.Name
			if text := descriptions[where]; text != "" {
				s["description"] = text
			}
			if values := choices[where]; values != nil {
				s = object{"enum": values, "description": s["description"]}
			}
			if shape := shapes[where]; shape != "" {
				s = object{"type": "string", "pattern": shape, "description": s["description"]}
			}
			properties[name] = s
		}
	}
}

// named is a mapping whose keys are names, such as auth.
func named[T any](g *generator) object {
	return object{"type": "object", "additionalProperties": g.ref(reflect.TypeFor[T]())}
}

func (g *generator) host() object {
	s := g.structure(reflect.TypeFor[providers.HostDef]())
	s["type"] = []string{"string", "object"}
	s["required"] = []string{"host"}
	return s
}

func (g *generator) wrong() object {
	s := g.structure(reflect.TypeFor[providers.WrongDef]())
	s["type"] = []string{"integer", "object"}
	return s
}

func (g *generator) steps() object {
	s := g.structure(reflect.TypeFor[oauth.StepSpec]())
	s["type"], s["items"] = []string{"object", "array"}, g.ref(reflect.TypeFor[oauth.StepSpec]())
	return s
}

func listOrWords() object {
	return object{"type": []string{"string", "array"}, "items": scalar()}
}

// sign is a word, a map of places and signers, or a list of maps.
func (g *generator) sign() object {
	if _, ok := g.defs["Sign"]; !ok {
		g.defs["Sign"] = object{}
		items := func() object { return object{"type": "object", "additionalProperties": scalar(), "minProperties": 1} }
		properties := object{
			"when": scalar(), "let": items(), "query": items(), "form": items(), "json": items(), "cookie": items(), "header": items(),
			"bearer": scalar(), "body": scalar(), "basic": g.of(reflect.TypeFor[sign.Basic]()), "remove": g.of(reflect.TypeFor[sign.Places]()),
			"path": g.orList(reflect.TypeFor[sign.Path]()),
		}
		for _, key := range sign.PlaceKeys() {
			if properties[key] == nil {
				properties[key] = object{} // known, and not described yet
			}
		}
		for _, kind := range sign.KindNames() {
			properties[kind] = object{"type": []string{"object", "null"}}
		}
		var words []string
		for _, w := range slices.Concat(sign.Words(), sign.KindNames()) {
			words = append(words, regexp.QuoteMeta(w))
		}
		g.defs["Sign"] = object{
			"type": []string{"string", "object", "array"}, "pattern": "^(" + strings.Join(words, "|") + ")$",
			"properties": properties, "additionalProperties": false, "items": object{"$ref": "#/$defs/Sign"},
		}
	}
	return object{"$ref": "#/$defs/Sign"}
}

// orList is a struct, or a list of it.
func (g *generator) orList(t reflect.Type) object {
	s := g.structure(t)
	s["type"], s["items"] = []string{"object", "array"}, g.ref(t)
	return s
}

// choices are the values of fields that have few; the Go types do not say them.
var choices = map[string][]string{
	"Definition.Cookies":  {providers.CookiesPass, providers.CookiesDrop},
	"Definition.Category": categories(),
	"OptionDef.Type":      {providers.TypeOAuth2, providers.TypeOAuth1, providers.TypeCredentials, providers.TypeDelegate, providers.TypeMCP},
	"Spec.PKCE":           {"required", "supported", "off"},
}

func categories() (keys []string) {
	for _, c := range providers.Categories {
		keys = append(keys, c.Key)
	}
	return keys
}

// shapes are the patterns of fields that have one.
var shapes = map[string]string{
	"Definition.Key": `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`,
}

//go:embed descriptions.json
var descriptionsJSON []byte

// descriptions are the fields' doc comments, by type and field. A test writes
// the file from the source: go test ./caddymodule/schema -update
var descriptions = func() (m map[string]string) {
	if err := json.Unmarshal(descriptionsJSON, &m); err != nil {
		panic(err) // the file is part of the program
	}
	return m
}()
