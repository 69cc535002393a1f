package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// schema is what of JSON Schema the document uses.
type schema struct {
	Ref         string             `json:"$ref"`
	Type        any                `json:"type"` // a name, or a list of names, null among them
	Format      string             `json:"format"`
	Description string             `json:"description"`
	Enum        []any              `json:"enum"`
	Items       *schema            `json:"items"`
	Properties  map[string]*schema `json:"properties"`
	Additional  any                `json:"additionalProperties"` // false, or a schema
	Required    []string           `json:"required"`
}

// kind is the type's name; null tells whether null may stand there too.
func (s *schema) kind() (kind string, null bool) {
	switch t := s.Type.(type) {
	case string:
		return t, false
	case []any:
		for _, v := range t {
			if v == "null" {
				null = true
			} else {
				kind, _ = v.(string)
			}
		}
	}
	return kind, null
}

// values is the schema of an object's values, where its members have no names.
func (s *schema) values() *schema {
	raw, err := json.Marshal(s.Additional)
	out := &schema{}
	if err != nil || json.Unmarshal(raw, out) != nil {
		return nil
	}
	return out
}

func (s *schema) needs(member string) bool { return slices.Contains(s.Required, member) }

// members are the names of an object's members, those that are required first.
func (s *schema) members() []string {
	names := slices.Sorted(maps.Keys(s.Properties))
	slices.SortStableFunc(names, func(a, b string) int {
		switch x, y := s.needs(a), s.needs(b); {
		case x && !y:
			return -1
		case y && !x:
			return 1
		}
		return 0
	})
	return names
}

type parameter struct {
	Name, In string
	Required bool
	Schema   *schema
}

type media struct{ Schema *schema }

type operation struct {
	ID          string `json:"operationId"`
	Summary     string
	Description string
	Parameters  []parameter
	RequestBody *struct {
		Required bool
		Content  map[string]media
	}
	Responses map[string]struct{ Content map[string]media }

	method, path string
	noun, verb   string
}

// part is the value of an operation's member, for calls that are a part of it.
func (o *operation) body() *schema {
	if o.RequestBody == nil {
		return nil
	}
	return o.RequestBody.Content["application/json"].Schema
}

// answer is the schema of success; nil where nothing comes.
func (o *operation) answer() *schema {
	for status, r := range o.Responses {
		if strings.HasPrefix(status, "2") {
			return r.Content["application/json"].Schema
		}
	}
	return nil
}

func (o *operation) takes(in string) (out []parameter) {
	for _, p := range o.Parameters {
		if p.In == in {
			out = append(out, p)
		}
	}
	return out
}

type document struct {
	Info       struct{ Version string }
	Paths      map[string]map[string]*operation
	Components struct{ Schemas map[string]*schema }

	nouns  []string
	byNoun map[string][]*operation
	byID   map[string]*operation
}

func read(file string) (*document, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	d := &document{byNoun: map[string][]*operation{}, byID: map[string]*operation{}}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for path, item := range d.Paths {
		for method, o := range item {
			name, ok := verbs[o.ID]
			if !ok {
				return nil, fmt.Errorf("%s has no name; give it one in verbs.go", o.ID)
			}
			o.method, o.path = strings.ToUpper(method), path
			d.byID[o.ID] = o
			if o.noun, o.verb, ok = strings.Cut(name, "."); ok {
				d.byNoun[o.noun] = append(d.byNoun[o.noun], o)
			}
		}
	}
	for id := range verbs {
		if d.byID[id] == nil {
			return nil, fmt.Errorf("verbs.go names %s, which the document does not have", id)
		}
	}
	d.nouns = slices.Sorted(maps.Keys(d.byNoun))
	for _, ops := range d.byNoun {
		slices.SortFunc(ops, func(a, b *operation) int { return strings.Compare(a.verb, b.verb) })
	}
	return d, nil
}

// types are the names of the schemas, in order.
func (d *document) types() []string { return slices.Sorted(maps.Keys(d.Components.Schemas)) }

func (d *document) codes() (out []string) {
	for _, c := range d.Components.Schemas["Problem"].Properties["code"].Enum {
		out = append(out, c.(string))
	}
	return out
}

// member is the schema of a member of what s stands for.
func (d *document) member(s *schema, name string) *schema {
	if s.Ref != "" {
		s = d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	return s.Properties[name]
}

var (
	listOf = regexp.MustCompile(`^ListBody(.+)$`)
	inOut  = regexp.MustCompile(`^(.+)(In|Out)Body$`)
)

// typeName is a schema's name in the libraries.
func typeName(name string) string {
	name = strings.TrimPrefix(name, "#/components/schemas/")
	if m := listOf.FindStringSubmatch(name); m != nil {
		return m[1] + "List"
	}
	return inOut.ReplaceAllString(name, "$1$2")
}

var inPath = regexp.MustCompile(`\{(\w+)\}`)

// pathNames are the names of a path's variables.
func (o *operation) pathNames() (out []string) {
	for _, m := range inPath.FindAllStringSubmatch(o.path, -1) {
		out = append(out, m[1])
	}
	return out
}

// camel makes agent_id agentId.
func camel(s string) string {
	words := strings.FieldsFunc(s, func(r rune) bool { return r == '_' || r == '-' })
	for i := range words[1:] {
		words[i+1] = strings.ToUpper(words[i+1][:1]) + words[i+1][1:]
	}
	return strings.Join(words, "")
}

var upper = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// snake makes getAuthUrl get_auth_url.
func snake(s string) string { return strings.ToLower(upper.ReplaceAllString(s, "${1}_$2")) }

// wrapped is a description as the lines of a comment.
func wrapped(text, before string, width int) string {
	var b strings.Builder
	line := before
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > width && line != before {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = before
		}
		line += word + " "
	}
	if line != before {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
