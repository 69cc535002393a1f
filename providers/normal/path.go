// Package normal has the one form in which paths of requests are compared.
package normal

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// EncodedSlash stands in a normal path for an encoded slash, which services
// take for a slash or for a character of its segment. A backslash itself never
// stands in a normal path.
const EncodedSlash = `\`

// Path brings a path, escaped as on the wire, to the form in which hosts'
// prefixes, grants' rules and connectors' lists are compared: decoded, with
// \ for each encoded slash.
//
// It returns an error, which says why, for a path that services may read in
// different ways. Such a path is refused wherever the path decides.
func Path(escaped string) (string, error) {
	if plainPath(escaped) {
		return escaped, nil
	}
	if !strings.HasPrefix(escaped, "/") {
		return "", fmt.Errorf("it does not begin with /")
	}
	if strings.Contains(escaped, EncodedSlash) {
		return "", fmt.Errorf("it has a backslash")
	}
	path, err := withoutLayer(escaped)
	if err != nil {
		return "", err
	}
	if encodedTwice(path) {
		return "", errTwice
	}
	return path, oddSegments(Slashes.Replace(path))
}

var (
	errTwice = errors.New("it is percent-encoded twice")
	errSlash = errors.New("it has an encoded slash")
)

// Unclear says why services may read a path, escaped as on the wire, in ways that are
// not the same; nil where there is one way, or all are.
func Unclear(escaped string, same func(a, b string) bool) error {
	normal, err := Path(escaped)
	ways := []string{normal, Slashes.Replace(normal)}
	switch {
	case err == nil && ways[0] == ways[1]:
		return nil
	case err == nil:
		err = errSlash
	case err == errTwice:
		ways = readings(escaped)
	default:
		return err
	}
	for _, way := range ways {
		if !same(ways[0], way) {
			return err
		}
	}
	if len(ways) == 0 {
		return err
	}
	return nil
}

// withoutLayer takes one layer of percent encoding off.
func withoutLayer(escaped string) (string, error) {
	path, err := url.PathUnescape(escapedSlashes.Replace(escaped))
	if err != nil {
		return "", fmt.Errorf("it is not percent-encoded correctly")
	}
	if strings.Contains(strings.ToLower(escaped), "%5c") {
		return "", fmt.Errorf("it has an encoded backslash")
	}
	return path, oddCharacters(path)
}

// readings are those of a path that is percent-encoded more than once, as keys of
// objects may be: as it stands, and with each layer taken off. There are none
// where one of them has something else that services read in different ways.
func readings(escaped string) []string {
	out := []string{escaped}
	for path := escaped; len(out) < 7; {
		var err error
		if path, err = withoutLayer(path); err != nil || oddSegments(Slashes.Replace(path)) != nil {
			return nil
		}
		out = append(out, path, Slashes.Replace(path))
		if !encodedTwice(path) {
			return out
		}
	}
	return nil
}

var escapedSlashes = strings.NewReplacer("%2f", "%5C", "%2F", "%5C")

// plainPath reports a path that is its own normal form, without allocating: most are.
func plainPath(s string) bool {
	if s == "" || s[0] != '/' {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == ':', c == ',', c == '@', c == '=':
		case c == '/' && (i == 0 || s[i-1] != '/'):
		case c == '.' && s[i-1] != '/' && s[i-1] != '.' && i+1 < len(s) && s[i+1] != '/':
		default:
			return false
		}
	}
	return true
}

// oddCharacters refuses what some services drop or fold.
func oddCharacters(path string) error {
	if !utf8.ValidString(path) {
		return fmt.Errorf("it is not UTF-8, or in an overlong form")
	}
	for _, r := range path {
		switch {
		case r < ' ' || r == 0x7f || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Cc):
			return fmt.Errorf("it has a control character or one that is not seen")
		case r == ';', r == '?', r == '#':
			return fmt.Errorf("it has a %c in a segment", r)
		case r >= utf8.RuneSelf && foldsToASCII(r):
			return fmt.Errorf("it has %q, which some services take for another character", r)
		}
	}
	return nil
}

// encodedTwice reports a decoded path with an escape in it, %2e or %u002e, which
// some services decode once more.
func encodedTwice(path string) bool {
	isHex := func(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }
	for rest := path; ; {
		_, s, found := strings.Cut(rest, "%")
		if !found {
			return false
		}
		if len(s) >= 2 && isHex(s[0]) && isHex(s[1]) || s != "" && (s[0] == 'u' || s[0] == 'U') {
			return true
		}
		rest = s
	}
}

// lookalikes are taken for ASCII punctuation by code pages' best-fit tables,
// beside what Unicode itself calls compatible.
const lookalikes = "\u2044\u2215\u2216\u29f5\u29f8\u29f9\u3002\uff61\u00b7\u037e\u0130\u0131\u2010\u2011\u2012\u2013\u2212"

// foldsToASCII reports a character that some service may turn into an ASCII
// letter, digit or separator: full-width forms, ligatures, the Kelvin sign.
func foldsToASCII(r rune) bool {
	if strings.ContainsRune(lookalikes, r) {
		return true
	}
	for _, f := range norm.NFKC.String(string(r)) {
		if f < utf8.RuneSelf && (f >= '0' && f <= '9' || f >= 'a' && f <= 'z' || f >= 'A' && f <= 'Z' || strings.ContainsRune(`./\%;?#_-:`, f)) {
			return true
		}
	}
	return false
}

// oddSegments refuses segments that services remove or join.
func oddSegments(path string) error {
	segs := strings.Split(path[1:], "/")
	for i, seg := range segs {
		switch trimmed := strings.TrimSpace(seg); {
		case seg == "" && i < len(segs)-1:
			return fmt.Errorf("it has an empty segment (//)")
		case trimmed == "." || trimmed == "..":
			return fmt.Errorf("it has dot segments (. or ..)")
		case trimmed != seg, strings.HasSuffix(seg, "."):
			return fmt.Errorf("a segment ends with a dot, or begins or ends with white space")
		}
	}
	return nil
}

// Slashes makes slashes of encoded ones.
var Slashes = strings.NewReplacer(EncodedSlash, "/")
