package listing

import (
	"net/http"
	"slices"

	"github.com/attache-proxy/attache/resolver/operation"
	"github.com/attache-proxy/attache/resolver/rule"
)

// Asked reports a request for a list; nil is one of which nothing is known.
func Asked(r *rule.Request) bool {
	return r != nil && slices.ContainsFunc(r.Does, func(one rule.Does) bool {
		return one.Name == "tools/list" || one.Name == "prompts/list" || one.Name == "resources/list"
	})
}

// By are the rules of a grant, for what a server at a path offers. What a person would
// be asked about is offered, and so is what hangs on how it is called.
// Hinted corrects the effect of a tool by what the server says of it.
func By(rules *rule.Set, path string, hinted func(does *rule.Does)) func(method, name string) bool {
	return func(method, name string) bool {
		does, ok := operation.Offered(method, name)
		hinted(&does)
		said := rules.Decide(&rule.Request{Methods: []string{http.MethodPost}, Path: path, Does: []rule.Does{does}, Assume: rule.AtBest})
		return ok && (said.Allowed || said.Ask != nil)
	}
}

// Asking are the rules of a grant, for what a server asks of the client: what only a rule
// that names it allows, or one for everything.
func Asking(rules *rule.Set, path string) func(method string) bool {
	return func(method string) bool {
		r := &rule.Request{Methods: []string{http.MethodPost}, Path: path, Does: []rule.Does{{}}, Assume: rule.AtWorst}
		r.Does[0].Name = method
		return rules.Decide(r).Allowed
	}
}
