package expr

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// queries work on text of the form name=value&name=value, from the query or
// from a form body.
var queries = []function{
	{name: "pairs", params: []*cel.Type{text}, result: cel.ListType(cel.ListType(cel.StringType)), doc: "[name, value] for each parameter of a query, decoded, in order",
		call: func(args []ref.Val) ref.Val { return pairList(ParsePairs(stringOf(args[0]))) }},
	{name: "params", params: []*cel.Type{text}, result: cel.MapType(cel.StringType, cel.StringType), doc: "the parameters of a query by name, decoded; the first of equal names",
		call: func(args []ref.Val) ref.Val {
			return types.NewStringStringMap(types.DefaultTypeAdapter, pairMap(ParsePairs(stringOf(args[0]))))
		}},
	{name: "canonical_query", params: []*cel.Type{text}, result: cel.StringType, doc: "the query decoded, percent-encoded and sorted, as AWS signs it",
		call: func(args []ref.Val) ref.Val { return types.String(CanonicalQuery(stringOf(args[0]))) }},
	{name: "sort_query", params: []*cel.Type{text}, result: cel.StringType, doc: "the parameters as they are, sorted by name and value",
		call: func(args []ref.Val) ref.Val { return types.String(sortQuery(stringOf(args[0]))) }},
	{name: "query_without", params: []*cel.Type{text, cel.ListType(cel.StringType)}, result: cel.StringType, doc: "the query without the named parameters, else as it is",
		call: func(args []ref.Val) ref.Val {
			return types.String(QueryWithout(stringOf(args[0]), stringsOf(args[1])...))
		}},
	{name: "merge_pairs", params: []*cel.Type{cel.ListType(cel.ListType(cel.StringType))}, result: cel.ListType(cel.ListType(cel.StringType)),
		doc: "pairs sorted by name, those of one name made one: their values, sorted, joined by comma",
		call: func(args []ref.Val) ref.Val {
			var ps []Pair
			for it := args[0].(traits.Lister).Iterator(); it.HasNext() == types.True; {
				p := stringsOf(it.Next())
				if len(p) != 2 {
					return fail("merge_pairs: want [name, value] for each")
				}
				ps = append(ps, Pair{p[0], p[1]})
			}
			return pairList(mergePairs(ps))
		}},
}

// mergePairs sorts ps and joins the values of equal names by comma.
func mergePairs(ps []Pair) []Pair {
	SortPairs(ps)
	var out []Pair
	for _, p := range ps {
		if n := len(out); n > 0 && out[n-1].Name == p.Name {
			out[n-1].Value += "," + p.Value
		} else {
			out = append(out, p)
		}
	}
	return out
}

// Pair is a decoded parameter.
type Pair struct{ Name, Value string }

// ParsePairs decodes a query or form body in its order. A broken escape stands
// for itself, since the service will see it too.
func ParsePairs(raw string) []Pair {
	var ps []Pair
	for part := range strings.SplitSeq(raw, "&") {
		if part != "" {
			name, value, _ := strings.Cut(part, "=")
			ps = append(ps, Pair{formDecode(name), formDecode(value)})
		}
	}
	return ps
}

func formDecode(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// CanonicalQuery is raw with each name and value encoded by RFC 3986, sorted by
// encoded name and then value, every name followed by =.
func CanonicalQuery(raw string) string {
	ps := ParsePairs(raw)
	for i := range ps {
		ps[i] = Pair{Percent(ps[i].Name), Percent(ps[i].Value)}
	}
	SortPairs(ps)
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.Name)
		b.WriteByte('=')
		b.WriteString(p.Value)
	}
	return b.String()
}

// SortPairs sorts by the bytes of the name, then of the value.
func SortPairs(ps []Pair) {
	slices.SortStableFunc(ps, func(a, b Pair) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
	})
}

func sortQuery(raw string) string {
	parts := slices.DeleteFunc(strings.Split(raw, "&"), func(s string) bool { return s == "" })
	slices.SortStableFunc(parts, func(a, b string) int {
		an, av, _ := strings.Cut(a, "=")
		bn, bv, _ := strings.Cut(b, "=")
		return cmp.Or(strings.Compare(an, bn), strings.Compare(av, bv))
	})
	return strings.Join(parts, "&")
}

// QueryWithout returns the query or form raw without the parameters of these
// names, however the names are encoded. Other bytes stay, in their order. Some
// servers also part parameters at ";", so a name behind one counts too.
func QueryWithout(raw string, names ...string) string {
	if !mayHold(raw, names) {
		return raw
	}
	return without(raw, func(name string) bool { return slices.Contains(names, name) })
}

// QueryWithoutFold is QueryWithout for names in any case of letters: some
// services know their parameters so.
func QueryWithoutFold(raw string, names ...string) string {
	if raw == "" {
		return raw
	}
	return without(raw, func(name string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
	})
}

func without(raw string, gone func(name string) bool) string {
	var out strings.Builder
	out.Grow(len(raw))
	for rest := raw; rest != ""; {
		part, sep := rest, ""
		if n := strings.IndexAny(rest, "&;"); n >= 0 {
			part, sep = rest[:n], rest[n:n+1]
		}
		rest = rest[len(part)+len(sep):]
		name, _, _ := strings.Cut(part, "=")
		switch {
		case !gone(formDecode(name)):
			out.WriteString(part)
			out.WriteString(sep)
		case sep == "" && out.Len() > 0: // the last one: its separator stands before it
			return out.String()[:out.Len()-1]
		}
	}
	return out.String()
}

// mayHold is a quick no: it reports whether raw could hold a parameter of these
// names, in plain or encoded letters.
func mayHold(raw string, names []string) bool {
	return strings.ContainsAny(raw, "%+") || slices.ContainsFunc(names, func(n string) bool { return strings.Contains(raw, n) })
}

func pairMap(ps []Pair) map[string]string {
	m := make(map[string]string, len(ps))
	for _, p := range ps {
		if _, ok := m[p.Name]; !ok {
			m[p.Name] = p.Value
		}
	}
	return m
}

func pairList(ps []Pair) ref.Val {
	out := make([]ref.Val, len(ps))
	for i, p := range ps {
		out[i] = types.NewStringList(types.DefaultTypeAdapter, []string{p.Name, p.Value})
	}
	return types.NewRefValList(types.DefaultTypeAdapter, out)
}
