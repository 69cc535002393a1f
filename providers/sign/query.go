package sign

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

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
		return nil, fmt.Errorf("want a parameter name")
	}
	return &query{name, string(percent(nil, name)) + "=", t}, nil
}

func (q *query) place(r *http.Request, in *Input) error {
	var room [512]byte
	out := append(room[:0], without(r.URL.RawQuery, q.name)...)
	if len(out) > 0 {
		out = append(out, '&')
	}
	out = append(out, q.coded...)
	out, err := q.value.Append(out, &in.Vars, percent)
	if err != nil {
		return fmt.Errorf("query parameter %s: %w", q.name, err)
	}
	r.URL.RawQuery = string(out)
	return nil
}

func (q *query) places(p *Places) { p.Query = append(p.Query, q.name) }
func (q *query) needsBody() bool  { return q.value.NeedsBody() }

// without returns the query or form raw without the parameters called name,
// however their names are encoded. Other bytes stay, in their order. Some
// servers also part parameters at ";", so a name behind one counts too.
func without(raw, name string) string {
	if !mayHold(raw, name) {
		return raw
	}
	var out strings.Builder
	out.Grow(len(raw))
	for rest := raw; rest != ""; {
		part, sep := rest, ""
		if n := strings.IndexAny(rest, "&;"); n >= 0 {
			part, sep = rest[:n], rest[n:n+1]
		}
		rest = rest[len(part)+len(sep):]
		switch {
		case paramName(part) != name:
			out.WriteString(part)
			out.WriteString(sep)
		case sep == "" && out.Len() > 0: // the last one: its separator stands before it
			return out.String()[:out.Len()-1]
		}
	}
	return out.String()
}

// mayHold is a quick no: it reports whether raw could hold a parameter called
// name, in plain or encoded letters.
func mayHold(raw, name string) bool {
	return strings.Contains(raw, name) || strings.ContainsAny(raw, "%+")
}

// paramName returns the decoded name of one name=value. A name with a broken
// escape counts as it stands.
func paramName(part string) string {
	name, _, _ := strings.Cut(part, "=")
	if strings.ContainsAny(name, "%+") {
		if plain, err := url.QueryUnescape(name); err == nil {
			return plain
		}
	}
	return name
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
