package resolver

import (
	"net/http"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/listing"
)

// lists reports a call to a server of the Model Context Protocol whose grant has rules that
// do not permit everything: what it lists is filtered by them.
func (d *deed) lists() bool {
	return d != nil && !d.rules.Everything() && d.head.Connector.Spoken(d.head.Host, d.head.Path) == providers.MCP
}

// listed filters what the service offers.
func (x *exchange) listed(res *http.Response) {
	if d := x.call.deed; d.lists() {
		listing.Filter(res, listing.Asked(d.done.Load()), listing.By(d.rules, d.head.Path))
	}
}
