package schema

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/strictyaml"
)

// Problem is a mistake in a file. Line starts at 1; 0 means the whole file.
type Problem struct {
	File string
	Line int
	Msg  string
	// Column is 0 where it is not known.
	Column int
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Msg
	}
	if p.Column > 0 {
		return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Msg)
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Msg)
}

// File is a connector file that is looked at.
type File struct {
	Name string
	Def  *providers.Definition // nil where it could not be read
	doc  yaml.Node
}

// Read finds the mistakes of one file that show without knowing any other.
func Read(name string, src []byte) (*File, []Problem) {
	f := &File{Name: name}
	if err := yaml.Unmarshal(src, &f.doc); err != nil {
		return f, []Problem{f.problem(err)}
	}
	def, err := providers.Parse(name, src)
	var problems []Problem
	if err != nil {
		problems = f.problems(err)
	} else {
		f.Def = def
	}
	return f, merge(f.structure(), problems...)
}

// merge adds mistakes in the order of their lines. Where both speak of a line,
// the parser and the compiler say it better than the schema.
func merge(problems []Problem, better ...Problem) []Problem {
	problems = slices.DeleteFunc(problems, func(p Problem) bool {
		return slices.ContainsFunc(better, func(q Problem) bool { return p.File == q.File && p.Line == q.Line })
	})
	problems = append(problems, better...)
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	return problems
}

// compiled is the schema, ready to validate.
var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(JSON()))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(ID, doc); err != nil {
		return nil, err
	}
	return c.Compile(ID)
})

// structure validates the file against the schema.
func (f *File) structure() []Problem {
	schema, err := compiled()
	if err != nil {
		return []Problem{{File: f.Name, Msg: err.Error()}}
	}
	value, err := f.value()
	if err != nil {
		return []Problem{f.problem(err)}
	}
	var invalid *jsonschema.ValidationError
	if errors.As(schema.Validate(value), &invalid) {
		return f.leaves(invalid)
	}
	return nil
}

// value is the document as encoding/json would read it.
func (f *File) value() (any, error) {
	var v any
	if err := f.doc.Decode(&v); err != nil {
		return nil, err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("a key is no text: %w", err)
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(text))
}

// leaves are the mistakes themselves; what is above them only says where.
func (f *File) leaves(e *jsonschema.ValidationError) (problems []Problem) {
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, key := range k.Properties {
			problems = append(problems, Problem{File: f.Name, Line: f.lineOf(append(slices.Clone(e.InstanceLocation), key), true), Msg: fmt.Sprintf("unknown key %q", key)})
		}
		return problems
	case *kind.AnyOf:
		return []Problem{{File: f.Name, Line: f.lineOf(e.InstanceLocation, false), Msg: "hosts and auth are missing, or extends: the connector from which they come"}}
	}
	if len(e.Causes) == 0 {
		where := strings.Join(e.InstanceLocation, ".")
		return []Problem{{File: f.Name, Line: f.lineOf(e.InstanceLocation, false), Msg: strings.TrimPrefix(where+": "+e.ErrorKind.LocalizedString(printer), ": ")}}
	}
	for _, cause := range e.Causes {
		problems = append(problems, f.leaves(cause)...)
	}
	return problems
}

// lineOf finds a place of the document; key asks for the line of its key.
func (f *File) lineOf(path []string, key bool) int {
	if len(f.doc.Content) == 0 {
		return 1
	}
	n, line := f.doc.Content[0], f.doc.Content[0].Line
	for i, step := range path {
		next, at := child(n, step)
		if next == nil {
			return line
		}
		n, line = next, next.Line
		if key && i == len(path)-1 || next.Kind != yaml.ScalarNode {
			line = at
		}
	}
	return line
}

// child is a member of a mapping or list, and the line of its key.
func child(n *yaml.Node, step string) (*yaml.Node, int) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1], n.Content[i].Line
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], n.Content[i].Line
		}
	}
	return nil, 0
}

// problems are all the mistakes that an error joins.
func (f *File) problems(err error) (all []Problem) {
	_ = strictyaml.Each(err, func(err error) error {
		all = append(all, f.problem(err))
		return nil
	})
	return all
}

// problem finds the line of an error of the parser or the compiler, and takes
// the file's name off its front.
func (f *File) problem(err error) Problem {
	msg := strings.TrimPrefix(strings.TrimPrefix(err.Error(), f.Name), ": ")
	p := Problem{File: f.Name, Msg: msg}
	var strict *strictyaml.Error
	switch m := lineInText.FindStringSubmatchIndex(msg); {
	case errors.As(err, &strict):
		p.Line, p.Column = strict.Line, strict.Column
		p.Msg = strings.Replace(placeInText.ReplaceAllString(msg, ""), fmt.Sprintf("line %d: ", strict.Line), "", 1)
	case m != nil:
		p.Line, _ = strconv.Atoi(msg[m[2]:m[3]])
		p.Msg = msg[:m[0]] + msg[m[1]:]
	default:
		p.Line = f.guess(msg)
	}
	return p
}

var (
	placeInText = regexp.MustCompile(`^:\d+(:\d+)?: `) // behind the file's name
	lineInText  = regexp.MustCompile(`(?:yaml: )?(?:unmarshal errors:\s+)?line (\d+): `)
	optionText  = regexp.MustCompile(`auth option ([A-Za-z0-9_-]+): (?:(sign|token|type|field ([A-Za-z0-9_]+)))?`)
	hostText    = regexp.MustCompile(`host "([^"]*)"`)
	ruleText    = regexp.MustCompile(`^(?:connector [^:]*: )?(key|hosts|base_url|keep|access|test|extends|env|identity)\b`)
)

// guess finds the line of what an error of the compiler speaks of.
func (f *File) guess(msg string) int {
	if m := optionText.FindStringSubmatch(msg); m != nil {
		path := []string{"auth", m[1]}
		switch {
		case m[3] != "":
			path = append(path, "fields", m[3])
		case m[2] != "":
			path = append(path, m[2])
		}
		return f.lineOf(path, true)
	}
	if m := hostText.FindStringSubmatch(msg); m != nil && len(f.doc.Content) > 0 {
		if hosts, line := child(f.doc.Content[0], "hosts"); hosts != nil {
			for _, h := range hosts.Content {
				if long, _ := child(h, "host"); h.Value == m[1] || long != nil && long.Value == m[1] {
					return h.Line
				}
			}
			return line
		}
	}
	if m := ruleText.FindStringSubmatch(msg); m != nil {
		return f.lineOf(m[1:2], true)
	}
	return 1
}
