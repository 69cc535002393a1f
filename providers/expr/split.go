package expr

import "strings"

// piece is literal text or what stands between braces.
type piece struct {
	expr   bool
	text   string
	offset int // of text, in bytes from the start of the source
}

// split cuts src at its braces. Literal pieces come out with {{ and }} undone.
func split(src string) ([]piece, error) {
	var out []piece
	var lit strings.Builder
	flush := func(at int) {
		if lit.Len() > 0 {
			out = append(out, piece{text: lit.String(), offset: at})
			lit.Reset()
		}
	}
	start := 0
	for i := 0; i < len(src); {
		switch c := src[i]; {
		case (c == '{' || c == '}') && i+1 < len(src) && src[i+1] == c:
			lit.WriteByte(c)
			i += 2
		case c == '}':
			return nil, errorAt(src, i, "want { before }; a literal brace is written }}")
		case c == '{':
			flush(start)
			end := closing(src, i+1)
			if end < 0 {
				return nil, errorAt(src, i, "want } to close this {; a literal brace is written {{")
			}
			if strings.TrimSpace(src[i+1:end]) == "" {
				return nil, errorAt(src, i, "want an expression between { and }")
			}
			out = append(out, piece{true, src[i+1 : end], i + 1})
			i = end + 1
			start = i
		default:
			lit.WriteByte(c)
			i++
		}
	}
	flush(start)
	return out, nil
}

// closing returns the index of the } that closes the expression starting at
// from, or -1. Braces inside quotes and pairs of braces inside belong to the
// expression.
func closing(src string, from int) int {
	depth := 0
	for i := from; i < len(src); i++ {
		switch src[i] {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		case '"', '\'':
			end := closingQuote(src, i)
			if end < 0 {
				return -1
			}
			i = end
		}
	}
	return -1
}

// closingQuote returns the index of the quote that closes the one at i, or -1.
func closingQuote(src string, i int) int {
	raw := i > 0 && (src[i-1] == 'r' || src[i-1] == 'R')
	for j := i + 1; j < len(src); j++ {
		switch {
		case src[j] == '\\' && !raw:
			j++
		case src[j] == src[i]:
			return j
		}
	}
	return -1
}
