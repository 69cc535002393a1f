package scrub

import (
	"bytes"
	"strings"
)

// near is a value that could be guessed. It is replaced only as a whole word
// beside the name that it was placed with. The search begins with the name,
// which is public, so its time says nothing of the value.
type near struct {
	value []byte
	names [][]byte // lower case, without what separates words
	lead  []byte
}

const (
	maxName      = 64
	maxNearValue = 1 << 10
	// maxBetween is how many bytes may stand between the name and the value, such
	// as `": "` or `</name><value>`.
	maxBetween = 24
	maxLead    = 128
)

// nearReach is how far before what is new a name must be looked for.
const nearReach = maxName + maxBetween + maxLead + maxBetween + maxNearValue + 1

func newNear(value string, names []string, lead string) near {
	n := near{value: []byte(value[:min(len(value), maxNearValue)])}
	if lead = strings.TrimLeft(lead, " "); len(lead) <= maxLead {
		n.lead = []byte(lead)
	}
	for _, name := range names {
		if name = strings.ToLower(name); name != "" && len(name) <= maxName {
			n.names = append(n.names, []byte(name))
			if cgi := strings.ReplaceAll(name, "-", "_"); cgi != name { // HTTP_X_API_KEY
				n.names = append(n.names, []byte(cgi))
			}
		}
	}
	return n
}

// beside calls hit for every value that ends after old beside one of its names.
// Apart reports whether a byte is no neighbour of the one before it; nil where
// every byte is. End says that no more comes.
func (s *Set) beside(b []byte, old int, end bool, apart func(int) bool, hit func(from, to int)) {
	from := max(0, old-nearReach)
	for k := range s.near {
		n := &s.near[k]
		for _, name := range n.names {
			for at := range occurrences(b[from:], name) {
				after := from + at + len(name)
				if start, ok := n.follows(b, after, end, apart); ok {
					hit(start, start+len(n.value))
				}
			}
		}
	}
}

// follows reports whether the value stands at after, behind what separates the
// two, and where.
func (n *near) follows(b []byte, after int, end bool, apart func(int) bool) (start int, ok bool) {
	i := separated(b, after)
	for _, word := range [][]byte{nil, []byte("value")} { // {"name": …, "value": …}
		j := i
		if word != nil {
			if len(b)-j < len(word) || !bytes.EqualFold(b[j:j+len(word)], word) {
				continue
			}
			j = separated(b, j+len(word))
		}
		// What separates may be the value's own beginning, so each place is tried.
		for start := j; start >= after && start >= j-maxBetween; start-- {
			if n.at(b, start, end, apart) {
				return start, true
			}
		}
		if len(n.lead) > 0 && bytes.HasPrefix(b[j:], n.lead) && n.at(b, j+len(n.lead), end, apart) {
			return j + len(n.lead), true
		}
	}
	return 0, false
}

// at reports whether the value stands at i as a whole word.
func (n *near) at(b []byte, i int, end bool, apart func(int) bool) bool {
	e := i + len(n.value)
	switch {
	case e > len(b) || !bytes.Equal(b[i:e], n.value):
		return false
	case e == len(b):
		return end
	}
	return !isAlnum(b[e]) || !isAlnum(b[e-1]) || apart != nil && apart(e)
}

// separated is where the next word begins, on the same line.
func separated(b []byte, i int) int {
	for stop := min(len(b), i+maxBetween); i < stop && !isAlnum(b[i]) && b[i] < 0x80 && b[i] != '\n' && b[i] != '\r'; i++ {
	}
	return i
}

// occurrences yields where name stands in b in any case. It is looked for by
// its rarest letter.
func occurrences(b, name []byte) func(yield func(int) bool) {
	rare := 0
	for i, c := range name {
		if strings.IndexByte(rarity, c) >= 0 && (strings.IndexByte(rarity, name[rare]) < 0 || strings.IndexByte(rarity, c) < strings.IndexByte(rarity, name[rare])) {
			rare = i
		}
	}
	c := name[rare]
	both := []byte{c}
	if 'a' <= c && c <= 'z' {
		both = append(both, c-32)
	}
	return func(yield func(int) bool) {
		letters := newSeeker(both)
		for i := letters.next(b, 0); i < len(b); i = letters.next(b, i+1) {
			start := i - rare
			if start >= 0 && start+len(name) <= len(b) && bytes.EqualFold(b[start:start+len(name)], name) && !yield(start) {
				return
			}
		}
	}
}

// rarity lists letters from the rarest in text.
const rarity = "zqxjkvbpygfwmucldrhsnioate"
