package operations

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/attache-proxy/attache/providers/normal"
)

// Located is a Table that tells hosts and queries apart, too.
type Located interface {
	Table
	// At is Find with the host, in lower case without port, and with the raw query. An
	// empty host is that of any: of operations that differ by host only what is the same.
	At(host, method, path, query string) (Operation, bool)
	// Action finds an operation by the name that a header or a body gives it: AWS's
	// X-Amz-Target (what stands behind the last dot) and Action.
	Action(host, name string) (Operation, bool)
}

// Find implements Table.
func (x *Index) Find(method, path string) (Operation, bool) { return x.At("", method, path, "") }

// At implements Located. Of several templates that match, that with the longest text in
// front decides, segment by segment. Methods are compared exactly; HEAD is GET where
// there is none of its own. Letters of the path are compared in either case, and a slash
// at the end says nothing: some services are like that, and the others know no such path.
//
// A path that services may read in ways that are different operations, one with dots or
// encoded slashes, has an operation without a name, whose effect is Unknown.
func (x *Index) At(host, method, path, query string) (Operation, bool) {
	text, err := normal.Path(path)
	if err != nil {
		return Operation{}, true
	}
	op, ok := x.at(host, method, text, query)
	if loose := text; strings.Contains(text, normal.EncodedSlash) {
		loose = normal.Slashes.Replace(text)
		other, found := x.at(host, method, loose, query)
		switch {
		case found && ok && (other.Name != op.Name || other.Effect != op.Effect):
			return Operation{}, true
		case found && !ok:
			op, ok = other, true
		}
		op.Resource = normal.Slashes.Replace(op.Resource)
	}
	return op, ok
}

// Action implements Located.
func (x *Index) Action(host, name string) (Operation, bool) {
	if name == "" || strings.ContainsAny(name, "/{}%?") {
		return Operation{}, false
	}
	return x.at(host, Action, "/"+name, "")
}

// at looks a normal path up.
func (x *Index) at(host, method, path, query string) (Operation, bool) {
	if host == "" {
		return x.anywhere(method, path, query)
	}
	if s, bucket := x.section(host); s != nil {
		if s.virtual {
			path = "/" + bucket + path
		}
		if op, ok := x.find(s.root, method, path, query); ok || s.virtual {
			return op, ok
		}
	}
	if x.all < 0 {
		return Operation{}, false
	}
	return x.find(x.all, method, path, query)
}

// section is the first that has a host, and what stands for its first *.
func (x *Index) section(host string) (*section, string) {
	label, _, _ := strings.Cut(host, ".")
	for _, among := range [][]int32{x.byLabel[label], x.byLabel["*"]} {
		for _, i := range among {
			s := &x.sections[i]
			if star, ok := fits(s.host, host, s.virtual); ok {
				return s, star
			}
		}
	}
	return nil, ""
}

// anywhere is what a path is on all hosts that have it.
func (x *Index) anywhere(method, path, query string) (op Operation, ok bool) {
	if x.all >= 0 {
		op, ok = x.find(x.all, method, path, query)
	}
	for i := range x.sections {
		s := &x.sections[i]
		if s.virtual {
			continue
		}
		other, found := x.find(s.root, method, path, query)
		if found && ok && (other.Name != op.Name || other.Effect != op.Effect) {
			return Operation{}, true
		}
		if found {
			op, ok = other, true
		}
	}
	return op, ok
}

func (x *Index) find(root int32, method, path, query string) (Operation, bool) {
	if len(path) > 1 && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	l := x.search(root, path, 1, method, query)
	if l == nil && method == http.MethodHead {
		l = x.search(root, path, 1, http.MethodGet, query)
	}
	if l == nil {
		return Operation{}, false
	}
	e := &x.entries[l.entry]
	return Operation{Name: e.Name, Effect: e.Effect, Resource: e.resource(path, l)}, true
}

// search goes down from a node with what follows from a byte of the path on. It goes back
// where a branch has no end for the method: at most once through the tree.
func (x *Index) search(at int32, path string, from int, method, query string) *leaf {
	n := &x.nodes[at]
	if from > len(path) {
		return match(n.here, method, query)
	}
	end := from
	for end < len(path) && path[end] != '/' {
		end++
	}
	seg, next := path[from:end], end+1
	if to := n.literal(seg); to != 0 {
		if l := x.search(to, path, next, method, query); l != nil {
			return l
		}
	}
	if seg != "" {
		for i := range n.patterns {
			p := &n.patterns[i]
			if len(seg) > len(p.before)+len(p.after) && compareFold(seg[:len(p.before)], p.before) == 0 && compareFold(seg[len(seg)-len(p.after):], p.after) == 0 {
				if l := x.search(p.to, path, next, method, query); l != nil {
					return l
				}
			}
		}
		if n.any != 0 {
			if l := x.search(n.any, path, next, method, query); l != nil {
				return l
			}
		}
		if len(n.rest) > 0 {
			return match(n.rest, method, query)
		}
	}
	return nil
}

// literal is where a fixed segment leads, 0 for nowhere.
func (n *node) literal(seg string) int32 {
	low, high := 0, len(n.literals)
	for low < high {
		mid := int(uint(low+high) >> 1)
		switch c := compareFold(seg, n.literals[mid].text); {
		case c == 0:
			return n.literals[mid].to
		case c < 0:
			high = mid
		default:
			low = mid + 1
		}
	}
	return 0
}

// compareFold compares text with one in lower case, of ASCII letters' case regardless.
func compareFold(s, lower string) int {
	for i := range min(len(s), len(lower)) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return int(c) - int(lower[i])
		}
	}
	return len(s) - len(lower)
}

// match is the operation of a method of which all conditions hold; leaves with more
// conditions come first.
func match(leaves []leaf, method, query string) *leaf {
	for i := range leaves {
		l := &leaves[i]
		if l.method == method && holds(l.query, query) {
			return l
		}
	}
	return nil
}

func holds(want []condition, query string) bool {
	for _, c := range want {
		if !has(query, c) {
			return false
		}
	}
	return true
}

// has reports whether a query has a parameter, with the value where one is wanted.
func has(query string, want condition) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(pair, "=")
		if plain(name) == want.name && (want.value == "" || plain(value) == want.value) {
			return true
		}
	}
	return false
}

// plain is text of a query without its escapes, which seldom are there.
func plain(s string) string {
	if strings.ContainsAny(s, "%+") {
		if decoded, err := url.QueryUnescape(s); err == nil {
			return decoded
		}
	}
	return s
}

// resource is the part of a path that names it.
func (e *Entry) resource(path string, l *leaf) string {
	if e.To <= e.From {
		return ""
	}
	start := 1
	for range e.From {
		i := strings.IndexByte(path[start:], '/')
		if i < 0 {
			return ""
		}
		start += i + 1
	}
	end := len(path)
	if !l.open {
		end = start
		for seg := e.From; seg < e.To; seg++ {
			if end > start {
				end++
			}
			i := strings.IndexByte(path[end:], '/')
			if i < 0 {
				end = len(path)
				break
			}
			end += i
		}
	}
	out := path[start:end]
	out = out[min(l.before, len(out)):]
	return out[:max(0, len(out)-l.after)]
}

// path is the template without its conditions.
func (e *Entry) path() string {
	path, _, _ := strings.Cut(e.Template, "?")
	return path
}

// fits matches a host with a glob, of which a * is in one label, and gives what stands for
// the first *; that may have dots, if dots is set.
func fits(glob, host string, dots bool) (star string, ok bool) {
	before, after, wild := strings.Cut(glob, "*")
	if !wild {
		return "", glob == host
	}
	if !strings.HasPrefix(host, before) {
		return "", false
	}
	rest := host[len(before):]
	for i := 1; i <= len(rest) && (dots || rest[i-1] != '.'); i++ { // the shortest
		if _, ok := fits(after, rest[i:], false); ok {
			return rest[:i], true
		}
	}
	return "", false
}
