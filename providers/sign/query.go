package sign

import (
	"errors"
	"net/http"
	"slices"

	"github.com/attache-proxy/attache/providers/expr"
)

// query sets one parameter of the query. The bytes and the order of the other
// parameters stay as the agent sent them; ours comes last.
type query struct {
	name  string
	coded string // name, encoded, with =
	value *expr.Template
}

func newQuery(name string, t *expr.Template) (placer, error) {
	if name == "" {
		return nil, errors.New("want a parameter name")
	}
	return &query{name, string(percent(nil, name)) + "=", t}, nil
}

func (q *query) place(r *http.Request, in *Input) error {
	var room [512]byte
	out := append(room[:0], expr.QueryWithoutFold(r.URL.RawQuery, q.name)...)
	if len(out) > 0 {
		out = append(out, '&')
	}
	out = append(out, q.coded...)
	out, err := in.append("query", q.name, out, q.value, percent)
	if err != nil {
		return explain("query parameter "+q.name, err)
	}
	r.URL.RawQuery = string(out)
	return nil
}

func (q *query) present(r *http.Request, _ *Input) (bool, error) {
	return hasParam(r.URL.RawQuery, q.name), nil
}

func (q *query) places(p *Places) { p.Query = append(p.Query, q.name) }
func (q *query) needsBody() bool  { return q.value.NeedsBody() }

// hasParam reports whether a query or form body has a parameter called name.
func hasParam(raw, name string) bool {
	return slices.ContainsFunc(expr.ParsePairs(raw), func(p expr.Pair) bool { return p.Name == name })
}

const upperHex = "0123456789ABCDEF"

// percent appends s to dst, all but the unreserved characters of RFC 3986 §2.3
// as %XX. It fits query values and form values alike.
func percent(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; unreserved(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}
