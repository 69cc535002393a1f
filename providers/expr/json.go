package expr

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// jsons read and write JSON.
var jsons = []function{
	{name: "parse_json", params: []*cel.Type{text}, result: cel.DynType, doc: "the value of a JSON text; whole numbers are int, others double",
		call: func(args []ref.Val) ref.Val {
			v, err := parseJSON(bytesOf(args[0]))
			if err != nil {
				return fail("parse_json: the text is not JSON")
			}
			return types.DefaultTypeAdapter.NativeToValue(v)
		}},
	{name: "to_json", params: []*cel.Type{cel.DynType}, result: cel.StringType, doc: "the value as JSON, names sorted, without white space",
		call: func(args []ref.Val) ref.Val {
			var b strings.Builder
			if err := writeJSON(&b, args[0], 0); err != nil {
				return types.WrapErr(err)
			}
			return types.String(b.String())
		}},
	{name: "json_scalars", params: []*cel.Type{text}, result: cel.MapType(cel.StringType, cel.StringType),
		doc: "the members of a JSON object that are no object, list or null, by name, as text: numbers as they are written",
		call: func(args []ref.Val) ref.Val {
			m, err := jsonScalars(bytesOf(args[0]))
			if err != nil {
				return fail("json_scalars: the text is not a JSON object")
			}
			return types.NewStringStringMap(types.DefaultTypeAdapter, m)
		}},
	{name: "json_glue", params: []*cel.Type{text, cel.StringType}, result: cel.StringType,
		doc: "a member of a JSON object as one text: of objects each name and value in sorted order, of lists each value, scalars as they are written; empty when there is none",
		call: func(args []ref.Val) ref.Val {
			var members map[string]json.RawMessage
			if err := json.Unmarshal(bytesOf(args[0]), &members); err != nil {
				return fail("json_glue: the text is not a JSON object")
			}
			var b strings.Builder
			if raw, ok := members[stringOf(args[1])]; ok {
				if err := glue(&b, raw, 0); err != nil {
					return types.WrapErr(err)
				}
			}
			return types.String(b.String())
		}},
	{name: "merge", params: []*cel.Type{anyMap, anyMap}, result: anyMap, doc: "the entries of both maps; the second's win",
		call: func(args []ref.Val) ref.Val {
			out := map[string]ref.Val{}
			for _, a := range args {
				m, err := a.ConvertToNative(mapType)
				if err != nil {
					return fail("merge: want maps with strings as names")
				}
				maps.Copy(out, m.(map[string]ref.Val))
			}
			return types.DefaultTypeAdapter.NativeToValue(out)
		}},
}

// glue writes a JSON value without its punctuation.
func glue(b *strings.Builder, raw json.RawMessage, depth int) error {
	if depth > maxJSONDepth {
		return EvalError("json_glue: nested too deep")
	}
	switch raw[0] {
	case '{':
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			return EvalError("json_glue: the text is not JSON")
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			b.WriteString(name)
			if err := glue(b, members[name], depth+1); err != nil {
				return err
			}
		}
	case '[':
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			return EvalError("json_glue: the text is not JSON")
		}
		for _, item := range items {
			if err := glue(b, item, depth+1); err != nil {
				return err
			}
		}
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return EvalError("json_glue: the text is not JSON")
		}
		b.WriteString(s)
	default:
		b.Write(raw)
	}
	return nil
}

func parseJSON(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("text after the value")
	}
	return numbers(v), nil
}

// numbers replaces each json.Number in v by an int64, or else a float64.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for k, e := range v {
			v[k] = numbers(e)
		}
	case []any:
		for i, e := range v {
			v[i] = numbers(e)
		}
	}
	return v
}

// maxJSONDepth bounds what writeJSON descends.
const maxJSONDepth = 100

func writeJSON(b *strings.Builder, v ref.Val, depth int) error {
	if depth > maxJSONDepth {
		return EvalError("to_json: nested too deep")
	}
	switch v := v.(type) {
	case types.Null:
		b.WriteString("null")
	case types.Bool:
		b.WriteString(strconv.FormatBool(bool(v)))
	case types.Int:
		b.WriteString(strconv.FormatInt(int64(v), 10))
	case types.Uint:
		b.WriteString(strconv.FormatUint(uint64(v), 10))
	case types.Double:
		out, err := json.Marshal(float64(v))
		if err != nil {
			return EvalError("to_json: a number that JSON cannot hold")
		}
		b.Write(out)
	case types.String:
		b.WriteString(QuoteJSON(string(v)))
	case traits.Mapper:
		return writeObject(b, v, depth)
	case traits.Lister:
		b.WriteByte('[')
		for i, it := 0, v.Iterator(); it.HasNext() == types.True; i++ {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeJSON(b, it.Next(), depth+1); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	default:
		return EvalError("to_json: want strings, numbers, true, false, null, lists and maps")
	}
	return nil
}

func writeObject(b *strings.Builder, m traits.Mapper, depth int) error {
	var names []string
	for it := m.Iterator(); it.HasNext() == types.True; {
		name, ok := it.Next().(types.String)
		if !ok {
			return EvalError("to_json: want strings as names")
		}
		names = append(names, string(name))
	}
	slices.Sort(names)
	b.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(QuoteJSON(name) + ":")
		if err := writeJSON(b, m.Get(types.String(name)), depth+1); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

// QuoteJSON is s as a JSON string, without the HTML escapes of encoding/json.
func QuoteJSON(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string into memory cannot fail
	return strings.TrimSuffix(b.String(), "\n")
}

func jsonScalars(b []byte) (map[string]string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for name, raw := range members {
		switch raw[0] {
		case '{', '[', 'n':
		case '"':
			var s string
			if err := json.Unmarshal(raw, &s); err != nil {
				return nil, err
			}
			out[name] = s
		default:
			out[name] = string(raw)
		}
	}
	return out, nil
}
