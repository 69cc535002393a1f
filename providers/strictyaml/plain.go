package strictyaml

import "go.yaml.in/yaml/v3"

// Plain is the tree below n without aliases and merge keys (<<), which stand for what
// they name. It has at most nodes nodes: aliases of aliases make a short file endless.
func Plain(n *yaml.Node, nodes int) (*yaml.Node, error) {
	p := plainer{left: nodes}
	return p.plain(n)
}

type plainer struct{ left int }

func (p *plainer) plain(n *yaml.Node) (*yaml.Node, error) {
	if p.left--; p.left < 0 {
		return nil, Errorf(n, "the aliases here make more of the file than is read")
	}
	if n.Kind == yaml.AliasNode {
		return p.plain(n.Alias)
	}
	out := *n
	out.Anchor, out.Content = "", make([]*yaml.Node, 0, len(n.Content))
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Tag == "!!merge" {
			merged, err := p.merged(n, n.Content[i+1])
			if err != nil {
				return nil, err
			}
			out.Content = append(out.Content, merged...)
			continue
		}
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Tag == "!!merge" {
			continue
		}
		child, err := p.plain(c)
		if err != nil {
			return nil, err
		}
		out.Content = append(out.Content, child)
	}
	return &out, nil
}

// merged are the entries that a merge key brings: those of one mapping or of a list
// of them, of which the first wins. What stands in the mapping itself wins over all.
func (p *plainer) merged(into, from *yaml.Node) ([]*yaml.Node, error) {
	var out []*yaml.Node
	sources := []*yaml.Node{from}
	if from.Kind == yaml.SequenceNode {
		sources = from.Content
	}
	for _, s := range sources {
		m, err := p.plain(s)
		if err != nil {
			return nil, err
		}
		if m.Kind != yaml.MappingNode {
			return nil, Errorf(from, "want a mapping behind <<, or a list of them")
		}
		for i := 0; i+1 < len(m.Content); i += 2 {
			if key := m.Content[i].Value; !has(into.Content, key) && !has(out, key) {
				out = append(out, m.Content[i], m.Content[i+1])
			}
		}
	}
	return out, nil
}

// has reports whether entries of a mapping have a key.
func has(entries []*yaml.Node, key string) bool {
	for i := 0; i+1 < len(entries); i += 2 {
		if entries[i].Value == key {
			return true
		}
	}
	return false
}
