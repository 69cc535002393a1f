package resolver

import (
	"net/http"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/listing"
)

// lists reports a call to a server of the Model Context Protocol whose grant has rules that
// do not permit everything: what it lists is filtered by them.
func (x *exchange) lists() bool {
	d := x.call.deed
	return d != nil && !d.Rules.Everything() && d.Head.Connector.Spoken(d.Head.Host, d.Head.Path) == providers.MCP
}

// listed filters what the service offers.
func (x *exchange) listed(res *http.Response) {
	if d := x.call.deed; x.lists() {
		listing.Filter(res, listing.Asked(d.Done()), listing.By(d.Rules, d.Head.Path))
	}
}
