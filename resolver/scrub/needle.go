package scrub

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

const (
	// longest is up to what length a needle is searched for as one. A longer one
	// is cut into blocks of that length, each of them a needle: so what must be
	// held back has a bound that no secret decides.
	longest = 1 << 10
	// widest is at least the length of the longest pattern, which is hex.
	widest = 2 * longest
	// shortest is what nobody would call a secret below.
	shortest = 4
	// Guessable is below how many bits a value is one that could be guessed.
	Guessable = 64
)

// Needle is one value that a request placed.
type Needle struct {
	// Value is as it stands on the wire, before percent or JSON encoding.
	Value string
	// Names are what it was placed with: a header, a parameter, a member.
	Names []string
	// Lead is what stands before it in the same place, such as "Bearer ".
	Lead string
	// Bits is how hard it is to guess, where Value says too much: of a pair, the
	// part that is secret. Zero means Bits(Value).
	Bits int
}

// Set is what to search for in the answers to requests that placed the same. It
// is safe for use by several goroutines. A nil Set finds nothing.
type Set struct {
	patterns [][]byte
	classes  []*class
	near     []near
	// folds makes views read + as a space, because a needle holds one.
	folds bool
	// usual says that no needle has a seldom byte, and none is searched for beside
	// a name: then an escape of such a byte is no part of any.
	usual bool

	lower     *Set // of the same patterns in lower case, for header names
	lowerOnce sync.Once
}

// New makes a Set.
func New(needles []Needle) *Set {
	s := new(Set)
	for _, n := range needles {
		bits := n.Bits
		for _, part := range parts(n.Value) {
			if n.Bits == 0 {
				bits = Bits(part)
			}
			if bits < Guessable || len(part) < shortWindow+1 {
				s.near = append(s.near, newNear(part, n.Names, n.Lead))
				continue
			}
			for block := range blocks(part) {
				s.add(block)
			}
		}
	}
	s.index()
	return s
}

// Empty reports whether there is nothing to search for.
func (s *Set) Empty() bool { return s == nil || len(s.patterns)+len(s.near) == 0 }

// parts are the lines of a value: no needle holds a line end.
func parts(v string) (ps []string) {
	for _, line := range strings.FieldsFunc(v, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); len(line) >= shortest {
			ps = append(ps, line)
		}
	}
	return ps
}

// blocks cuts a value into pieces of at most longest bytes. The last overlaps.
func blocks(v string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for len(v) > longest {
			if !yield(v[:longest]) {
				return
			}
			v = v[min(longest, len(v)-longest):]
		}
		yield(v)
	}
}

// add adds the patterns of a value: itself, what views make of it, and what
// cannot be undone by looking at one character after the other.
func (s *Set) add(v string) {
	s.pattern(v)
	for _, same := range sameValues(v) {
		if same != v && len(same) <= widest {
			s.pattern(same)
		}
	}
	for view := v; ; { // as each view has it
		next := unescaped(view)
		if next == view {
			break
		}
		s.pattern(next)
		if strings.Contains(v, " ") {
			s.pattern(strings.ReplaceAll(next, "+", " ")) // as a folded view has it
		}
		view = next
	}
	for _, quote := range []string{`"`, `'`} { // CSV, SQL, YAML
		if strings.Contains(v, quote) {
			s.pattern(strings.ReplaceAll(v, quote, quote+quote))
		}
	}
	if strings.Contains(v, " ") {
		s.folds = true
		s.pattern(strings.ReplaceAll(v, " ", "+"))
		s.pattern(strings.ReplaceAll(v, "+", " ")) // as a folded view has it
	}
	for _, form := range wireForms(v) {
		s.pattern(form) // which views undo, but not where it is wrapped
		for block := range blocks(form) {
			s.encoded(block)
		}
	}
}

// sameValues are what a value becomes where it is read in another way and can be read
// back: as Latin-1, as which many servers read headers, and with accents apart; hex
// digits in either case, and a UUID without its dashes, which services take as well.
func sameValues(v string) (all []string) {
	ascii := true
	latin := make([]rune, len(v))
	for i := range len(v) {
		latin[i] = rune(v[i])
		ascii = ascii && v[i] < 0x80
	}
	if !ascii {
		all = append(all, string(latin), norm.NFD.String(v), norm.NFC.String(v))
		if b, err := charmap.ISO8859_1.NewEncoder().String(v); err == nil {
			all = append(all, b)
		}
	}
	if digits := strings.ReplaceAll(v, "-", ""); strings.Trim(digits, "0123456789abcdefABCDEF") == "" {
		all = append(all, strings.ToUpper(v), strings.ToLower(v))
		if len(digits) == 32 && len(v) == 36 {
			all = append(all, strings.ToUpper(digits), strings.ToLower(digits))
		}
	}
	return all
}

func (s *Set) encoded(v string) {
	digits := hex.EncodeToString([]byte(v))
	s.pattern(digits)
	s.pattern(strings.ToUpper(digits))
	for before := range 3 {
		s.pattern(inside(base64.RawStdEncoding, v, before))
		s.pattern(inside(base64.RawURLEncoding, v, before))
	}
}

// wireForms are v and what it becomes in a query, a path, a form and JSON:
// services that encode a request's line or body as a whole encode these.
func wireForms(v string) []string {
	query, forms := url.QueryEscape(v), []string{v}
	for _, form := range []string{query, strings.ReplaceAll(query, "+", "%20"), url.PathEscape(v), jsonForm(v, true), jsonForm(v, false)} {
		if !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	return forms
}

// jsonForm is what stands between the quotes of v as JSON: some encoders escape <,
// > and & as well.
func jsonForm(v string, html bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	_ = e.Encode(v) // a string
	return strings.TrimSuffix(strings.TrimPrefix(b.String(), `"`), "\"\n")
}

// inside is what v looks like in the base64 of a text that has so many bytes
// before it, modulo three: only the digits that depend on v alone.
func inside(enc *base64.Encoding, v string, before int) string {
	all := enc.EncodeToString(append(make([]byte, before, before+len(v)), v...))
	return all[(before*8+5)/6 : (before+len(v))*8/6]
}

func (s *Set) pattern(p string) {
	if len(p) <= shortWindow || len(p) > widest {
		return
	}
	for _, have := range s.patterns {
		if string(have) == p {
			return
		}
	}
	s.patterns = append(s.patterns, []byte(p))
	if short := joinedUp(p); short != p && Bits(short) >= Guessable {
		s.pattern(short)
	}
}

// lowered is the Set for text in lower case: names of headers lose their case.
func (s *Set) lowered() *Set {
	s.lowerOnce.Do(func() {
		low := new(Set)
		for _, p := range s.patterns {
			low.pattern(strings.ToLower(string(p)))
		}
		low.index()
		s.lower = low
	})
	return s.lower
}

// alphabets are classes of characters, from the narrowest, and their sizes.
var alphabets = []struct {
	has  func(c byte) bool
	size float64
}{
	{isDigit, 10},
	{func(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' }, 16},
	{func(c byte) bool { return isDigit(c) || 'A' <= c && c <= 'F' }, 16},
	{func(c byte) bool { return 'a' <= c && c <= 'z' }, 26},
	{func(c byte) bool { return 'A' <= c && c <= 'Z' }, 26},
	{func(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'z' }, 36},
	{func(c byte) bool { return isDigit(c) || 'A' <= c && c <= 'Z' }, 36},
	{func(c byte) bool { return isLetter(c) }, 52},
	{isAlnum, 62},
	{func(c byte) bool { return isAlnum(c) || strings.IndexByte("+/-_.=", c) >= 0 }, 65},
	{func(c byte) bool { return c > ' ' && c < 0x7f }, 94},
}

// Bits is how hard a value is to guess by its length and its alphabet, were its
// characters drawn at random.
func Bits(v string) int {
	for _, a := range alphabets {
		if all(v, a.has) {
			return int(float64(len(v)) * math.Log2(a.size))
		}
	}
	return int(float64(len(v)) * math.Log2(96))
}

func all(v string, has func(byte) bool) bool {
	for i := range len(v) {
		if !has(v[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isAlnum(c byte) bool  { return isDigit(c) || isLetter(c) }
