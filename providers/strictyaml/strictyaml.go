// Package strictyaml decodes YAML into structs and refuses what it does not
// know, naming the line. gopkg.in/yaml.v3 can be strict only for types that do
// not decode themselves; ours often may be a word or a map.
package strictyaml

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
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

// Decode decodes the mapping n into the struct that v points to. A key that
// no field has as its yaml tag, or that stands twice, is an error.
func Decode(n *yaml.Node, v any) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return Errorf(n, "want a mapping (key: value)")
	}
	known := keys(reflect.TypeOf(v).Elem())
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		k := n.Content[i]
		if !slices.Contains(known, k.Value) {
			return Errorf(k, "unknown key %q; known here: %s", k.Value, strings.Join(known, ", "))
		}
		if seen[k.Value] {
			return Errorf(k, "key %q stands twice", k.Value)
		}
		seen[k.Value] = true
	}
	return n.Decode(v)
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
