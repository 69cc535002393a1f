package resolver

import (
	"net/http"
	"slices"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/listing"
	"github.com/attache-proxy/attache/resolver/operation"
	"github.com/attache-proxy/attache/resolver/rule"
)

// lists reports a call to a server of the Model Context Protocol whose grant has rules that
// do not permit everything: what it lists is filtered by them.
func (d *deed) lists() bool {
	return d != nil && !d.rules.Everything() && d.head.Connector.Spoken(d.head.Host, d.head.Path) == providers.MCP
}

// listed filters what the service offers.
func (x *exchange) listed(res *http.Response) {
	d := x.call.deed
	if !d.lists() {
		return
	}
	answersList := false
	if request := d.done.Load(); request != nil {
		answersList = slices.ContainsFunc(request.Does, func(one rule.Does) bool {
			return one.Name == "tools/list" || one.Name == "prompts/list" || one.Name == "resources/list"
		})
	}
	listing.Filter(res, answersList, func(method, name string) bool {
		does, ok := operation.Offered(method, name)
		said := d.rules.Decide(&rule.Request{Methods: []string{http.MethodPost}, Path: d.head.Path, Does: []rule.Does{does}})
		return ok && (said.Allowed || said.Ask != nil)
	})
}
