package sign

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/attache-proxy/attache/providers/expr"
)

// paths replaces the start of the path by the first rule that fits.
type paths []pathRule

type pathRule struct {
	from string
	cut  []string // from, parted at *
	to   *expr.Template
}

func (c *compiler) path(s Spec) (paths, error) {
	var rules paths
	for _, p := range s.Path {
		if !strings.HasPrefix(p.From, "/") || !strings.HasPrefix(p.To, "/") {
			return nil, at(Item{Line: s.Line}, errors.New("sign.path: want from and to, each starting with /"))
		}
		t, _, err := c.template("sign.path.to", Item{Value: p.To, Line: s.Line})
		if err != nil {
			return nil, err
		}
		rules = append(rules, pathRule{p.From, strings.Split(p.From, "*"), t})
	}
	return rules, nil
}

func (ps paths) place(r *http.Request, in *Input) error {
	escaped := r.URL.EscapedPath()
	for _, rule := range ps {
		rest, ok := rule.match(escaped)
		if !ok {
			continue
		}
		to, err := in.append("path", "", nil, rule.to, pathSegment)
		if err != nil {
			return explain("path", err)
		}
		// A value of . or .. would climb out of its place.
		if hasDotSegment(string(to)) {
			return cannot("path: the value would make a . or .. segment")
		}
		raw := string(to) + rest
		plain, err := url.PathUnescape(raw)
		if err != nil {
			return cannot("path: it holds a broken escape")
		}
		r.URL.Path, r.URL.RawPath = plain, raw
		return nil
	}
	return cannot("the path must start with %s: the credential goes there", ps.wanted())
}

func (ps paths) places(*Places) {}

func (ps paths) needsBody() bool {
	for _, rule := range ps {
		if rule.to.NeedsBody() {
			return true
		}
	}
	return false
}

// wanted lists the starts that fit, for a message.
func (ps paths) wanted() string {
	var froms []string
	for _, rule := range ps {
		froms = append(froms, rule.from)
	}
	return strings.Join(froms, " or ")
}

// match reports whether path starts with the rule's from, and what follows.
func (p pathRule) match(path string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, p.cut[0])
	for _, lit := range p.cut[1:] {
		if !ok {
			return "", false
		}
		segment, _, _ := strings.Cut(rest, "/")
		if lit == "" { // * at the end takes the segment
			rest = rest[len(segment):]
			continue
		}
		// The literal begins inside this segment or at its end.
		n := strings.Index(rest, lit)
		if n < 0 || n > len(segment) {
			return "", false
		}
		rest = rest[n+len(lit):]
	}
	return rest, ok
}

// pathSegment appends s to dst; what may not stand in a segment (RFC 3986
// §3.3, pchar) becomes %XX.
func pathSegment(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; unreserved(c) || strings.IndexByte("!$&'()*+,;=:@", c) >= 0 {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

func hasDotSegment(path string) bool {
	for seg := range strings.SplitSeq(path, "/") {
		if seg == "." || seg == ".." {
			return true
		}
	}
	return false
}
