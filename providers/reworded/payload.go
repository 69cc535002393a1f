// Package reworded rewrites connectors that were written when a word meant something
// else, so that they go on doing what they did.
package reworded

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// payload is the word whose two values changed places: true was id and secret in the
// body, false and nothing an Authorization: Basic header.
const payload = "header_as_payload"

// clients are the grant types at whose token endpoint the client proves itself, unless
// the connector says how with token_auth. "" is authorization_code.
var clients = []string{"", "authorization_code", "device_code", "client_credentials", "refresh_token", "token_exchange", "obtain"}

// HeaderAsPayload rewrites the YAML of a connector from the time before: what it does
// stays the same. Text that is no connector comes back as it is.
func HeaderAsPayload(text string) string {
	var doc yaml.Node
	if yaml.Unmarshal([]byte(text), &doc) != nil || len(doc.Content) != 1 {
		return text
	}
	lines := strings.SplitAfter(text, "\n")
	var edits []edit
	auth := member(doc.Content[0], "auth")
	for i := 1; auth != nil && i < len(auth.Content); i += 2 {
		if e, ok := reword(auth.Content[i]); ok {
			edits = append(edits, e)
		}
	}
	// From the last to the first, so that the places of the others stay.
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Or(cmp.Compare(b.line, a.line), cmp.Compare(b.column, a.column)) })
	for _, e := range edits {
		e.in(lines)
	}
	return strings.Join(lines, "")
}

// edit replaces what stands at a place; lines and columns count from 0.
type edit struct {
	line, column int
	old, new     string
}

func (e edit) in(lines []string) {
	l := []rune(lines[e.line])
	if !strings.HasPrefix(string(l[e.column:]), e.old) {
		return
	}
	lines[e.line] = string(l[:e.column]) + e.new + string(l[e.column+len([]rune(e.old)):])
}

// reword says what to edit in one way to connect.
func reword(option *yaml.Node) (e edit, ok bool) {
	if option.Kind == yaml.AliasNode || option.Kind != yaml.MappingNode || value(option, "type") != "oauth2" || member(option, "request_token_url") != nil {
		return e, false
	}
	proves := slices.Contains(clients, value(option, "grant_type"))
	if said := member(option, payload); said != nil {
		was := slices.Contains([]string{"true", "on", "yes", "y"}, strings.ToLower(said.Value))
		e = edit{said.Line - 1, said.Column - 1, said.Value, map[bool]string{true: "false", false: "true"}[was]}
		if !proves && !was { // it said nothing, and now would
			key := keyOf(option, payload)
			e.column, e.old, e.new = key.Column-1, payload, "token_auth: off # "+payload
			if option.Style&yaml.FlowStyle != 0 {
				return e, false // as rare as it is harmless: no such grant type was ever used so
			}
		}
		return e, true
	}
	if !proves || member(option, "token_auth") != nil || len(option.Content) == 0 {
		return e, false
	}
	if option.Style&yaml.FlowStyle != 0 {
		first := option.Content[0]
		return edit{first.Line - 1, first.Column - 1, "", payload + ": true, "}, true
	}
	at := option.Content[0]
	if key := keyOf(option, "token_url"); key != nil {
		at = key
	}
	return edit{at.Line - 1, at.Column - 1, "", payload + ": true\n" + strings.Repeat(" ", at.Column-1)}, true
}

// keyOf is the key of a member; nil where there is none.
func keyOf(object *yaml.Node, name string) *yaml.Node {
	for i := 0; object != nil && object.Kind == yaml.MappingNode && i+1 < len(object.Content); i += 2 {
		if object.Content[i].Value == name {
			return object.Content[i]
		}
	}
	return nil
}

func member(object *yaml.Node, name string) *yaml.Node {
	for i := 0; object != nil && object.Kind == yaml.MappingNode && i+1 < len(object.Content); i += 2 {
		if object.Content[i].Value == name {
			return object.Content[i+1]
		}
	}
	return nil
}

func value(object *yaml.Node, name string) string {
	if v := member(object, name); v != nil {
		return v.Value
	}
	return ""
}

// Form rewrites what a person filled in, in the form of connectors; it is changed in
// place. A form that says nothing meant a header.
func Form(form map[string]any) error {
	if form == nil || form["definition"] != nil || form["mcp"] != nil {
		return nil
	}
	grant, _ := form["grant_type"].(string)
	switch was := form[payload].(type) {
	case bool:
		form[payload] = !was
	case nil:
		if form["token_url"] != nil && slices.Contains(clients, grant) {
			form[payload] = true
		}
	default:
		return fmt.Errorf("%s is %T", payload, was)
	}
	return nil
}
