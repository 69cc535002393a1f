package oauth

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// path finds a value in an answer: dotted names and indexes into the body,
// "." for the whole of it, header:NAME or cookie:NAME. A dot in a name is
// written "\.". The zero path finds nothing.
type path struct {
	header, cookie string
	whole          bool
	names          []string
}

func parsePath(s string) path {
	if name, ok := strings.CutPrefix(s, "header:"); ok {
		return path{header: name}
	}
	if name, ok := strings.CutPrefix(s, "cookie:"); ok {
		return path{cookie: name}
	}
	switch s {
	case "":
		return path{}
	case ".":
		return path{whole: true}
	}
	const dot = "\x00"
	names := strings.Split(strings.ReplaceAll(s, `\.`, dot), ".")
	for i := range names {
		names[i] = strings.ReplaceAll(names[i], dot, ".")
	}
	return path{names: names}
}

// find returns the value, or nil. JSON's null is nil too.
func (p path) find(a *answer) any {
	switch {
	case p.header != "":
		if v := a.header.Get(p.header); v != "" {
			return v
		}
		return nil
	case p.cookie != "":
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			if c.Name == p.cookie && c.Value != "" {
				return c.Value
			}
		}
		return nil
	case p.whole:
		return a.tree
	case len(p.names) == 0:
		return nil
	}
	v := a.tree
	for _, name := range p.names {
		switch node := v.(type) {
		case map[string]any:
			v = node[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(node) {
				return nil
			}
			v = node[i]
		default:
			return nil
		}
	}
	return v
}

// text returns a scalar as text. It reports false for objects, arrays, null and
// what is not there.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}
