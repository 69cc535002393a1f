// Package operations is the REST resource of what requests to a service do.
package operations

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Connectors finds a connector that a caller may see.
type Connectors interface {
	Connector(ctx context.Context, v *vault.View, key string) (*providers.Connector, error)
}

// Mount registers the resources.
func Mount(s *rest.Server, from Connectors) {
	r := room{from}
	rest.Register(s, rest.Operation{ID: "list-connector-operations", Method: http.MethodGet, Path: "/connectors/{key}/operations", Role: vault.RoleViewer, Noun: "CONNECTOR", Summary: "What requests to a service do",
		Detail: "The connector's table: of the OpenAPI document that its file names, or the built-in one. A connector without a table has an empty list."}, r.list)
	rest.Register(s, rest.Operation{ID: "find-connector-operation", Method: http.MethodGet, Path: "/connectors/{key}/operation", Role: vault.RoleViewer, Noun: "OPERATION", Summary: "What one request does, by its method and path",
		Detail: "What a body says is not seen here. 404 where the table has no such operation."}, r.find)
}

type room struct{ from Connectors }

type listIn struct {
	Key    string `path:"key" maxLength:"63"`
	After  string `query:"after" maxLength:"10" doc:"The next of the part before; empty for the first."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many items at most."`
	Q      string `query:"q" maxLength:"200" doc:"Only those whose name or path has this."`
	Effect string `query:"effect" enum:"read,write,delete,admin,money" doc:"Only those with this effect."`
}

type listOut struct {
	Body struct {
		Items   []operations.Shown  `json:"items"`
		Next    string              `json:"next,omitempty" doc:"Send it as after to read on; absent on the last part."`
		Total   int                 `json:"total" doc:"How many the whole table has."`
		Checked string              `json:"checked,omitempty" doc:"The day on which a built-in table was made."`
		Sources []operations.Source `json:"sources,omitempty" doc:"The packages whose descriptions a built-in table was made of."`
	}
}

func (r room) list(ctx context.Context, c *signin.Caller, in *listIn) (*listOut, error) {
	con, x, err := r.table(ctx, c, in.Key)
	if err != nil {
		return nil, err
	}
	start, err := strconv.Atoi(cmp.Or(in.After, "0"))
	if err != nil || start < 0 {
		return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "after is not what a part before said.")
	}
	out := &listOut{}
	b := &out.Body
	b.Items = []operations.Shown{}
	if x == nil {
		return out, nil
	}
	if built, err := operations.BuiltIn(); err == nil {
		for _, key := range con.Tables() {
			if b.Sources = built.SourcesOf(key); b.Sources != nil {
				b.Checked = built.Checked
				break
			}
		}
	}
	entries := x.Entries()
	b.Total = len(entries)
	for i := start; i < len(entries); i++ {
		s := entries[i].Show()
		if in.Q != "" && !s.Mentions(in.Q) || in.Effect != "" && s.Effect != in.Effect {
			continue
		}
		if len(b.Items) == in.Limit {
			b.Next = strconv.Itoa(i)
			break
		}
		b.Items = append(b.Items, s)
	}
	return out, nil
}

// table is a connector's; nil where it has none.
func (r room) table(ctx context.Context, c *signin.Caller, key string) (*providers.Connector, *operations.Index, error) {
	con, err := r.from.Connector(ctx, c.View, key)
	if err != nil {
		return nil, nil, err
	}
	x, _ := con.Operations().(*operations.Index)
	return con, x, nil
}

type findIn struct {
	Key    string `path:"key" maxLength:"63"`
	Method string `query:"method" required:"true" maxLength:"20" example:"POST" doc:"In capitals; ACTION for one that a header or a body names."`
	Path   string `query:"path" required:"true" maxLength:"8000" example:"/repos/acme/site/issues" doc:"Escaped as in a URL, with the query where there is one."`
	Host   string `query:"host" maxLength:"253" doc:"Where the connector has several hosts."`
}

type findOut struct {
	Body struct {
		Name     string `json:"name" doc:"Empty where the path can be read in ways that are different operations."`
		Effect   string `json:"effect" enum:"unknown,read,write,delete,admin,money"`
		Resource string `json:"resource,omitempty" doc:"What it is done to, as far as the path says it."`
	}
}

func (r room) find(ctx context.Context, c *signin.Caller, in *findIn) (*findOut, error) {
	_, x, err := r.table(ctx, c, in.Key)
	if err != nil {
		return nil, err
	}
	path, query, _ := strings.Cut(in.Path, "?")
	if x != nil {
		if op, ok := x.At(strings.ToLower(in.Host), in.Method, path, query); ok {
			out := &findOut{}
			out.Body.Name, out.Body.Effect, out.Body.Resource = op.Name, op.Effect.String(), op.Resource
			return out, nil
		}
	}
	return nil, problem.New(http.StatusNotFound, "OPERATION_NOT_FOUND", "The connector's table has no such operation.")
}
