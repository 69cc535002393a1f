package sign

import (
	"encoding/json"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
)

// setMember returns body with the member at path set to the JSON text value.
// Of several members of that name one remains, since parsers differ in which
// of two they take. An empty body becomes an object.
func setMember(body []byte, path []string, value string) ([]byte, error) {
	if len(strings.TrimSpace(string(body))) == 0 {
		body = []byte("{}")
	}
	if !json.Valid(body) {
		return nil, cannot("the body is not JSON, and the credential goes into it at %s", strings.Join(path, "."))
	}
	return putMember(body, path, value, 0)
}

// putMember works on valid JSON; at is how many of path's names lead here.
func putMember(text []byte, path []string, value string, at int) ([]byte, error) {
	obj, ok := parseObject(text)
	if !ok {
		where := "the body"
		if at > 0 {
			where = strings.Join(path[:at], ".")
		}
		return nil, cannot("the credential goes to %s of the JSON body, but %s is not an object", strings.Join(path, "."), where)
	}
	name := path[at]
	if at == len(path)-1 {
		return obj.replace(name, value), nil
	}
	inner := []byte("{}")
	if v, found := obj.last(name); found {
		inner = v
	}
	inner, err := putMember(inner, path, value, at+1)
	if err != nil {
		return nil, err
	}
	return obj.replace(name, string(inner)), nil
}

// removeMember returns the valid JSON text without the member at path.
func removeMember(text []byte, path []string) []byte {
	obj, ok := parseObject(text)
	if !ok {
		return text
	}
	if len(path) == 1 {
		return obj.remove(path[0])
	}
	inner, ok := obj.last(path[0])
	if !ok {
		return text
	}
	return obj.replace(path[0], string(removeMember(inner, path[1:])))
}

// object is a JSON object taken apart without decoding its values.
type object struct {
	text    []byte
	open    int // index of {
	close   int // index of }
	members []member
}

// member is one name and value; start is the first quote of the name, end the
// index after the value.
type member struct {
	name              string
	start, value, end int
}

// parseObject takes valid JSON apart; it reports whether that is an object.
func parseObject(text []byte) (*object, bool) {
	o := &object{text: text}
	i := skipSpace(text, 0)
	if i >= len(text) || text[i] != '{' {
		return nil, false
	}
	o.open = i
	for i = skipSpace(text, i+1); text[i] != '}'; {
		if text[i] == ',' {
			i = skipSpace(text, i+1)
		}
		m := member{start: i}
		i = skipString(text, i)
		_ = json.Unmarshal(text[m.start:i], &m.name) // valid JSON: cannot fail
		i = skipSpace(text, skipSpace(text, i)+1)    // past the colon
		m.value = i
		m.end = skipValue(text, i)
		o.members = append(o.members, m)
		i = skipSpace(text, m.end)
	}
	o.close = i
	return o, true
}

// last returns the value that most parsers take for name.
func (o *object) last(name string) ([]byte, bool) {
	for i := len(o.members) - 1; i >= 0; i-- {
		if m := o.members[i]; m.name == name {
			return o.text[m.value:m.end], true
		}
	}
	return nil, false
}

// replace returns the object's text with name set to value. A single member of
// that name keeps its place; several are removed but for the first.
func (o *object) replace(name, value string) []byte {
	out := make([]byte, 0, len(o.text)+len(name)+len(value)+8)
	from, done := 0, false
	for i, m := range o.members {
		if m.name != name {
			continue
		}
		if !done {
			out = append(append(out, o.text[from:m.value]...), value...)
			from, done = m.end, true
			continue
		}
		// The comma before it goes too; there is one, as it is not the first.
		out = append(out, o.text[from:o.members[i-1].end]...)
		from = m.end
	}
	if !done {
		last := o.open + 1
		comma := ""
		if n := len(o.members); n > 0 {
			last, comma = o.members[n-1].end, ","
		}
		out = append(out, o.text[:last]...)
		out = append(out, comma+expr.QuoteJSON(name)+":"+value...)
		from = last
	}
	return append(out, o.text[from:]...)
}

// remove returns the object's text without the members called name.
func (o *object) remove(name string) []byte {
	out := append([]byte{}, o.text[:o.open+1]...)
	end, first := o.open+1, true // of the member before
	for i, m := range o.members {
		if m.name != name {
			from := end
			if first && i > 0 {
				from = m.start // without the comma before it
			}
			out = append(out, o.text[from:m.end]...)
			first = false
		}
		end = m.end
	}
	return append(out, o.text[end:]...)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string that starts at i.
func skipString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipValue returns the index after the value that starts at i.
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		for depth := 0; ; {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for i < len(b) && strings.IndexByte(",]} \t\r\n", b[i]) < 0 {
		i++
	}
	return i
}
