package view

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Member is a member of a JSON object for people; name may lead into it, with dots.
func Member(x map[string]any, name string) string {
	var v any = x
	for part := range strings.SplitSeq(name, ".") {
		in, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = in[part]
	}
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		var all []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				all = append(all, s)
			} else {
				b, _ := json.Marshal(item)
				all = append(all, string(b))
			}
		}
		return strings.Join(all, " ")
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// Pasted is what a person meant who pasted a value with spaces, a line end or quotes
// around it.
func Pasted(value string) string {
	value = strings.TrimSpace(value)
	for _, q := range []string{`"`, "'", "`"} {
		if len(value) > 2 && strings.HasPrefix(value, q) && strings.HasSuffix(value, q) {
			return value[1 : len(value)-1]
		}
	}
	return value
}
