package sign

import (
	"gopkg.in/yaml.v3"

	"github.com/attache-proxy/attache/providers/strictyaml"
)

// Spec is what stands under `sign:` in a connector. The zero Spec says nothing.
// In YAML it is a word (bearer, basic, none), a map of places, or a list of
// such maps, which are done in order.
type Spec struct {
	None   bool   // nothing is placed: the service asks for no credential
	Bearer string // template; Authorization: Bearer …
	Basic  *Basic
	Path   []Path
	Query  []Item
	Form   []Item // application/x-www-form-urlencoded body
	JSON   []Item // Name is a dotted path of the JSON body
	Cookie []Item
	Header []Item
	Then   []Spec // done after all of the above, on the request that it made
	Line   int    // in the file; 0 when not from a file
}

// Item is a template and the name of the place that it goes to.
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

// IsZero reports whether nothing was given.
func (s Spec) IsZero() bool {
	return !s.None && s.Bearer == "" && s.Basic == nil && len(s.Path)+len(s.Query)+len(s.Form)+
		len(s.JSON)+len(s.Cookie)+len(s.Header)+len(s.Then) == 0
}

// words are the kinds that may stand alone.
var words = map[string]Spec{
	"none":   {None: true},
	"bearer": {Bearer: "{token}"},
	"basic":  {Basic: &Basic{"{fields.username}", "{fields.password}"}},
}

// specKeys decodes each key that a map under `sign:` may have.
var specKeys = map[string]func(*Spec, *yaml.Node) error{
	"bearer": func(s *Spec, n *yaml.Node) error { return n.Decode(&s.Bearer) },
	"basic": func(s *Spec, n *yaml.Node) error {
		s.Basic = new(Basic)
		return strictyaml.Decode(n, s.Basic)
	},
	"path":   func(s *Spec, n *yaml.Node) (err error) { s.Path, err = decodePaths(n); return err },
	"query":  func(s *Spec, n *yaml.Node) (err error) { s.Query, err = decodeItems(n); return err },
	"form":   func(s *Spec, n *yaml.Node) (err error) { s.Form, err = decodeItems(n); return err },
	"json":   func(s *Spec, n *yaml.Node) (err error) { s.JSON, err = decodeItems(n); return err },
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
		w, ok := words[n.Value]
		if !ok {
			return strictyaml.Errorf(n, "unknown signer %q; a single word here is one of %s", n.Value, sortedKeys(words))
		}
		w.Line = n.Line
		*s = w
		return nil
	case yaml.SequenceNode:
		return s.decodeSteps(n)
	}
	pairs, err := strictyaml.Pairs(n)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		decode, ok := specKeys[p.Key.Value]
		if !ok {
			return strictyaml.Errorf(p.Key, "unknown key %q; known here: %s", p.Key.Value, sortedKeys(specKeys))
		}
		if err := decode(s, p.Value); err != nil {
			return err
		}
	}
	if s.IsZero() {
		return strictyaml.Errorf(n, "want what to place: one of %s", sortedKeys(specKeys))
	}
	return nil
}

func (s *Spec) decodeSteps(n *yaml.Node) error {
	if len(n.Content) == 0 {
		return strictyaml.Errorf(n, "want at least one step")
	}
	for _, c := range n.Content {
		var step Spec
		if err := step.UnmarshalYAML(c); err != nil {
			return err
		}
		s.Then = append(s.Then, step)
	}
	return nil
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
			return nil, strictyaml.Errorf(p.Value, "want a template for %s", p.Key.Value)
		}
		items = append(items, Item{p.Key.Value, p.Value.Value, p.Value.Line, textColumn(p.Value)})
	}
	return items, nil
}

// textColumn is the column of a scalar's first character, after its quote.
func textColumn(n *yaml.Node) int {
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		return n.Column + 1
	}
	return n.Column
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
