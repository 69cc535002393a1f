package expr

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// encodings turn bytes to text and back.
var encodings = []function{
	encode("hex", "lower-case hex", func(b []byte) string { return hex.EncodeToString(b) }),
	encode("base64", "base64 (RFC 4648 §4), padded", base64.StdEncoding.EncodeToString),
	encode("base64url", "base64 for URLs (RFC 4648 §5), without padding", base64.RawURLEncoding.EncodeToString),
	encode("base64url_padded", "base64 for URLs, padded", base64.URLEncoding.EncodeToString),
	encode("percent", "percent-encoding of all but A-Z a-z 0-9 - . _ ~ (RFC 3986)", func(b []byte) string { return Percent(string(b)) }),
	encode("percent_path", "percent-encoding that leaves / too", func(b []byte) string { return percentPath(string(b)) }),
	encode("form_encode", "encoding of HTML forms: a space is +", func(b []byte) string { return url.QueryEscape(string(b)) }),
	encode("lower", "lower case, of ASCII letters", func(b []byte) string { return mapASCII(b, 'A', 'Z') }),
	encode("upper", "upper case, of ASCII letters", func(b []byte) string { return mapASCII(b, 'a', 'z') }),
	encode("fold", "without white space at both ends, and one space for each run of it", func(b []byte) string { return strings.Join(strings.Fields(string(b)), " ") }),
	decode("unhex", "hex", hex.DecodeString),
	decode("unbase64", "base64 of either alphabet, padded or not", decodeBase64),
	{name: "unpercent", params: []*cel.Type{text}, result: cel.StringType, doc: "percent-encoding undone; + stays",
		call: func(args []ref.Val) ref.Val {
			s, err := url.PathUnescape(stringOf(args[0]))
			if err != nil {
				return fail("unpercent: the text holds a broken % escape")
			}
			return types.String(s)
		}},
	{name: "first", params: []*cel.Type{text, cel.IntType}, result: cel.BytesType, doc: "at most the first n bytes",
		call: func(args []ref.Val) ref.Val {
			b, n := bytesOf(args[0]), int64(args[1].(types.Int))
			if n < 0 {
				return fail("first: the length is negative")
			}
			return types.Bytes(b[:min(n, int64(len(b)))])
		}},
	{name: "chunks", params: []*cel.Type{cel.StringType, cel.IntType}, result: cel.ListType(cel.StringType), doc: "the text cut into pieces of n bytes",
		call: func(args []ref.Val) ref.Val {
			s, n := stringOf(args[0]), int(args[1].(types.Int))
			if n <= 0 {
				return fail("chunks: the length is not positive")
			}
			var out []string
			for len(s) > n {
				out, s = append(out, s[:n]), s[n:]
			}
			return types.NewStringList(types.DefaultTypeAdapter, append(out, s))
		}},
}

func encode(name, doc string, f func([]byte) string) function {
	return function{name: name, params: []*cel.Type{text}, result: cel.StringType, doc: doc,
		call: func(args []ref.Val) ref.Val { return types.String(f(bytesOf(args[0]))) }}
}

func decode(name, what string, f func(string) ([]byte, error)) function {
	return function{name: name, params: []*cel.Type{text}, result: cel.BytesType, doc: "the bytes of " + what,
		call: func(args []ref.Val) ref.Val {
			b, err := f(stringOf(args[0]))
			if err != nil {
				return fail(name + ": the text is not " + what)
			}
			return types.Bytes(b)
		}}
}

// decodeBase64 reads what vendors call base64.
func decodeBase64(s string) ([]byte, error) {
	s = strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "").Replace(s)
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}

const upperHex = "0123456789ABCDEF"

// Percent encodes all bytes of s but the unreserved ones of RFC 3986 §2.3.
func Percent(s string) string { return escape(s, "") }

func percentPath(s string) string { return escape(s, "/") }

// escape percent-encodes all bytes of s but the unreserved ones and those of
// keep.
func escape(s, keep string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; unreserved(c) || strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
		}
	}
	return b.String()
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// mapASCII flips the case of the letters from first to last.
func mapASCII(b []byte, first, last byte) string {
	out := make([]byte, len(b))
	for i, c := range b {
		if first <= c && c <= last {
			c ^= 'a' - 'A'
		}
		out[i] = c
	}
	return string(out)
}
