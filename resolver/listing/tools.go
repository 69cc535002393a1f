package listing

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"

	"github.com/go-json-experiment/json/jsontext"
)

// Tool is one that a server offers.
type Tool struct {
	Name string
	// Digest is of all that it says of the tool, but icons and _meta, and Says that, in
	// JSON; empty where it cannot be read in one way.
	Digest, Says string
	// Hints are the server's own words.
	Hints Hints
}

// Hints are what a server says of a tool. (Model Context Protocol 2025-11-25,
// ToolAnnotations.)
type Hints struct {
	ReadOnly    bool `json:"readOnlyHint"`
	Destructive bool `json:"destructiveHint"`
}

// passing are members of a tool that say nothing to a model.
var passing = []string{"_meta", "icons"}

// offered are the tools that are offered, as Guard.Tools says.
func (g *Guard) offered(items []map[string]json.RawMessage) (kept []map[string]json.RawMessage) {
	tools := make([]Tool, len(items))
	for i, item := range items {
		tools[i] = toolOf(item)
	}
	for i, is := range g.Tools(tools) {
		if is {
			kept = append(kept, items[i])
		}
	}
	return kept
}

func toolOf(item map[string]json.RawMessage) Tool {
	var t Tool
	_ = json.Unmarshal(item["name"], &t.Name)
	_ = json.Unmarshal(item["annotations"], &t.Hints)
	said := maps.Clone(item)
	for _, name := range passing {
		delete(said, name)
	}
	text, err := json.Marshal(said)
	v := jsontext.Value(text)
	if err != nil || v.Canonicalize() != nil {
		return t
	}
	sum := sha256.Sum256(v)
	t.Digest, t.Says = hex.EncodeToString(sum[:]), string(v)
	return t
}
