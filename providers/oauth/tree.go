package oauth

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/attache-proxy/attache/providers/expr"
)

// tree is a parameter's value: a template, or a JSON shape with templates at
// its leaves.
type tree struct {
	text   *expr.Template
	object map[string]*tree
	array  []*tree
	other  any // a number, a boolean or null
}

// params compiles ps; nested values are only for a JSON body.
func (k *compiler) params(key string, ps Params, nested bool) (map[string]*tree, error) {
	out := make(map[string]*tree, len(ps))
	for _, name := range ps.Names() {
		t, err := k.tree(ps[name])
		if err != nil {
			return nil, fmt.Errorf("%s: parameter %s: %w", key, name, err)
		}
		if !nested && (t.object != nil || t.array != nil) {
			return nil, fmt.Errorf("%s: parameter %s: a nested value needs content_type json", key, name)
		}
		out[name] = t
	}
	return out, nil
}

func (k *compiler) tree(v any) (*tree, error) {
	switch v := v.(type) {
	case string:
		t, err := k.template(v)
		return &tree{text: t}, err
	case Params: // yaml.v3 makes inner maps of the outer one's type
		return k.tree(map[string]any(v))
	case map[string]any:
		object := make(map[string]*tree, len(v))
		for name, child := range v {
			t, err := k.tree(child)
			if err != nil {
				return nil, err
			}
			object[name] = t
		}
		return &tree{object: object}, nil
	case []any:
		array := make([]*tree, len(v))
		for i, child := range v {
			t, err := k.tree(child)
			if err != nil {
				return nil, err
			}
			array[i] = t
		}
		return &tree{array: array}, nil
	case nil, bool, int, int64, uint64, float64:
		return &tree{other: v}, nil
	}
	return nil, fmt.Errorf("a %T is not a parameter", v)
}

// eval returns the value as encoding/json takes it.
func (t *tree) eval(v *expr.Vars) (any, error) {
	switch {
	case t.text != nil:
		return t.text.Eval(v)
	case t.object != nil:
		out := make(map[string]any, len(t.object))
		for name, child := range t.object {
			value, err := child.eval(v)
			if err != nil {
				return nil, err
			}
			out[name] = value
		}
		return out, nil
	case t.array != nil:
		out := make([]any, len(t.array))
		for i, child := range t.array {
			value, err := child.eval(v)
			if err != nil {
				return nil, err
			}
			out[i] = value
		}
		return out, nil
	}
	return t.other, nil
}

// named compiles templates by name; what names them in errors.
func (k *compiler) named(what string, m map[string]string) (map[string]*expr.Template, error) {
	out := make(map[string]*expr.Template, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		t, err := k.template(m[name])
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", what, name, err)
		}
		out[name] = t
	}
	return out, nil
}

func validHeaderName(name string) bool {
	return httpguts.ValidHeaderFieldName(strings.TrimSuffix(name, "?"))
}

// escapeXML is an expr.Escape: the one kind of body of its own is XML.
func escapeXML(dst []byte, s string) []byte {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a bytes.Buffer does not fail
	return append(dst, b.Bytes()...)
}

// words lists the keys of a table for an error text.
func words[V any](table map[string]V) string {
	keys := slices.Sorted(maps.Keys(table))
	return strings.Join(slices.DeleteFunc(keys, func(k string) bool { return k == "" }), ", ")
}
