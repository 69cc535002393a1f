package providers

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/headers"
)

// Does is what a request does, as far as its head tells: what Reads judges.
type Does struct {
	// Methods are the method on the wire and those that override it.
	Methods []string
	// Path is escaped, as on the wire; Query is raw.
	Path, Query string
	Header      http.Header
	// Upgrade says that the connection is to become something else: Upgrade, or
	// an extended CONNECT.
	Upgrade bool
	// Body says that there may be one.
	Body bool
}

// accessRule is one line of access.read or access.write.
type accessRule struct {
	method string
	path   *PathPattern
	query  []queryRule
}

// queryRule wants a parameter, with a value that fits the glob where there is one.
type queryRule struct {
	name, glob string
	any        bool
}

// actionRule is one entry of access.query or access.header: which values of a
// parameter that names the action are reading.
type actionRule struct {
	name       string
	read, deny []string // lower case
}

// access is a connector's compiled AccessDef.
type access struct {
	read, write   []accessRule
	query, header []actionRule
	methodQuery   []string
	onlyListed    bool
}

func (c *Connector) compileAccess() (err error) {
	d := &c.Access
	c.access.onlyListed = d.OnlyListed
	if c.access.read, err = accessRules("read", d.Read); err != nil {
		return err
	}
	if c.access.write, err = accessRules("write", d.Write); err != nil {
		return err
	}
	c.access.query, c.access.header = actionRules(d.Query, parameterName), actionRules(d.Header, headers.Words)
	for _, name := range d.MethodQuery {
		c.access.methodQuery = append(c.access.methodQuery, parameterName(name))
	}
	return nil
}

func accessRules(list string, lines []string) (out []accessRule, err error) {
	for _, line := range lines {
		method, rest, ok := strings.Cut(strings.TrimSpace(line), " ")
		path, query, hasQuery := strings.Cut(strings.TrimSpace(rest), "?")
		if !ok || method == "" || method != strings.ToUpper(method) {
			return nil, fmt.Errorf(`access.%s %q: want METHOD and a path, such as "POST /v1/search"`, list, line)
		}
		r := accessRule{method: method}
		if r.path, err = ParsePath(path); err != nil {
			return nil, fmt.Errorf("access.%s %q: want METHOD and a path: %w", list, line, err)
		}
		for pair := range strings.SplitSeq(query, "&") {
			name, glob, valued := strings.Cut(pair, "=")
			if name == "" && hasQuery {
				return nil, fmt.Errorf(`access.%s %q: want parameters such as ?name or ?name=get*`, list, line)
			}
			if name != "" {
				r.query = append(r.query, queryRule{parameterName(name), strings.ToLower(glob), !valued})
			}
		}
		out = append(out, r)
	}
	return out, nil
}

func actionRules(defs map[string][]string, fold func(string) string) (out []actionRule) {
	for name, values := range defs {
		r := actionRule{name: fold(name)}
		for _, v := range values {
			v = strings.ToLower(v)
			if not, ok := strings.CutPrefix(v, "!"); ok {
				r.deny = append(r.deny, not)
			} else {
				r.read = append(r.read, v)
			}
		}
		out = append(out, r)
	}
	return out
}

// Reads reports whether a request only reads. GET, HEAD and OPTIONS do, and what
// the connector lists under access.read; but not what it lists under
// access.write, nor an action that it does not list, nor an upgrade that it does
// not list, nor what acts for somebody else. Where services may read a request in several ways, all must be reading.
func (c *Connector) Reads(d Does) bool {
	a := &c.access
	path, err := NormalPath(d.Path)
	clear := err == nil
	pairs := parameters(d.Query)
	for _, method := range d.Methods {
		if !a.reads(method, path, clear, pairs, d) {
			return false
		}
	}
	if len(a.write) > 0 && !clear && d.Path != "*" {
		return false
	}
	for _, r := range a.write {
		if r.touches(d.Methods, path, pairs) {
			return false
		}
	}
	return a.actionsRead(d, pairs) && len(d.Methods) > 0 && ActsForAnother(d.Header, d.Query, c.KeyHeaders) == ""
}

// reads is the first half: the method, and the list of what is reading. A line that
// wants a parameter lists no request with a body: that could hold the parameter, too.
func (a *access) reads(method, path string, clear bool, pairs []parameter, d Does) bool {
	switch method {
	case http.MethodOptions:
		if !d.Upgrade {
			return true
		}
	case http.MethodGet, http.MethodHead:
		if !a.onlyListed && !d.Upgrade {
			return true
		}
	}
	return clear && slices.ContainsFunc(a.read, func(r accessRule) bool {
		return r.covers(method, path, pairs) && (len(r.query) == 0 || !d.Body)
	})
}

// covers reports whether a line of access.read lists the request. GET means HEAD, too.
func (r *accessRule) covers(method, path string, pairs []parameter) bool {
	if r.method != "*" && r.method != method && (r.method != http.MethodGet || method != http.MethodHead) || !r.path.covers(path) {
		return false
	}
	for _, q := range r.query {
		found := false
		for _, p := range pairs {
			if p.name == q.name {
				if found = true; !q.any && !matchGlob(q.glob, strings.ToLower(p.value)) {
					return false
				}
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// touches reports whether a line of access.write may be meant.
func (r *accessRule) touches(methods []string, path string, pairs []parameter) bool {
	fits := func(m string) bool {
		return r.method == "*" || r.method == m || r.method == http.MethodGet && m == http.MethodHead
	}
	if !slices.ContainsFunc(methods, fits) || !r.path.touches(path) {
		return false
	}
	for _, q := range r.query {
		if !slices.ContainsFunc(pairs, func(p parameter) bool {
			return p.name == q.name && (q.any || matchGlob(q.glob, strings.ToLower(p.value)))
		}) {
			return false
		}
	}
	return true
}

// actionsRead is the second half: parameters and headers that name the action.
// A body beside them could name another.
func (a *access) actionsRead(d Does, pairs []parameter) bool {
	if len(a.query) > 0 && d.Body && slices.ContainsFunc(d.Methods, func(m string) bool { return m == http.MethodGet || m == http.MethodHead || m == http.MethodOptions }) {
		return false
	}
	for _, r := range a.query {
		for _, p := range pairs {
			if p.name == r.name && !r.reads(p.value) {
				return false
			}
		}
	}
	for _, r := range a.header {
		for name, values := range d.Header {
			if headers.Words(name) == r.name && slices.ContainsFunc(values, func(v string) bool { return !r.reads(v) }) {
				return false
			}
		}
	}
	return true
}

// reads says whether a value names an action that reads. One that holds more
// than a name could be a list, or end early for another reader.
func (r *actionRule) reads(value string) bool {
	value = strings.ToLower(strings.TrimSpace(value))
	if strings.ContainsFunc(value, func(c rune) bool { return c <= ' ' || c == ',' || c == ';' || c == '|' || c >= 0x7f }) {
		return false
	}
	fits := func(glob string) bool { return matchGlob(glob, value) }
	return slices.ContainsFunc(r.read, fits) && !slices.ContainsFunc(r.deny, fits)
}

// PathsDecide reports whether some path of the connector is treated otherwise
// than the others.
func (c *Connector) PathsDecide() bool {
	return c.ByPath || len(c.access.read) > 0 || len(c.access.write) > 0
}

// parameter is one of a query: its name in lower case, as services fold it.
type parameter struct{ name, value string }

// parameters takes a query apart as loosely as any service does: at & and ;,
// with names in any case.
func parameters(raw string) []parameter {
	if raw == "" {
		return nil
	}
	var out []parameter
	for pair := range strings.FieldsFuncSeq(raw, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		out = append(out, parameter{parameterName(name), decoded(value)})
	}
	return out
}

// parameterName decodes a name and folds it: PHP makes _ of spaces, dots and an
// open bracket, and drops spaces before and what follows a NUL.
func parameterName(raw string) string {
	name, _, _ := strings.Cut(strings.TrimLeft(decoded(raw), " "), "\x00")
	name = strings.Map(func(r rune) rune {
		if r >= '！' && r <= '～' { // full width
			return r - '！' + '!'
		}
		return r
	}, name)
	return strings.ToLower(strings.NewReplacer(" ", "_", ".", "_", "[", "_").Replace(withoutIndex(name)))
}

// withoutIndex is the name of a list's or a map's element without which: a[], a[0].
func withoutIndex(name string) string {
	if i := strings.IndexByte(name, '['); i > 0 && strings.HasSuffix(name, "]") && strings.Trim(name[i:], "[]0123456789") == "" {
		return name[:i]
	}
	return name
}

func decoded(raw string) string {
	if s, err := url.QueryUnescape(raw); err == nil {
		return s
	}
	return raw
}

// DotSegments reports whether a service may see . or .. as a segment of the
// path, in any of the spellings that servers undo: encoded once or twice, with
// backslashes, with parameters (..;). Escaped is the path as on the wire.
func DotSegments(escaped string) bool {
	if !strings.ContainsAny(escaped, ".%") {
		return false
	}
	for round := range 3 {
		for seg := range strings.SplitSeq(strings.ReplaceAll(escaped, "\\", "/"), "/") {
			if seg, _, _ = strings.Cut(seg, ";"); seg == "." || seg == ".." {
				return true
			}
		}
		decoded, err := url.PathUnescape(escaped)
		if err != nil || decoded == escaped {
			return err != nil && round == 0
		}
		escaped = decoded
	}
	return false
}
