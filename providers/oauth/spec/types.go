package spec

import (
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/strictyaml"
)

// List is a list of words. In YAML it may also be one string with spaces.
type List []string

// UnmarshalYAML accepts [a, b] and "a b".
func (l *List) UnmarshalYAML(n *yaml.Node) error {
	switch n.Kind {
	case yaml.ScalarNode:
		*l = strings.Fields(n.Value)
		return nil
	case yaml.SequenceNode:
		return n.Decode((*[]string)(l))
	}
	return strictyaml.Errorf(n, "want a list or a string")
}

// Duration is a time.Duration that YAML writes as 90s, 10m or 1h.
type Duration time.Duration

// UnmarshalYAML reads what time.ParseDuration reads.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v < 0 {
		return strictyaml.Errorf(n, "want a duration such as 90s, 10m or 1h")
	}
	*d = Duration(v)
	return nil
}

// Steps is a list of steps. In YAML one step may stand for itself.
type Steps []StepSpec

// UnmarshalYAML accepts a list of mappings and one mapping.
func (s *Steps) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.MappingNode {
		*s = make(Steps, 1)
		return n.Decode(&(*s)[0])
	}
	return n.Decode((*[]StepSpec)(s))
}

// Params are the parameters of a request by name. Values are templates, or, for
// a JSON body, any shape with templates at its leaves. A name that ends in "?"
// is left out when its template has an empty value.
type Params map[string]any

// Names returns the names in an order that does not change.
func (p Params) Names() []string { return slices.Sorted(maps.Keys(p)) }

// The parts of a Spec decode strictly on their own, because a Spec is inlined
// and yaml.v3 is strict only from the top. Each alias below drops the method, so
// that Decode does not call itself.

func (a *AuthorizeSpec) UnmarshalYAML(n *yaml.Node) error {
	type plain AuthorizeSpec
	return strictyaml.Decode(n, (*plain)(a))
}

func (c *CallbackSpec) UnmarshalYAML(n *yaml.Node) error {
	type plain CallbackSpec
	return strictyaml.Decode(n, (*plain)(c))
}

func (r *ResponseSpec) UnmarshalYAML(n *yaml.Node) error {
	type plain ResponseSpec
	return strictyaml.Decode(n, (*plain)(r))
}

func (s *StepSpec) UnmarshalYAML(n *yaml.Node) error {
	type plain StepSpec
	return strictyaml.Decode(n, (*plain)(s))
}

func (a *AssertionSpec) UnmarshalYAML(n *yaml.Node) error {
	type plain AssertionSpec
	return strictyaml.Decode(n, (*plain)(a))
}

func (c *CertificateSpec) UnmarshalYAML(n *yaml.Node) error {
	type plain CertificateSpec
	return strictyaml.Decode(n, (*plain)(c))
}

func (e *ExchangeSpec) UnmarshalYAML(n *yaml.Node) error {
	type plain ExchangeSpec
	return strictyaml.Decode(n, (*plain)(e))
}

func (a *AWSSpec) UnmarshalYAML(n *yaml.Node) error {
	type plain AWSSpec
	return strictyaml.Decode(n, (*plain)(a))
}

func (g *GoogleSpec) UnmarshalYAML(n *yaml.Node) error {
	type plain GoogleSpec
	return strictyaml.Decode(n, (*plain)(g))
}
