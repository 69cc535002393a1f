package deed

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/listing"
	"github.com/attache-proxy/attache/resolver/rule"
	"github.com/attache-proxy/attache/resolver/tool"
)

// Guards reports a call to a server of the Model Context Protocol whose grant does not
// permit everything: what it says is filtered.
func (d *Deed) Guards() bool {
	return d != nil && !d.Rules.Everything() && d.Head.Connector.Spoken(d.Head.Host, d.Head.Path) == providers.MCP
}

// Know reads what is known of the server's tools, before the body is judged.
func (d *Deed) Know(ctx context.Context, book *tool.Book, s tool.Server) (err error) {
	if d.Guards() {
		d.tools, err = book.Of(ctx, s)
	}
	return err
}

// hinted corrects the effect of a tool by what the server says of it.
func (d *Deed) hinted(does *rule.Does) {
	if state, ok := d.tools[tool.Called(does.Name)]; ok {
		does.Effect = state.Effect(does.Effect, d.Head.Connector.Speaks.TrustHints)
	}
}

// Changed is a tool that it calls and that is stopped; empty for none.
func (d *Deed) Changed() string {
	if d == nil {
		return ""
	}
	if request := d.Done(); request != nil && d.tools != nil {
		for i := range request.Does {
			if name := tool.Called(request.Does[i].Name); d.tools[name].Changed {
				return name
			}
		}
	}
	return ""
}

// Filter filters what the server answers. Refused hears of what it asked and may not.
func (d *Deed) Filter(ctx context.Context, res *http.Response, book *tool.Book, s tool.Server, refused func(id json.RawMessage, method string)) error {
	seen := &Deed{Head: d.Head, tools: d.tools}
	g := &listing.Guard{
		Stream:  d.Head.Methods[0] == http.MethodGet,
		Permits: listing.By(d.Rules, d.Head.Path, seen.hinted), Asks: listing.Asking(d.Rules, d.Head.Path), Refused: refused,
		Tools: func(tools []listing.Tool) []bool {
			offered := book.See(ctx, s, tools)
			if known, err := book.Of(ctx, s); err == nil { // with those that were seen now
				seen.tools = known
			}
			return offered
		},
	}
	return listing.Filter(res, listing.Asked(d.Done()), g)
}
