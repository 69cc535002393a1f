package sign

import (
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/strictyaml"
)

// Spec is what stands under `sign:` in a connector. The zero Spec says nothing.
// In YAML it is a word (bearer, basic, none, or a kind), a map, or a list of
// maps, which are done in order.
type Spec struct {
	None bool // nothing is placed: the service asks for no credential
	// When is an expression; unless it is true, this Spec is left out. Then is
	// left out with it.
	When string
	// Let are named values, computed in their order on the request as it is
	// before anything of this Spec is placed.
	Let []Item
	// Remove names what is taken away beside the places that are written.
	Remove Places

	// What is placed, in this order. A name that ends with ? is written only
	// where the request has no such place yet.
	Path   []Path
	Query  []Item
	Form   []Item // application/x-www-form-urlencoded body
	JSON   []Item // Name is a dotted path of the JSON body
	Body   *Item  // template of the whole body; empty takes it away
	Cookie []Item
	Header []Item
	Bearer string // template; Authorization: Bearer …
	Basic  *Basic
	Kinds  []Kind // signers by name, such as sigv4

	Then []Spec // done after all of the above, on the request that it made
	Line int    // in the file; 0 when not from a file
}

// Item is a template (in Let: an expression) and what it is for.
type Item struct {
	Name, Value  string
	Line, Column int // of Value in the file; 0 when not from a file
}

// Basic is HTTP Basic (RFC 7617): two templates.
type Basic struct {
	Username string `yaml:"username"`
	Password string `yaml:"password"`
}

// Path replaces the start of the path. In From, * stands for any run of
// characters other than /, also none; To is a template.
type Path struct {
	From string `yaml:"from"`
	To   string `yaml:"to"`
}

// Kind is a signer by name with its parameters; nil means its defaults.
type Kind struct {
	Name   string
	Params *yaml.Node
	Line   int
}

// IsZero reports whether nothing was given.
func (s Spec) IsZero() bool {
	return !s.None && !s.places() && s.When == "" && len(s.Let)+len(s.Then) == 0
}

// places reports whether s itself changes the request.
func (s Spec) places() bool {
	return s.Bearer != "" || s.Basic != nil || s.Body != nil || !s.Remove.isZero() ||
		len(s.Path)+len(s.Query)+len(s.Form)+len(s.JSON)+len(s.Cookie)+len(s.Header)+len(s.Kinds) > 0
}

// ReadsHost reports whether what is placed is a signature that takes the host
// in: then it is of no use at another one.
func (s Spec) ReadsHost() bool {
	signs := func(k Kind) bool { return k.Name == "sigv4" || k.Name == "oauth1" }
	reads := func(i Item) bool {
		return strings.Contains(i.Value, "request.host") || strings.Contains(i.Value, `"host"`) || strings.Contains(i.Value, "request.url")
	}
	return s.Bearer == "" && s.Basic == nil &&
		(slices.ContainsFunc(s.Kinds, signs) || slices.ContainsFunc(s.Let, reads) || slices.ContainsFunc(s.Then, Spec.ReadsHost))
}

// words are what may stand alone, beside the kinds.
var words = map[string]Spec{
	"none":   {None: true},
	"bearer": {Bearer: "{token}"},
	"basic":  {Basic: &Basic{"{fields.username}", "{fields.password}"}},
}

// specKeys decodes each key that a map under `sign:` may have, beside the kinds.
var specKeys = map[string]func(*Spec, *yaml.Node) error{
	"when":   func(s *Spec, n *yaml.Node) error { return n.Decode(&s.When) },
	"let":    func(s *Spec, n *yaml.Node) (err error) { s.Let, err = decodeItems(n); return err },
	"remove": func(s *Spec, n *yaml.Node) error { return strictyaml.Decode(n, &s.Remove) },
	"bearer": func(s *Spec, n *yaml.Node) error { return n.Decode(&s.Bearer) },
	"basic": func(s *Spec, n *yaml.Node) error {
		s.Basic = new(Basic)
		return strictyaml.Decode(n, s.Basic)
	},
	"path":   func(s *Spec, n *yaml.Node) (err error) { s.Path, err = decodePaths(n); return err },
	"query":  func(s *Spec, n *yaml.Node) (err error) { s.Query, err = decodeItems(n); return err },
	"form":   func(s *Spec, n *yaml.Node) (err error) { s.Form, err = decodeItems(n); return err },
	"json":   func(s *Spec, n *yaml.Node) (err error) { s.JSON, err = decodeItems(n); return err },
	"body":   func(s *Spec, n *yaml.Node) (err error) { s.Body, err = decodeBody(n); return err },
	"cookie": func(s *Spec, n *yaml.Node) (err error) { s.Cookie, err = decodeItems(n); return err },
	"header": func(s *Spec, n *yaml.Node) (err error) { s.Header, err = decodeItems(n); return err },
}

// UnmarshalYAML reads a word, a map or a list of maps.
func (s *Spec) UnmarshalYAML(n *yaml.Node) error {
	*s = Spec{Line: n.Line}
	switch n.Kind {
	case yaml.AliasNode:
		return s.UnmarshalYAML(n.Alias)
	case yaml.ScalarNode:
		return s.decodeWord(n)
	case yaml.SequenceNode:
		return s.decodeSteps(n)
	}
	pairs, err := strictyaml.Pairs(n)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range pairs {
		errs = append(errs, s.decodeKey(p))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if !s.places() && len(s.Let) == 0 {
		return strictyaml.Errorf(n, "want what to place: one of %s", known())
	}
	return nil
}

func (s *Spec) decodeWord(n *yaml.Node) error {
	if _, ok := kinds[n.Value]; ok {
		s.Kinds = []Kind{{n.Value, nil, n.Line}}
		return nil
	}
	w, ok := words[n.Value]
	if !ok {
		return strictyaml.Errorf(n, "unknown signer %q; a single word here is one of %s, %s", n.Value, sortedKeys(words), sortedKeys(kinds))
	}
	w.Line = n.Line
	*s = w
	return nil
}

func (s *Spec) decodeKey(p strictyaml.Pair) error {
	if decode, ok := specKeys[p.Key.Value]; ok {
		return decode(s, p.Value)
	}
	if _, ok := kinds[p.Key.Value]; ok {
		s.Kinds = append(s.Kinds, Kind{p.Key.Value, p.Value, p.Key.Line})
		return nil
	}
	return strictyaml.Errorf(p.Key, "unknown key %q; known here: %s", p.Key.Value, known())
}

// known lists the keys of a map under `sign:`.
func known() string { return sortedKeys(specKeys) + ", " + sortedKeys(kinds) }

func (s *Spec) decodeSteps(n *yaml.Node) error {
	if len(n.Content) == 0 {
		return strictyaml.Errorf(n, "want at least one step")
	}
	var errs []error
	for _, c := range n.Content {
		var step Spec
		errs = append(errs, step.UnmarshalYAML(c))
		s.Then = append(s.Then, step)
	}
	return errors.Join(errs...)
}

// decodeItems reads a map of name to template, in its order.
func decodeItems(n *yaml.Node) ([]Item, error) {
	pairs, err := strictyaml.Pairs(n)
	if err != nil {
		return nil, err
	}
	if len(pairs) == 0 {
		return nil, strictyaml.Errorf(n, "want at least one name")
	}
	var items []Item
	for _, p := range pairs {
		if p.Value.Kind != yaml.ScalarNode {
			return nil, strictyaml.Errorf(p.Value, "want text for %s", p.Key.Value)
		}
		line, column := textStart(p.Value)
		items = append(items, Item{p.Key.Value, p.Value.Value, line, column})
	}
	return items, nil
}

func decodeBody(n *yaml.Node) (*Item, error) {
	if n.Kind != yaml.ScalarNode {
		return nil, strictyaml.Errorf(n, "want a template of the whole body")
	}
	line, column := textStart(n)
	return &Item{"body", n.Value, line, column}, nil
}

// textStart is the place of a scalar's first character: after its quote, or
// below its | or >. There the column is not known and 0.
func textStart(n *yaml.Node) (line, column int) {
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return n.Line + 1, 0
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		return n.Line, n.Column + 1
	}
	return n.Line, n.Column
}

// decodePaths reads one {from, to} or a list of them.
func decodePaths(n *yaml.Node) ([]Path, error) {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	var paths []Path
	for _, c := range nodes {
		var p Path
		if err := strictyaml.Decode(c, &p); err != nil {
			return nil, err
		}
		paths = append(paths, p)
	}
	return paths, nil
}

// isZero reports whether p names nothing.
func (p Places) isZero() bool {
	return len(p.Headers)+len(p.Query)+len(p.Cookies)+len(p.Form)+len(p.JSON) == 0
}

// add appends the places of q that p lacks.
func (p *Places) add(q Places) {
	join := func(to *[]string, from []string) {
		for _, name := range from {
			if !slices.Contains(*to, name) {
				*to = append(*to, name)
			}
		}
	}
	join(&p.Headers, q.Headers)
	join(&p.Query, q.Query)
	join(&p.Cookies, q.Cookies)
	join(&p.Form, q.Form)
	join(&p.JSON, q.JSON)
}
