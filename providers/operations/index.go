package operations

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Entry is one operation as a table has it.
type Entry struct {
	// Host are globs for the hosts on which it is, with spaces between; empty for all of
	// the connector's.
	Host string
	// Virtual says that what stands for the first * of Host is the first segment of
	// the template: a bucket with a host name of its own.
	Virtual bool
	// Method is in capitals. It is Action for one that a header or a body names.
	Method string
	// Template is a path with parameters, {name}; a last segment {name+} is everything
	// that follows. Conditions on the query stand behind a ?: ?acl, ?list-type=2&x.
	Template string
	Name     string
	Effect   Effect
	// From and To are the segments that name the resource, [From, To) from 0; both 0
	// for none.
	From, To int
}

// Action is the method of entries that are not found by their path, but by a name
// that a header or a body has: AWS's X-Amz-Target and Action.
const Action = "ACTION"

// Index is a table made ready. It implements Located.
type Index struct {
	entries  []Entry
	sections []section
	byLabel  map[string][]int32 // sections by the first label of their host; * where that is not fixed
	all      int32              // the root of entries for all hosts; -1 for none
	nodes    []node
}

// section are the entries of one glob of hosts.
type section struct {
	named   string // the Host of its entries
	host    string
	virtual bool
	root    int32
}

// node is a place in the tree of segments.
type node struct {
	literals []edge    // by their text, in lower case
	patterns []pattern // with the most fixed characters first
	any      int32     // a whole segment; 0 for none: the root is nobody's child
	rest     []leaf    // everything that follows
	here     []leaf    // the end
}

type edge struct {
	text string
	to   int32
}

// pattern is a segment of which a part is fixed: {name}:publish, v{version}.
type pattern struct {
	before, after string // in lower case
	to            int32
}

// leaf is an operation at the end of a path.
type leaf struct {
	method string
	query  []condition
	entry  int32
	// before and after are how much of the resource's first and last segment is fixed;
	// open says that it is everything that follows.
	before, after int
	open          bool
}

type condition struct{ name, value string }

// New makes an index. Entries with the same method and template on the same host,
// names of parameters aside, become the strictest of them.
func New(entries []Entry) (*Index, error) {
	x := &Index{entries: entries, all: -1, nodes: make([]node, 0, len(entries))}
	for i := range entries {
		e := &entries[i]
		if err := x.add(x.root(e.Host, e.Virtual), int32(i)); err != nil {
			return nil, fmt.Errorf("%s %s: %w", e.Method, e.Template, err)
		}
	}
	slices.SortStableFunc(x.sections, func(a, b section) int {
		return cmp.Or(cmp.Compare(strings.Count(a.host, "*"), strings.Count(b.host, "*")), cmp.Compare(len(b.host), len(a.host)))
	})
	x.byLabel = map[string][]int32{}
	for i, s := range x.sections {
		label, _, _ := strings.Cut(s.host, ".")
		if strings.Contains(label, "*") {
			label = "*"
		}
		x.byLabel[label] = append(x.byLabel[label], int32(i))
	}
	for i := range x.nodes {
		x.nodes[i].sort()
	}
	return x, nil
}

func (x *Index) root(host string, virtual bool) int32 {
	if host == "" {
		if x.all < 0 {
			x.all = x.newNode()
		}
		return x.all
	}
	for i := len(x.sections) - 1; i >= 0; i-- { // entries come by host
		if s := x.sections[i]; s.named == host && s.virtual == virtual {
			return s.root
		}
	}
	root := x.newNode()
	for glob := range strings.FieldsSeq(host) {
		x.sections = append(x.sections, section{host, glob, virtual, root})
	}
	return root
}

func (x *Index) newNode() int32 {
	x.nodes = append(x.nodes, node{})
	return int32(len(x.nodes) - 1)
}

func (x *Index) add(at, entry int32) error {
	e := &x.entries[entry]
	path, query, _ := strings.Cut(e.Template, "?")
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("a template begins with /")
	}
	l := leaf{method: e.Method, entry: entry, open: strings.HasSuffix(path, "+}")}
	if segs := strings.Split(path[1:], "/"); e.To > e.From && e.To <= len(segs) {
		if before, after, kind := shape(segs[e.To-1]); kind == mixed {
			if l.after = len(after); e.To-e.From == 1 {
				l.before = len(before)
			}
		}
	}
	for pair := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(pair, "="); name != "" {
			l.query = append(l.query, condition{name, value})
		}
	}
	for seg := range strings.SplitSeq(strings.TrimSuffix(path[1:], "/"), "/") {
		if strings.HasPrefix(seg, "{") && strings.HasSuffix(seg, "+}") {
			return x.put(&x.nodes[at].rest, l)
		}
		var err error
		if at, err = x.child(at, seg); err != nil {
			return err
		}
	}
	return x.put(&x.nodes[at].here, l)
}

// put adds an operation to those of a place, of which no two answer the same request.
func (x *Index) put(to *[]leaf, l leaf) error {
	for i, have := range *to {
		if have.method == l.method && slices.Equal(have.query, l.query) {
			if stricter(x.entries[l.entry].Effect, x.entries[have.entry].Effect) {
				(*to)[i] = l
			}
			return nil
		}
	}
	*to = append(*to, l)
	return nil
}

// strictness orders effects: what a rule should rather not permit comes last.
var strictness = [...]uint8{Read: 0, Write: 1, Delete: 2, Admin: 3, Money: 4, Unknown: 5}

func stricter(a, b Effect) bool { return strictness[a] > strictness[b] }

// Stricter is that of two effects which fewer rules should permit.
func Stricter(a, b Effect) Effect {
	if stricter(b, a) {
		return b
	}
	return a
}

// child is the place that a segment of a template leads to.
func (x *Index) child(at int32, seg string) (int32, error) {
	before, after, kind := shape(strings.ToLower(seg))
	switch kind {
	case literal:
		for _, e := range x.nodes[at].literals {
			if e.text == before {
				return e.to, nil
			}
		}
		to := x.newNode()
		x.nodes[at].literals = append(x.nodes[at].literals, edge{before, to})
		return to, nil
	case parameter:
		if x.nodes[at].any == 0 {
			to := x.newNode()
			x.nodes[at].any = to
		}
		return x.nodes[at].any, nil
	case mixed:
		for _, p := range x.nodes[at].patterns {
			if p.before == before && p.after == after {
				return p.to, nil
			}
		}
		to := x.newNode()
		x.nodes[at].patterns = append(x.nodes[at].patterns, pattern{before, after, to})
		return to, nil
	}
	return 0, fmt.Errorf("the segment %q is not understood: want text, {name}, or text around one {name}", seg)
}

// The kinds of segments.
const (
	broken = iota
	literal
	parameter
	mixed
)

// shape takes a segment apart: the text before and behind what is variable. Several
// parameters with text between are one.
func shape(seg string) (before, after string, kind int) {
	open, shut := strings.IndexByte(seg, '{'), strings.LastIndexByte(seg, '}')
	switch {
	case open < 0 && shut < 0:
		return seg, "", literal
	case open < 0 || shut < open || strings.IndexByte(seg[open:], '}') == 1:
		return "", "", broken
	case open == 0 && shut == len(seg)-1:
		return "", "", parameter
	}
	return seg[:open], seg[shut+1:], mixed
}

func (n *node) sort() {
	slices.SortFunc(n.literals, func(a, b edge) int { return strings.Compare(a.text, b.text) })
	slices.SortStableFunc(n.patterns, func(a, b pattern) int {
		return cmp.Or(cmp.Compare(len(b.before)+len(b.after), len(a.before)+len(a.after)), cmp.Compare(len(b.before), len(a.before)),
			strings.Compare(a.before, b.before), strings.Compare(a.after, b.after))
	})
	for _, leaves := range [][]leaf{n.here, n.rest} {
		slices.SortStableFunc(leaves, func(a, b leaf) int { return cmp.Compare(len(b.query), len(a.query)) })
	}
}

// EffectOf is the gravest effect of the operations of a name; Unknown where there is none.
func (x *Index) EffectOf(name string) (e Effect) {
	for i := range x.entries {
		if x.entries[i].Name == name {
			e = max(e, x.entries[i].Effect)
		}
	}
	return e
}

// Entries are the table's operations, in its order. They must not be changed.
func (x *Index) Entries() []Entry { return x.entries }

// Names implements Namer.
func (x *Index) Names() []string {
	names := make([]string, len(x.entries))
	for i := range x.entries {
		names[i] = x.entries[i].Name
	}
	slices.Sort(names)
	return slices.Compact(names)
}
