package main

import (
	"fmt"
	"go/format"
	"slices"
	"strings"
)

// golang adds the Go package's files: a file for each noun, and types in several, none
// of more lines than a file here may have.
func golang(d *document, files map[string]string) error {
	add := func(name, imports, text string) error {
		src := fmt.Sprintf("// %s\n\npackage attache\n\n%s\n%s", madeBy, imports, text)
		out, err := format.Source([]byte(src))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		files["go/"+name] = string(out)
		return nil
	}
	var types []string
	size, n := 0, 1
	flush := func() error {
		text := strings.Join(types, "\n")
		imports := ""
		if strings.Contains(text, "time.Time") {
			imports = "import \"time\"\n"
		}
		name := fmt.Sprintf("types%d.go", n)
		types, size, n = nil, 0, n+1
		return add(name, imports, text)
	}
	for _, name := range d.types() {
		t := goStruct(d, name)
		lines := strings.Count(t, "\n") + 1
		if size+lines > 440 {
			if err := flush(); err != nil {
				return err
			}
		}
		types, size = append(types, t), size+lines
	}
	if err := flush(); err != nil {
		return err
	}
	var codes strings.Builder
	codes.WriteString("// Code is the code of an error; stable.\ntype Code string\n\nconst (\n")
	for _, c := range d.codes() {
		fmt.Fprintf(&codes, "\t%s Code = %q\n", goName("Code_"+strings.ToLower(c)), c)
	}
	codes.WriteString(")\n\n// Client has the calls of the API.\ntype Client struct {\n")
	for _, noun := range d.nouns {
		fmt.Fprintf(&codes, "\t%s %sCalls\n", title(noun), title(noun))
	}
	codes.WriteString("}\n\nfunc calls(c *caller) *Client {\n\treturn &Client{\n")
	for _, noun := range d.nouns {
		fmt.Fprintf(&codes, "\t\t%s: %sCalls{c},\n", title(noun), title(noun))
	}
	codes.WriteString("\t}\n}\n")
	if err := add("codes.go", "", codes.String()); err != nil {
		return err
	}
	for _, noun := range d.nouns {
		text := goNoun(d, noun)
		imports := "import (\n\t\"context\"\n\t\"net/http\"\n"
		if strings.Contains(text, "url.Values") {
			imports += "\t\"net/url\"\n"
		}
		if err := add(noun+".go", imports+")\n", text); err != nil {
			return err
		}
	}
	return nil
}

var initials = []string{"id", "url", "uri", "api", "mcp", "aws", "gcs", "ok", "csrf"}

// goName is an exported Go name.
func goName(s string) string {
	var b strings.Builder
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r == '_' || r == '-' || r == '$' }) {
		switch {
		case slices.Contains(initials, w):
			b.WriteString(strings.ToUpper(w))
		case w == "ids":
			b.WriteString("IDs")
		default:
			b.WriteString(strings.ReplaceAll(title(w), "Url", "URL"))
		}
	}
	return b.String()
}

func goType(s *schema, optional bool) string {
	if s == nil {
		return ""
	}
	point := func(t string, null bool) string {
		if null || optional {
			return "*" + t
		}
		return t
	}
	if s.Ref != "" {
		return point(typeName(s.Ref), false)
	}
	kind, null := s.kind()
	switch {
	case kind == "string" && s.Format == "date-time":
		return point("time.Time", null)
	case kind == "string":
		if null {
			return "*string"
		}
		return "string"
	case kind == "integer":
		return point("int64", null)
	case kind == "number":
		return point("float64", null)
	case kind == "boolean":
		return point("bool", null)
	case kind == "array":
		return "[]" + goType(s.Items, false)
	case kind == "object" && len(s.Properties) == 0:
		if v := s.values(); v != nil && (v.Ref != "" || v.Type != nil) {
			return "map[string]" + goType(v, false)
		}
		return "map[string]any"
	case kind == "object":
		return "map[string]any"
	}
	return "any"
}

func goStruct(d *document, name string) string {
	var b strings.Builder
	s := d.Components.Schemas[name]
	n := typeName(name)
	b.WriteString(wrapped(n+" is what the document calls "+name+". "+s.Description, "// ", 100))
	fmt.Fprintf(&b, "type %s struct {\n", n)
	for _, m := range s.members() {
		if m == "$schema" {
			continue
		}
		p := s.Properties[m]
		omit := ",omitempty"
		if s.needs(m) {
			omit = ""
		}
		b.WriteString(wrapped(p.Description, "\t// ", 100))
		fmt.Fprintf(&b, "\t%s %s `json:\"%s%s\"`\n", goName(m), goType(p, !s.needs(m)), m, omit)
	}
	b.WriteString("}\n")
	return b.String()
}

// goNoun is the calls of a noun.
func goNoun(d *document, noun string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "// %sCalls has the calls about %s.\ntype %sCalls struct{ c *caller }\n", title(noun), noun, title(noun))
	for _, o := range d.byNoun[noun] {
		args, body, query := o.goArguments()
		fmt.Fprintf(&b, "\n// %s: %s.\n", goName(o.verb), o.Summary)
		if answer := o.answer(); answer != nil {
			fmt.Fprintf(&b, "func (n %sCalls) %s(ctx context.Context%s, options ...Option) (out %s, err error) {\n\terr = n.c.call(ctx, http.Method%s, %s, %s, %s, &out, options)\n\treturn out, err\n}\n",
				title(noun), goName(o.verb), args, goType(answer, false), goMethod(o.method), o.goPath(), query, body)
		} else {
			fmt.Fprintf(&b, "func (n %sCalls) %s(ctx context.Context%s, options ...Option) error {\n\treturn n.c.call(ctx, http.Method%s, %s, %s, %s, nil, options)\n}\n",
				title(noun), goName(o.verb), args, goMethod(o.method), o.goPath(), query, body)
		}
	}
	for _, p := range parts {
		verb, of := p.verb(noun), d.byID[p.of]
		if verb == "" {
			continue
		}
		fmt.Fprintf(&b, "\n// %s: %s\n", goName(verb), p.doc)
		switch {
		case p.send:
			m := d.member(of.body(), p.member)
			fmt.Fprintf(&b, "func (n %sCalls) %s(ctx context.Context, id string, %s %s, options ...Option) (%s, error) {\n\treturn n.%s(ctx, id, %s{%s: %s}, options...)\n}\n",
				title(noun), goName(verb), p.member, goType(m, m.Ref != ""), goType(of.answer(), false), goName(of.verb), goType(of.body(), false), goName(p.member), p.member)
		case p.member != "":
			fmt.Fprintf(&b, "func (n %sCalls) %s(ctx context.Context, id string, options ...Option) (%s, error) {\n\tout, err := n.%s(ctx, id, options...)\n\treturn out.%s, err\n}\n",
				title(noun), goName(verb), goType(d.member(of.answer(), p.member), false), goName(of.verb), goName(p.member))
		default:
			fmt.Fprintf(&b, "func (n %sCalls) %s(ctx context.Context, id string, options ...Option) (%s, error) {\n\treturn n.%s(ctx, id, options...)\n}\n",
				title(noun), goName(verb), goType(of.answer(), false), goName(of.verb))
		}
	}
	return b.String()
}

func goMethod(m string) string { return m[:1] + strings.ToLower(m[1:]) }

func (o *operation) goArguments() (args, body, query string) {
	body, query = "nil", "nil"
	for _, n := range o.pathNames() {
		args += ", " + camel(n) + " string"
	}
	if names := spread[o.ID]; names != nil {
		var pairs []string
		for _, n := range names {
			args += ", " + camel(n) + " string"
			pairs = append(pairs, fmt.Sprintf("%q: %s", n, camel(n)))
		}
		body = "map[string]string{" + strings.Join(pairs, ", ") + "}"
	} else if s := o.body(); s != nil {
		args += ", body " + goType(s, !o.RequestBody.Required)
		body = "body"
		if !o.RequestBody.Required {
			body = "given(body)"
		}
	}
	if len(o.takes("query")) > 0 {
		args += ", query url.Values"
		query = "query"
	}
	return args, body, query
}

func (o *operation) goPath() string {
	var b strings.Builder
	rest := o.path
	for {
		before, after, ok := strings.Cut(rest, "{")
		if !ok {
			break
		}
		name, end, _ := strings.Cut(after, "}")
		fmt.Fprintf(&b, "%q, segment(%s), ", before, camel(name))
		rest = end
	}
	if rest != "" {
		fmt.Fprintf(&b, "%q, ", rest)
	}
	return "path(" + strings.TrimSuffix(b.String(), ", ") + ")"
}
