// Package printable keeps texts of others (a service, a connector's author, a
// person) from steering the terminal on which somebody reads them.
package printable

import (
	"fmt"
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

// unseen are characters that take no room or look like a blank, beside what steers.
var unseen = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x00a0, Hi: 0x00a0, Stride: 1}, {Lo: 0x034f, Hi: 0x034f, Stride: 1}, {Lo: 0x115f, Hi: 0x1160, Stride: 1}, {Lo: 0x1680, Hi: 0x1680, Stride: 1}, {Lo: 0x17b4, Hi: 0x17b5, Stride: 1}, {Lo: 0x180b, Hi: 0x180f, Stride: 1},
		{Lo: 0x2000, Hi: 0x200f, Stride: 1}, {Lo: 0x202f, Hi: 0x202f, Stride: 1}, {Lo: 0x205f, Hi: 0x206f, Stride: 1}, {Lo: 0x2800, Hi: 0x2800, Stride: 1}, {Lo: 0x3000, Hi: 0x3000, Stride: 1}, {Lo: 0x3164, Hi: 0x3164, Stride: 1},
		{Lo: 0xfe00, Hi: 0xfe0f, Stride: 1}, {Lo: 0xfeff, Hi: 0xfeff, Stride: 1}, {Lo: 0xffa0, Hi: 0xffa0, Stride: 1},
	},
	R32: []unicode.Range32{{Lo: 0xe0000, Hi: 0xe01ef, Stride: 1}},
}

// Unseen reports a character that steers, or that nobody sees or tells from a blank.
func Unseen(r rune) bool { return Steers(r) || r > 0x7f && unicode.Is(unseen, r) }

// Visible writes what is Unseen as \u{200b}, for people who decide by what they read.
func Visible(s string) string { return visible(s, Unseen) }

// VisibleText is Visible for texts of several lines, which keep their line ends and tabs.
func VisibleText(s string) string {
	return visible(strings.ReplaceAll(s, "\r\n", "\n"), func(r rune) bool { return Unseen(r) && r != '\n' && r != '\t' })
}

func visible(s string, bad func(rune) bool) string {
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var out strings.Builder
	for _, r := range s {
		if bad(r) {
			fmt.Fprintf(&out, `\u{%x}`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
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
