package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/api/find"
	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountConnectors(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "list-connectors", Method: http.MethodGet, Path: "/connectors", Role: vault.RoleViewer, Noun: "CONNECTOR", Summary: "List connectors",
		Detail: "Built-in ones, those of the operator's directory and file, and custom ones."}, a.listConnectors)
	rest.Register(a.rest, rest.Operation{ID: "list-connector-metadata", Method: http.MethodGet, Path: "/connectors/metadata", Role: vault.RoleViewer, Noun: "CONNECTOR", Summary: "What each connector needs"}, a.listMetadata)
	rest.Register(a.rest, rest.Operation{ID: "get-connector", Method: http.MethodGet, Path: "/connectors/{key}", Role: vault.RoleViewer, Noun: "CONNECTOR", Summary: "Read a connector"}, a.getConnector)
	rest.Register(a.rest, rest.Operation{ID: "get-connector-metadata", Method: http.MethodGet, Path: "/connectors/{key}/metadata", Role: vault.RoleViewer, Noun: "CONNECTOR", Summary: "What a connector needs",
		Detail: "For each way to connect: its flow, and the fields to ask for as JSON Schema."}, a.getMetadata)
}

// Connector is a connector as the API shows it.
type Connector struct {
	Key          string            `json:"key" example:"zendesk"`
	Title        string            `json:"title"`
	Aliases      []string          `json:"aliases,omitempty" doc:"Other names by which people look for it."`
	Description  string            `json:"description,omitempty" doc:"What it is, in a sentence."`
	Category     string            `json:"category,omitempty"`
	Checked      string            `json:"checked,omitempty" doc:"The day on which it was last compared with the vendor's documents."`
	Ends         []Ending          `json:"ends,omitempty" doc:"What the vendor takes away, and when."`
	Environments []Environment     `json:"environments,omitempty" doc:"Where the service is run; an account chooses one by the field environment, whose default is the first."`
	Type         string            `json:"type" doc:"Of its first way to connect: OAUTH2, OAUTH1, API_KEY, BASIC_AUTH, AWS_IAM, GCS_SERVICE_ACCOUNT, MCP, DELEGATE or CUSTOM."`
	State        string            `json:"state" enum:"active,inactive,pending,error" doc:"pending: each of its ways to connect waits for an OAuth client (POST /apps)."`
	Active       bool              `json:"active"`
	Custom       bool              `json:"custom" doc:"Made through the API, and edited there."`
	Organisation string            `json:"organisation,omitempty" doc:"Whose a custom connector is; * is everybody's."`
	Docs         string            `json:"docs,omitempty"`
	Hosts        []string          `json:"hosts" doc:"Where its credentials may go, and nowhere else."`
	Sharing      []string          `json:"shares_hosts_with,omitempty" doc:"Of a custom connector: others in use that claim one of its hosts. An agent with grants for several has to choose, by Attache-Account: connector:account; not in lists."`
	BaseURL      string            `json:"base_url,omitempty"`
	Options      []ConnectorOption `json:"options" doc:"The ways to connect; the first is the default."`
	Definition   string            `json:"definition,omitempty" doc:"The YAML of a custom connector."`
	Form         map[string]any    `json:"form,omitempty" doc:"What a custom connector was made of, without secrets."`
	AccountID    string            `json:"account_id,omitempty" doc:"The account that was made with it."`
	Agents       []string          `json:"agents,omitempty" doc:"Who may use that account; not in lists."`
	LastError    string            `json:"last_error,omitempty"`
	CreatedAt    *time.Time        `json:"created_at,omitempty"`
	UpdatedAt    *time.Time        `json:"updated_at,omitempty"`
	Version      int64             `json:"version,omitempty"`
	Matched      string            `json:"matched,omitempty" doc:"By which of its names or hosts a search found it."`
}

// Ending is something that a service takes away.
type Ending struct {
	Date    string `json:"date" format:"date"`
	What    string `json:"what" doc:"What ends: an option, a version, a URL, or the whole API."`
	Option  string `json:"option,omitempty" doc:"The option, where it is one."`
	Instead string `json:"instead,omitempty"`
	Source  string `json:"source" doc:"Where the vendor says so."`
}

// Environment is one of the places where a service is run.
type Environment struct {
	Name  string `json:"name"`
	Title string `json:"title,omitempty"`
}

type ConnectorOption struct {
	Name  string `json:"name"`
	Title string `json:"title,omitempty"`
	Type  string `json:"type" doc:"OAUTH2, API_KEY, BASIC_AUTH, …"`
	Flow  string `json:"flow" enum:"credentials,popup_oauth,device_code" doc:"How a person connects."`
}

type connectorOut struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     Connector
}

// typeOf is an option's type in the words that operators know.
func typeOf(o *providers.Option) string {
	switch o.Type {
	case providers.TypeOAuth2:
		switch o.OAuth.GrantType() {
		case "aws_iam":
			return "AWS_IAM"
		case "gcs_service_account":
			return "GCS_SERVICE_ACCOUNT"
		}
		return "OAUTH2"
	case providers.TypeOAuth1:
		return "OAUTH1"
	case providers.TypeMCP:
		return "MCP"
	case providers.TypeDelegate:
		return "DELEGATE"
	}
	if o.Sign != nil && o.Sign.Basic != nil {
		return "BASIC_AUTH"
	}
	secrets := 0
	for _, f := range o.Fields {
		if f.Secret {
			secrets++
		}
	}
	if secrets == 1 {
		return "API_KEY"
	}
	return "CUSTOM"
}

func connectorOf(c *providers.Connector) Connector {
	b := Connector{Key: c.Key, Title: cmp.Or(c.Title, c.Key), Category: c.Category, Type: "CUSTOM", State: "active", Active: true, Docs: c.Docs, Hosts: []string{}, Options: []ConnectorOption{},
		Aliases: c.Aliases, Description: c.Description, Checked: c.Checked.String()}
	for _, e := range c.Ends {
		b.Ends = append(b.Ends, Ending{e.Date.String(), e.What(), e.Option, e.Instead, e.Source})
	}
	for _, e := range c.Environments {
		b.Environments = append(b.Environments, Environment{e.Name, e.Title})
	}
	for _, h := range c.Hosts {
		b.Hosts = append(b.Hosts, hostText(h))
	}
	if c.BaseURL != nil {
		b.BaseURL = c.BaseURL.String()
	}
	for i, o := range c.Options {
		if i == 0 {
			b.Type = typeOf(o)
		}
		b.Options = append(b.Options, ConnectorOption{o.Name, o.Title, typeOf(o), connect.FlowOf(o)})
	}
	return b
}

func hostText(h *providers.Host) string {
	s := h.Pattern
	if h.Port != "" {
		s += ":" + h.Port
	}
	return s + strings.TrimSuffix(h.Path, "/")
}

// customOf shows a custom connector; con is nil where its definition does not
// compile any more.
func customOf(v vault.Connector, con *providers.Connector) Connector {
	b := Connector{Key: v.Key, Title: v.Title, Type: v.Type, Hosts: []string{}, Options: []ConnectorOption{}}
	if con != nil {
		b = connectorOf(con)
		b.Type = cmp.Or(v.Type, b.Type)
	}
	b.Title, b.State, b.Active, b.Custom, b.Organisation = v.Title, v.State, v.State == "active", true, v.Organisation
	b.Definition, b.Form, b.LastError = v.Definition, v.Form, v.LastError
	b.CreatedAt, b.UpdatedAt, b.Version = rest.OptionalTime(v.CreatedAt), rest.OptionalTime(v.UpdatedAt), v.Version
	return b
}

// known is every connector that the caller may see, by key.
func (a *API) known(ctx context.Context, c *signin.Caller) ([]Connector, []*providers.Connector, error) {
	own, err := c.Connectors(ctx)
	if err != nil {
		return nil, nil, err
	}
	var bodies []Connector
	var cons []*providers.Connector
	for _, con := range a.c.Catalogue.Connectors() {
		bodies, cons = append(bodies, connectorOf(con)), append(cons, con)
	}
	for _, v := range own {
		con, err := a.turns.Compiled(v)
		b := customOf(v, con)
		if err != nil {
			b.State, b.LastError = "error", err.Error()
		}
		bodies, cons = append(bodies, b), append(cons, con)
	}
	has, err := clients(ctx, c, "")
	for i := range bodies {
		bodies[i].await(cons[i], has)
	}
	return bodies, cons, err
}

type listConnectorsIn struct {
	After    string `query:"after" doc:"The next of the part before; empty for the first."`
	Limit    int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Category string `query:"category"`
	Type     string `query:"type" doc:"OAUTH2, API_KEY, …"`
	State    string `query:"state" enum:"active,inactive,pending,error"`
	Custom   string `query:"custom" enum:"true,false"`
	AgentID  string `query:"agent_id" maxLength:"128" doc:"Only those of which this agent may use an account."`
	Q        string `query:"q" maxLength:"256" doc:"A name, or nearly one, another name, a host or a URL. The best come first, and there is one part."`
}

func (in *listConnectorsIn) wants(b *Connector) bool {
	return (in.Category == "" || in.Category == b.Category) && (in.Type == "" || in.Type == b.Type) && (in.State == "" || in.State == b.State) &&
		(in.Custom == "" || (in.Custom == "true") == b.Custom)
}

func (a *API) listConnectors(ctx context.Context, c *signin.Caller, in *listConnectorsIn) (*rest.ListOut[Connector], error) {
	all, _, err := a.known(ctx, c)
	if err != nil {
		return nil, err
	}
	granted, err := a.grantedTo(ctx, c, in.AgentID)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(b Connector) bool { return !in.wants(&b) || granted != nil && !granted[b.Key] })
	if strings.TrimSpace(in.Q) != "" {
		return found(all, in.Q, in.Limit), nil
	}
	slices.SortFunc(all, func(x, y Connector) int { return cmp.Compare(x.Key, y.Key) })
	at, err := afterKey(all, in.After)
	if err != nil {
		return nil, err
	}
	out := &rest.ListOut[Connector]{Body: rest.ListBody[Connector]{Items: []Connector{}}}
	end := min(len(all), at+in.Limit)
	out.Body.Items = append(out.Body.Items, all[at:end]...)
	if end < len(all) {
		out.Body.Next = "k:" + all[end-1].Key
	}
	return out, nil
}

// found are the connectors that somebody may have meant, the likeliest first.
func found(all []Connector, q string, limit int) *rest.ListOut[Connector] {
	ranks := map[string]int{}
	fits := all[:0]
	for _, b := range all {
		n, by := find.Entry{Key: b.Key, Title: b.Title, Aliases: b.Aliases, Hosts: b.Hosts, Category: b.Category}.Rank(q)
		if n > 0 {
			ranks[b.Key], b.Matched = n, by
			fits = append(fits, b)
		}
	}
	slices.SortFunc(fits, func(x, y Connector) int {
		return cmp.Or(cmp.Compare(ranks[y.Key], ranks[x.Key]), cmp.Compare(len(x.Key), len(y.Key)), cmp.Compare(x.Key, y.Key))
	})
	return &rest.ListOut[Connector]{Body: rest.ListBody[Connector]{Items: append([]Connector{}, fits[:min(len(fits), limit)]...)}}
}

// afterKey is where a list of connectors goes on. Its cursor names the last key.
func afterKey(all []Connector, cursor string) (int, error) {
	if cursor == "" {
		return 0, nil
	}
	key, ok := strings.CutPrefix(cursor, "k:")
	if !ok {
		return 0, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "after is not a cursor of this list.").At("query.after", "is not a cursor of this list")
	}
	at, found := slices.BinarySearchFunc(all, key, func(b Connector, k string) int { return cmp.Compare(b.Key, k) })
	if found {
		at++
	}
	return at, nil
}

type PathKey struct {
	Key string `path:"key" maxLength:"63"`
}

func (a *API) getConnector(ctx context.Context, c *signin.Caller, in *PathKey) (*connectorOut, error) {
	if con, ok := a.c.Catalogue.Connector(in.Key); ok {
		has, err := clients(ctx, c, in.Key)
		out := &connectorOut{Body: connectorOf(con)}
		out.Body.await(con, has)
		return out, err
	}
	v, err := c.Connector(ctx, in.Key)
	if err != nil {
		return nil, err
	}
	return a.shownConnector(ctx, c, v)
}

// shownConnector is the answer with one custom connector, and who may use the
// account that was made with it.
func (a *API) shownConnector(ctx context.Context, c *signin.Caller, v vault.Connector) (*connectorOut, error) {
	con, err := a.turns.Compiled(v)
	out := &connectorOut{ETag: rest.Etag(v.Version), Body: customOf(v, con)}
	if con != nil {
		out.Body.Sharing = a.c.Catalogue.Sharing(c.Organisation(), con)
	}
	if err != nil {
		out.Body.State, out.Body.LastError = "error", err.Error()
	}
	has, err := clients(ctx, c, v.Key)
	if err != nil {
		return nil, err
	}
	out.Body.await(con, has)
	id := text(v.Form, formAccount)
	if id == "" {
		return out, nil
	}
	out.Body.AccountID, out.Body.Agents = id, []string{}
	l, err := c.Grants(ctx, vault.GrantFilter{AccountID: id}, vault.Page{Limit: 500})
	for _, g := range l.Items {
		out.Body.Agents = append(out.Body.Agents, g.AgentID)
	}
	return out, err
}
