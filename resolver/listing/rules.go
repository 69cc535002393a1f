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
func By(rules *rule.Set, path string) Permits {
	return func(method, name string) bool {
		does, ok := operation.Offered(method, name)
		said := rules.Decide(&rule.Request{Methods: []string{http.MethodPost}, Path: path, Does: []rule.Does{does}, Assume: rule.AtBest})
		return ok && (said.Allowed || said.Ask != nil)
	}
}
