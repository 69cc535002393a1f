// Package printable keeps texts of others (a service, a connector's author, a
// person) from steering the terminal on which somebody reads them.
package printable

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Steers reports a character that a terminal or an editor obeys instead of showing
// it: control characters of C0 and C1 (ESC, U+009B), line ends, what turns the
// direction of writing (U+202E and its like, UTR 36) and what is not seen at all.
// The joiners of emoji and of Persian are none.
func Steers(r rune) bool {
	if r < 0x7f {
		return r < ' '
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) && r != 0x200c && r != 0x200d
}

// Line leaves out what steers, and what is no UTF-8.
func Line(s string) string { return without(s, Steers) }

// Text is Line for texts of several lines, which keep their line ends and tabs.
func Text(s string) string {
	return without(s, func(r rune) bool { return Steers(r) && r != '\n' && r != '\t' })
}

func without(s string, bad func(rune) bool) string {
	drop := func(r rune) bool { return bad(r) || r == utf8.RuneError }
	if strings.IndexFunc(s, drop) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if drop(r) {
			return -1
		}
		return r
	}, s)
}

const hexDigits = "0123456789abcdef"

// JSON writes what steers in the strings of a JSON text as \u escapes: nothing
// changes for who reads it as JSON, and everything for a terminal. encoding/json
// escapes C0 alone. The result may be b itself.
func JSON(b []byte) []byte {
	var out []byte
	done := 0
	for i := 0; i < len(b); {
		if b[i] < 0x7f { // C0 stands only between values
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if Steers(r) {
			out = append(out, b[done:i]...)
			if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
				out = escape(escape(out, hi), lo)
			} else {
				out = escape(out, r)
			}
			done = i + n
		}
		i += n
	}
	if out == nil {
		return b
	}
	return append(out, b[done:]...)
}

func escape(out []byte, r rune) []byte {
	return append(out, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
