package override

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/attache-proxy/attache/providers"
)

// rounds is how often escapes in a name are undone.
const rounds = 3

// isMethod reports a field's name that frameworks take for the method, also where it
// is escaped again, or behind white space that some of them drop.
func isMethod(name string) bool {
	name = strings.ReplaceAll(name, "\ufffd", "") // half a character, which some drop
	if !strings.ContainsAny(name, `%\&`) && !holdsAnchor([]byte(name)) {
		return false
	}
	for range rounds {
		for _, n := range []string{name, strings.TrimSpace(name), strings.TrimLeftFunc(name, func(r rune) bool { return r <= ' ' || r == '\ufeff' }), strings.Trim(name, "\"' ")} {
			if providers.IsMethodParameter(n) {
				return true
			}
		}
		next := string(undone([]byte(strings.ReplaceAll(name, "+", " "))))
		if next == name {
			break
		}
		name = next
	}
	return false
}

// form reads name=value&name=value. What begins like something else is read as
// that, too: clients send JSON with the type of a form (curl -d), and services read it.
func (l *Look) form(b []byte) error {
	for pair := range bytes.FieldsFuncSeq(b, func(r rune) bool { return r == '&' || r == ';' || r == '\n' || r == '\r' }) {
		name, value, ok := bytes.Cut(pair, []byte{'='})
		if ok && isMethod(string(name)) {
			return errOverride
		}
		if bytes.EqualFold(name, []byte("_charset_")) && !bytes.EqualFold(value, []byte("utf-8")) { // the charset of the names (HTML)
			return unreadable("its _charset_ is not UTF-8")
		}
	}
	start := bytes.TrimLeftFunc(b, func(r rune) bool { return r <= ' ' || r == '\ufeff' })
	if len(start) == 0 || start[0] == '_' || start[0] == '$' || '0' <= start[0] && start[0] <= '9' || 'a' <= start[0]|0x20 && start[0]|0x20 <= 'z' {
		return nil
	}
	if err := l.json(b); err == nil || err == errOverride {
		return err
	}
	return l.suspect(b)
}

// json reads JSON, or several values one after the other, at any depth. Only what
// RFC 8259 allows is read: of the rest readers differ.
func (l *Look) json(b []byte) error {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if !utf8.Valid(b) {
		return unreadable("it is not JSON in UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(bytes.ReplaceAll(b, []byte{0x1e}, []byte{' '}))) // RFC 7464
	for {
		var value json.RawMessage
		switch err := d.Decode(&value); {
		case err == io.EOF:
			return nil
		case err != nil:
			return unreadable("it is not JSON as RFC 8259 has it")
		}
		if overridden(value) {
			return errOverride
		}
	}
}

// overridden looks at the names in a value that is valid.
func overridden(b []byte) bool {
	for {
		i := bytes.IndexByte(b, '"')
		if i < 0 {
			return false
		}
		b = b[i:]
		end := 1
		for b[end] != '"' {
			if b[end] == '\\' {
				end++
			}
			end++
		}
		quoted := b[:end+1]
		b = b[end+1:]
		after := bytes.TrimLeft(b, " \t\r\n")
		if len(after) == 0 || after[0] != ':' || !holdsAnchor(quoted) && bytes.IndexByte(quoted, '\\') < 0 && bytes.IndexByte(quoted, '%') < 0 && bytes.IndexByte(quoted, '&') < 0 {
			continue
		}
		var name string
		if json.Unmarshal(quoted, &name) != nil || isMethod(name) {
			return true
		}
	}
}

// anchors are what every name of a method's field holds one of.
var anchors = [][]byte{[]byte("method"), []byte("verb")}

func holdsAnchor(b []byte) bool {
	low := lower(b)
	return slices.ContainsFunc(anchors, func(a []byte) bool { return bytes.Contains(low, a) })
}

// lower is b with ASCII's capitals made small.
func lower(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		out[i] = c
	}
	return out
}

// suspect searches for the names themselves, in what is not read as fields.
func (l *Look) suspect(b []byte) error {
	binary := !utf8.Valid(b) || bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' })
	if named(b, binary) {
		return errSuspect
	}
	b = bytes.ReplaceAll(b, []byte{0}, nil) // UTF-16
	for range rounds {
		if named(b, binary) {
			return errSuspect
		}
		next := undone(b)
		if bytes.Equal(next, b) {
			break
		}
		b = next
	}
	return nil
}

// named reports a name of a method's field: in text a whole word before what gives
// it a value, in binary forms (CBOR, BSON, frames) anywhere.
func named(b []byte, binary bool) bool {
	low := lower(b)
	for _, anchor := range anchors {
		for from := 0; ; {
			i := bytes.Index(low[from:], anchor)
			if i < 0 {
				break
			}
			at := from + i
			from = at + 1
			for _, name := range providers.MethodParameters() {
				for k := strings.Index(name, string(anchor)); k >= 0; k = nextIndex(name, string(anchor), k) {
					if stands(low, at-k, name) && (binary || isWord(low, at-k, at-k+len(name))) {
						return true
					}
				}
			}
		}
	}
	return false
}

func nextIndex(s, sub string, after int) int {
	i := strings.Index(s[after+1:], sub)
	if i < 0 {
		return -1
	}
	return after + 1 + i
}

// stands compares as services fold names: what PHP makes _ of is one.
func stands(b []byte, at int, name string) bool {
	if at < 0 || at+len(name) > len(b) {
		return false
	}
	for i := range len(name) {
		if c := b[at+i]; c != name[i] && (name[i] != '_' || strings.IndexByte("-.[ +", c) < 0 || i == 0 && (c == ' ' || c == '+')) {
			return false
		}
	}
	return true
}

// isWord reports whether b[from:to] is a word with something after it that gives it
// a value: an equals sign, a colon, the end of a tag, a comment, or no text at all.
func isWord(b []byte, from, to int) bool {
	letter := func(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' }
	if from > 0 && letter(b[from-1]) {
		return false
	}
	after := bytes.TrimLeft(b[to:], " \t\r\n\"'`\\[])")
	return len(after) > 0 && (strings.IndexByte("=:>/#", after[0]) >= 0 || after[0] < ' ' || after[0] >= 0x7f)
}
