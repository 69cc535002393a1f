package scrub

import (
	"net/http"
	"strings"
)

// Header replaces echoes in the names and values of h, and reports whether
// there was one.
func (s *Set) Header(h http.Header) (found bool) {
	if s.Empty() {
		return false
	}
	for name, vs := range h {
		for i, v := range vs {
			if clean, echo := s.text(v, name); echo {
				vs[i], found = clean, true
			}
		}
		if clean, echo := s.name(name); echo {
			delete(h, name)
			h[clean] = append(h[clean], vs...)
			found = true
		}
	}
	return found
}

// text replaces echoes in a header's value. A value that could be guessed is
// replaced there too where it is all that the header of its name holds.
func (s *Set) text(v, name string) (string, bool) {
	if len(v) < shortest || s.plainText(v) {
		return v, false
	}
	b := []byte(v)
	found := s.own(b, name)
	if s.whole(b, true) || found {
		return string(b), true
	}
	return v, false
}

// plainText is plain without an allocation.
func (s *Set) plainText(v string) bool {
	var room [512]byte
	return s.plain(append(room[:0], v...))
}

// own replaces a guessable value that stands in a header of its own name.
func (s *Set) own(b []byte, name string) (found bool) {
	for k := range s.near {
		n := &s.near[k]
		for _, own := range n.names {
			if !strings.EqualFold(name, string(own)) {
				continue
			}
			if start, ok := n.follows(b, 0, true, nil); ok {
				overwrite(b[start : start+len(n.value)])
				found = true
			}
		}
	}
	return found
}

// name replaces echoes in a header's name, whose case is not what it was.
func (s *Set) name(name string) (string, bool) {
	if len(name) <= shortWindow || len(s.patterns) == 0 {
		return name, false
	}
	if s.lowered().plainLower(name) {
		return name, false
	}
	b, out := []byte(strings.ToLower(name)), []byte(name)
	if len(b) != len(out) || !s.lowered().whole(b, true) {
		return name, false
	}
	for i := range b {
		if b[i] == '*' {
			out[i] = '*'
		}
	}
	return string(out), true
}

// plainLower is plain, of a name in lower case.
func (s *Set) plainLower(name string) bool {
	var room [128]byte
	b := append(room[:0], name...)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return s.plain(b)
}
