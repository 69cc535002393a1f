package api

import (
	"cmp"
	"context"
	"slices"

	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver/connect"
)

// Metadata says what a connector needs to be connected.
type Metadata struct {
	Key     string           `json:"key"`
	Title   string           `json:"title"`
	Docs    string           `json:"docs,omitempty"`
	Options []MetadataOption `json:"options"`
}

type MetadataOption struct {
	Name  string `json:"name"`
	Title string `json:"title,omitempty"`
	Type  string `json:"type"`
	Flow  string `json:"flow" enum:"credentials,popup_oauth,device_code"`
	Help  string `json:"help,omitempty" doc:"Where a person gets the credentials."`
	// KeyPage is narrower than Help: the page with the button.
	KeyPage   string               `json:"key_page,omitempty" doc:"The page on which the key is made or the app registered."`
	Scopes    []string             `json:"scopes,omitempty"`
	ScopeList []providers.ScopeDef `json:"scope_list,omitempty" doc:"Scopes to choose from, with what each allows."`
	// Schema is JSON Schema 2020-12 of the credentials.
	Schema map[string]any `json:"schema" doc:"JSON Schema (2020-12) of the credentials to send. Secret fields are writeOnly; x-order is the order to ask in."`
}

type metadataOut struct{ Body Metadata }

type metadataListOut struct {
	Body struct {
		Items []Metadata `json:"items"`
	}
}

func metadataOf(c *providers.Connector) Metadata {
	b := Metadata{Key: c.Key, Title: cmp.Or(c.Title, c.Key), Docs: c.Docs, Options: []MetadataOption{}}
	for _, o := range c.Options {
		item := MetadataOption{Name: o.Name, Title: o.Title, Type: typeOf(o), Flow: connect.FlowOf(o), Help: o.Help, KeyPage: o.KeyPage, ScopeList: o.ScopeList, Schema: Schema(o)}
		if o.OAuth != nil {
			item.Scopes = o.OptionDef.OAuth.Scopes
		}
		b.Options = append(b.Options, item)
	}
	return b
}

// Schema is the JSON Schema (2020-12) of an option's fields. What it lets
// through, Option.Validate lets through, and the other way round.
func Schema(o *providers.Option) map[string]any {
	properties, required, order := map[string]any{}, []string{}, []string{}
	for _, f := range o.Fields {
		p := map[string]any{"type": "string", "title": cmp.Or(f.Title, f.Name)}
		for key, value := range map[string]string{"description": f.Description, "pattern": f.Pattern, "format": f.Format, "default": f.Default} {
			if value != "" {
				p[key] = value
			}
		}
		if len(f.Enum) > 0 {
			p["enum"] = f.Enum
		}
		if f.Secret {
			p["writeOnly"] = true
		}
		if !f.Optional && f.Default == "" {
			required = append(required, f.Name)
			p["minLength"] = 1
		}
		properties[f.Name] = p
		order = append(order, f.Name)
	}
	return map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
		"properties": properties, "required": required, "additionalProperties": false, "x-order": order,
	}
}

func (a *API) listMetadata(ctx context.Context, c *signin.Caller, _ *struct{}) (*metadataListOut, error) {
	_, cons, err := a.known(ctx, c)
	if err != nil {
		return nil, err
	}
	out := &metadataListOut{}
	out.Body.Items = []Metadata{}
	for _, con := range cons {
		if con != nil {
			out.Body.Items = append(out.Body.Items, metadataOf(con))
		}
	}
	slices.SortFunc(out.Body.Items, func(x, y Metadata) int { return cmp.Compare(x.Key, y.Key) })
	return out, nil
}

func (a *API) getMetadata(ctx context.Context, c *signin.Caller, in *PathKey) (*metadataOut, error) {
	con, err := a.turns.Connector(ctx, c.View, in.Key)
	if err != nil {
		return nil, err
	}
	return &metadataOut{metadataOf(con)}, nil
}
