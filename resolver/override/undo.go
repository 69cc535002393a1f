package override

import (
	"bytes"
	"html"
	"strconv"
	"unicode/utf8"
)

// undone is b with its escapes undone once, as loosely as any reader does: percent,
// backslashes and character references.
func undone(b []byte) []byte {
	if !bytes.ContainsAny(b, `%\&`) {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		var r rune
		n := 0
		switch b[i] {
		case '%':
			r, n = percent(b[i:])
		case '\\':
			r, n = backslash(b[i:])
		}
		switch {
		case n == 0:
			out = append(out, b[i])
			i++
			continue
		case r >= 0 && r < 0x100 && b[i] == '%':
			out = append(out, byte(r))
		case r >= 0:
			out = utf8.AppendRune(out, r)
		}
		i += n
	}
	if bytes.IndexByte(out, '&') >= 0 {
		return []byte(html.UnescapeString(string(out)))
	}
	return out
}

// percent reads %XX and %uXXXX: what it stands for, and its length; 0 is none.
func percent(b []byte) (rune, int) {
	if len(b) > 1 && b[1]|0x20 == 'u' {
		return hexadecimal(b, 2, 4)
	}
	return hexadecimal(b, 1, 2)
}

// backslash reads an escape of JSON, JavaScript, YAML or a shell. A line end that is
// escaped is nothing: -1.
func backslash(b []byte) (rune, int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch c := b[1]; {
	case c == 'u' && len(b) > 2 && b[2] == '{':
		end := bytes.IndexByte(b[:min(len(b), 12)], '}')
		if end < 0 {
			return 0, 0
		}
		v, err := strconv.ParseUint(string(b[3:end]), 16, 32)
		if err != nil || v > utf8.MaxRune {
			return 0, 0
		}
		return rune(v), end + 1
	case c == 'u':
		return hexadecimal(b, 2, 4)
	case c == 'U':
		return hexadecimal(b, 2, 8)
	case c == 'x':
		return hexadecimal(b, 2, 2)
	case '0' <= c && c <= '3' && len(b) > 3:
		v, err := strconv.ParseUint(string(b[1:4]), 8, 8)
		if err != nil {
			return 0, 0
		}
		return rune(v), 4
	case c == '\r' && len(b) > 2 && b[2] == '\n':
		return -1, 3
	case c == '\n' || c == '\r':
		return -1, 2
	case c < utf8.RuneSelf && c > ' ':
		return rune(c), 2
	}
	return 0, 0
}

// hexadecimal reads n digits at from.
func hexadecimal(b []byte, from, n int) (rune, int) {
	if len(b) < from+n {
		return 0, 0
	}
	v, err := strconv.ParseUint(string(b[from:from+n]), 16, 32)
	if err != nil || v > utf8.MaxRune {
		return 0, 0
	}
	return rune(v), from + n
}
