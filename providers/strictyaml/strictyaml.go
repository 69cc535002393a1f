// Package strictyaml decodes YAML into structs and refuses what it does not
// know, naming the line. go.yaml.in/yaml/v3 can be strict only for types that do
// not decode themselves; ours often may be a word or a map.
package strictyaml

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Error is a mistake at a place of a YAML file. Line and Column start at 1.
type Error struct {
	Line, Column int
	Msg          string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }

// Errorf is an Error at node n.
func Errorf(n *yaml.Node, format string, args ...any) error {
	return &Error{n.Line, n.Column, fmt.Sprintf(format, args...)}
}

// Each applies f to each of the mistakes that an error joins.
func Each(err error, f func(error) error) error {
	all, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if err == nil {
			return nil
		}
		return f(err)
	}
	var out []error
	for _, e := range all.Unwrap() {
		out = append(out, Each(e, f))
	}
	return errors.Join(out...)
}

// Decode decodes the mapping n into the struct that v points to. A key that no field
// has as its yaml tag, or that stands twice, is an error. All mistakes are told: the
// error joins them.
func Decode(n *yaml.Node, v any) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return Errorf(n, "want a mapping (key: value)")
	}
	known := keys(reflect.TypeOf(v).Elem())
	seen := map[string]bool{}
	var errs []error
	for i := 0; i < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		switch {
		case !slices.Contains(known, k.Value):
			errs = append(errs, Errorf(k, "unknown key %q; known here: %s", k.Value, strings.Join(known, ", ")))
			continue
		case seen[k.Value]:
			errs = append(errs, Errorf(k, "key %q stands twice", k.Value))
			continue
		}
		seen[k.Value] = true
		one := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: k.Line, Column: k.Column, Content: []*yaml.Node{k, val}}
		if err := one.Decode(v); err != nil {
			errs = append(errs, placed(err, val))
		}
	}
	return errors.Join(errs...)
}

// placed makes mistakes of ours of those that package yaml finds by itself.
func placed(err error, n *yaml.Node) error {
	own, ok := err.(*yaml.TypeError)
	if !ok {
		return err
	}
	var errs []error
	for _, text := range own.Errors {
		e := &Error{Line: n.Line, Column: n.Column, Msg: text}
		if _, err := fmt.Sscanf(text, "line %d:", &e.Line); err == nil {
			_, e.Msg, _ = strings.Cut(text, ": ")
			if e.Line != n.Line {
				e.Column = 0
			}
		}
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// keys lists the yaml keys of struct type t, those of inlined structs included.
func keys(t reflect.Type) []string {
	var ks []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || (!f.IsExported() && !f.Anonymous):
		case strings.Contains(opts, "inline"):
			ks = append(ks, keys(f.Type)...)
		case name == "":
			ks = append(ks, strings.ToLower(f.Name))
		default:
			ks = append(ks, name)
		}
	}
	return ks
}

// Pair is one entry of a mapping whose order matters.
type Pair struct {
	Key   *yaml.Node
	Value *yaml.Node
}

// Pairs returns the entries of the mapping n in their order.
func Pairs(n *yaml.Node) ([]Pair, error) {
	if n.Kind != yaml.MappingNode {
		return nil, Errorf(n, "want a mapping (key: value)")
	}
	var ps []Pair
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		if k := n.Content[i]; seen[k.Value] {
			return nil, Errorf(k, "key %q stands twice", k.Value)
		}
		seen[n.Content[i].Value] = true
		ps = append(ps, Pair{n.Content[i], n.Content[i+1]})
	}
	return ps, nil
}
