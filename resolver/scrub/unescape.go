package scrub

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// reading is how a view reads text.
type reading uint8

const (
	escapes  reading = 1 << iota // \ % & and NUL
	fold                         // + is a space
	unwrap                       // line ends are passed over, as in MIME's base64
	quotable                     // quoted-printable alone
)

// specials are the bytes at which an escape may begin.
func (r reading) specials() []byte {
	if r&quotable != 0 {
		return []byte("=")
	}
	b := []byte{'\\', '%', '&', 0}
	if r&fold != 0 {
		b = append(b, '+')
	}
	if r&unwrap != 0 {
		b = append(b, '\r', '\n')
	}
	return b
}

// maxEscape bounds the length of an escape.
const maxEscape = 32

// escape is one escape: its length in the text, and what it stands for.
type escape struct {
	length int
	out    [utf8.UTFMax]byte
	n      int // of out; none for what is passed over
}

// parts reports an escape of bytes that stand in few credentials: quotes, angle
// brackets, controls and what is not ASCII. Where no needle has one, none goes over it.
func (e escape) parts() bool {
	for _, c := range e.out[:e.n] {
		if !seldom(c) {
			return false
		}
	}
	return e.n > 0
}

func seldom(c byte) bool {
	return c < ' ' || c >= 0x7f || c == '"' || c == '\'' || c == '<' || c == '>'
}

// verdict is what a special byte turned out to be.
type verdict uint8

const (
	isEscape verdict = iota
	isLiteral
	needsMore // the text ends before it can be told
)

func one(length int, c byte) (escape, verdict) {
	e := escape{length: length}
	if c != '\r' && c != '\n' && c != 0 { // no needle holds them
		e.out[0], e.n = c, 1
	}
	return e, isEscape
}

func char(length int, r rune) (escape, verdict) {
	if r < utf8.RuneSelf {
		return one(length, byte(r))
	}
	e := escape{length: length}
	e.n = utf8.EncodeRune(e.out[:], r)
	return e, isEscape
}

// undo reads the escape at the start of b, which begins with a special byte.
func (r reading) undo(b []byte) (escape, verdict) {
	switch b[0] {
	case '\\':
		return backslash(b)
	case '%':
		return percent(b)
	case '&':
		return entity(b)
	case '=':
		return quoted(b)
	case '+':
		return one(1, ' ')
	}
	return passedOver(b), isEscape // NUL, CR, LF
}

// passedOver is a run of one such byte: a file's zeros would cost an escape each.
func passedOver(b []byte) escape {
	n := 1
	for n < len(b) && n < maxEscape && b[n] == b[0] {
		n++
	}
	return escape{length: n}
}

// backslash is an escape of JSON, JavaScript, YAML, Python, Perl, C or a shell.
func backslash(b []byte) (escape, verdict) {
	if len(b) < 2 {
		return escape{}, needsMore
	}
	switch c := b[1]; c {
	case 'n', 'r':
		return escape{length: 2}, isEscape
	case 't':
		return one(2, '\t')
	case 'b', 'f', 'v', 'a':
		return escape{length: 2}, isEscape
	case 'x':
		if len(b) > 2 && b[2] == '{' { // Perl, PCRE
			return braced(b, 3, 16)
		}
		v, n, what := digits(b[2:], 16, 2, 2)
		return whenRead(what, n+2, func(l int) (escape, verdict) { return one(l, byte(v)) })
	case 'u':
		return unicodeEscape(b)
	case 'o':
		return named(b, `\o{`, 8)
	case 'N':
		return named(b, `\N{U+`, 16)
	case 'U':
		v, n, what := digits(b[2:], 16, 8, 8)
		return whenRead(what, n+2, func(l int) (escape, verdict) { return char(l, rune(min(v, utf8.MaxRune+1))) })
	case '0', '1', '2', '3':
		v, n, what := digits(b[1:], 8, 3, 3)
		return whenRead(what, n+1, func(l int) (escape, verdict) { return one(l, byte(v)) })
	default:
		if c <= ' ' || c >= 0x7f || isAlnum(c) {
			return escape{}, isLiteral
		}
		return one(2, c)
	}
}

func whenRead(v verdict, length int, f func(int) (escape, verdict)) (escape, verdict) {
	if v != isEscape {
		return escape{}, v
	}
	return f(length)
}

// braced is a number in braces, whose first digit is at at. Zeros before it are allowed.
func braced(b []byte, at int, base uint64) (escape, verdict) {
	v, n, what := digits(b[at:], base, 1, maxEscape-at-1)
	switch {
	case what != isEscape:
		return escape{}, what
	case len(b) == at+n:
		return escape{}, needsMore
	case b[at+n] != '}':
		return escape{}, isLiteral
	}
	return char(at+n+1, rune(min(v, utf8.MaxRune+1)))
}

// named is braced behind what introduces it.
func named(b []byte, intro string, base uint64) (escape, verdict) {
	if n := min(len(b), len(intro)); string(b[:n]) != intro[:n] {
		return escape{}, isLiteral
	} else if n < len(intro) {
		return escape{}, needsMore
	}
	return braced(b, len(intro), base)
}

// unicodeEscape is \uXXXX, two of them for a character outside the BMP, or \u{X…}.
func unicodeEscape(b []byte) (escape, verdict) {
	if len(b) > 2 && b[2] == '{' {
		return braced(b, 3, 16)
	}
	v, _, what := digits(b[2:], 16, 4, 4)
	if what != isEscape {
		return escape{}, what
	}
	if !utf16.IsSurrogate(rune(v)) {
		return char(6, rune(v))
	}
	for i, c := range []byte(`\u`) {
		if len(b) <= 6+i {
			return escape{}, needsMore
		}
		if b[6+i] != c {
			return char(6, utf8.RuneError)
		}
	}
	low, _, what := digits(b[8:], 16, 4, 4)
	switch what {
	case needsMore:
		return escape{}, needsMore
	case isLiteral:
		return char(6, utf8.RuneError)
	}
	if pair := utf16.DecodeRune(rune(v), rune(low)); pair != utf8.RuneError {
		return char(12, pair)
	}
	return char(6, utf8.RuneError)
}

// percent is %XX (RFC 3986 §2.1) or %uXXXX.
func percent(b []byte) (escape, verdict) {
	if len(b) > 1 && b[1] == 'u' {
		v, n, what := digits(b[2:], 16, 4, 4)
		return whenRead(what, n+2, func(l int) (escape, verdict) { return char(l, rune(v)) })
	}
	return octet(b)
}

// octet is a byte as two hex digits behind one that says so.
func octet(b []byte) (escape, verdict) {
	switch {
	case len(b) > 2:
		high, low := digitValues[b[1]], digitValues[b[2]]
		if high|low > 15 {
			return escape{}, isLiteral
		}
		return one(3, high<<4|low)
	case len(b) == 2 && digitValues[b[1]] > 15:
		return escape{}, isLiteral
	}
	return escape{}, needsMore
}

// quoted is =XX of quoted-printable, or its soft line break (RFC 2045 §6.7).
func quoted(b []byte) (escape, verdict) {
	if len(b) > 1 && b[1] > ' ' {
		return octet(b)
	}
	i := 1
	for i < len(b) && i < maxEscape-2 && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	switch {
	case i == len(b):
		return escape{}, needsMore
	case b[i] == '\n':
		return escape{length: i + 1}, isEscape
	case b[i] == '\r' && i+1 == len(b):
		return escape{}, needsMore
	case b[i] == '\r' && b[i+1] == '\n':
		return escape{length: i + 2}, isEscape
	case i > 1:
		return escape{}, isLiteral
	}
	return octet(b)
}

// entity is a character reference of HTML or XML.
func entity(b []byte) (escape, verdict) {
	if len(b) < 2 {
		return escape{}, needsMore
	}
	if b[1] == '#' {
		return numeric(b)
	}
	i := 1
	for i < len(b) && i <= longestName && isLetter(b[i]) {
		i++
	}
	if i == len(b) && i <= longestName {
		return escape{}, needsMore
	}
	if i == len(b) || b[i] != ';' {
		return escape{}, isLiteral
	}
	if r, ok := entities[string(b[1:i])]; ok {
		return char(i+1, r)
	}
	return escape{}, isLiteral
}

// numeric is &#N; or &#xN;. The semicolon may be missing, as browsers have it.
func numeric(b []byte) (escape, verdict) {
	at, base, most := 2, uint64(10), maxEscape-4 // zeros before it are as many as one likes
	if len(b) > 2 && b[2]|0x20 == 'x' {
		at, base = 3, 16
	}
	v, n, what := digits(b[at:], base, 1, most)
	if what != isEscape {
		return escape{}, what
	}
	end := at + n
	if end == len(b) {
		return escape{}, needsMore
	}
	if b[end] == ';' {
		end++
	}
	if v > utf8.MaxRune {
		v = utf8.RuneError
	}
	return char(end, rune(v))
}

// digits reads from least to most digits; n is how many there were.
func digits(b []byte, base uint64, least, most int) (v uint64, n int, _ verdict) {
	for n < most {
		if n == len(b) {
			return 0, n, needsMore
		}
		d := uint64(digitValues[b[n]])
		if d >= base {
			break
		}
		v = min(v*base+d, 1<<40) // no character is so high
		n++
	}
	if n < least {
		return 0, n, isLiteral
	}
	return v, n, isEscape
}

var digitValues = func() (t [256]byte) {
	for i := range t {
		switch c := byte(i); {
		case isDigit(c):
			t[i] = c - '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			t[i] = c | 0x20 - 'a' + 10
		default:
			t[i] = 0xff
		}
	}
	return t
}()

// entities are the names of characters that a credential may hold.
var entities = map[string]rune{
	"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\'', "AMP": '&', "LT": '<', "GT": '>', "QUOT": '"',
	"Tab": '\t', "NewLine": '\n', "nbsp": ' ', "excl": '!', "num": '#', "dollar": '$', "percnt": '%', "lpar": '(', "rpar": ')',
	"ast": '*', "midast": '*', "plus": '+', "comma": ',', "period": '.', "sol": '/', "colon": ':', "semi": ';', "equals": '=',
	"quest": '?', "commat": '@', "lsqb": '[', "lbrack": '[', "bsol": '\\', "rsqb": ']', "rbrack": ']', "Hat": '^', "lowbar": '_',
	"UnderBar": '_', "grave": '`', "lcub": '{', "lbrace": '{', "verbar": '|', "vert": '|', "rcub": '}', "rbrace": '}',
}

// longestName bounds the names of entities.
const longestName = 8

// unescaped is v as a view without folding shows it.
func unescaped(v string) string {
	r := escapes
	special := r.specials()
	if !strings.ContainsAny(v, string(special)) {
		return v
	}
	var out []byte
	for b := []byte(v); len(b) > 0; {
		e, what := escape{}, isLiteral
		if bytes.IndexByte(special, b[0]) >= 0 {
			e, what = r.undo(b)
			if what == needsMore {
				e, what = r.cutOff(b)
			}
		}
		if what == isLiteral {
			out, b = append(out, b[0]), b[1:]
			continue
		}
		out, b = append(out, e.out[:e.n]...), b[e.length:]
	}
	return string(out)
}

// cutOff reads what needsMore where there is no more: as if a line end followed.
func (r reading) cutOff(b []byte) (escape, verdict) {
	e, what := r.undo(append(append(make([]byte, 0, maxEscape+1), b...), '\n'))
	if what != isEscape || e.length > len(b) {
		return escape{}, isLiteral
	}
	return e, isEscape
}
