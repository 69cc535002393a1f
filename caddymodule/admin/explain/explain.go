// Package explain says what would become of an agent's request, and which rule decides; of
// what it did, which rules cover it, and what other rules would have made of it.
package explain

import (
	"context"
	"net/http"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Explainer is who decides on requests.
type Explainer interface {
	// ExplainRequest explains a request of an agent, by the id that the vault has for it.
	// It returns vault.ErrNotFound for an agent that may not call at all.
	ExplainRequest(ctx context.Context, agentID string, q resolver.Question) (*resolver.Explanation, error)
}

// Config is what Mount needs.
type Config struct {
	// Explainer may be nil: then nobody knows here.
	Explainer Explainer
	// Sees refuses an agent that the caller does not see.
	Sees func(ctx context.Context, c *signin.Caller, agentID string) error
	// Connector finds a connector by its key, and Operations its table; both may be nil.
	Connector  func(key string) (*providers.Connector, bool)
	Operations resolver.Tables
}

// Mount registers the resource.
func Mount(s *rest.Server, c Config) {
	e := explainer{c}
	rest.Register(s, rest.Operation{ID: "explain-request", Method: http.MethodPost, Path: "/agents/{id}/explain", Role: vault.RoleViewer, Noun: "AGENT", Summary: "Say what would become of an agent's request",
		Detail: "What it does, by which account and grant, and which of the grant's rules decides. Nothing is sent, and no limit is used up."}, e.explain)
}

type explainer struct{ c Config }

type explainIn struct {
	rest.PathID
	Body struct {
		Method      string `json:"method" minLength:"1" maxLength:"64" example:"POST"`
		URL         string `json:"url" minLength:"1" maxLength:"8192" example:"https://api.linear.app/graphql"`
		ContentType string `json:"content_type,omitempty" maxLength:"256" doc:"Of the body; absent: application/json where there is one."`
		Body        string `json:"body,omitempty" doc:"As it would be sent, where what the request does stands in it."`
		Account     string `json:"account,omitempty" maxLength:"256" doc:"Which account the agent would choose; absent: none."`
	}
}

// Operation is what a request does.
type Operation struct {
	Name     string `json:"name,omitempty" doc:"Absent where it has none."`
	Effect   string `json:"effect" doc:"read, write, delete, admin, money or unknown."`
	Resource string `json:"resource,omitempty"`
}

// Explanation is what would become of a request.
type Explanation struct {
	Permitted  bool        `json:"permitted" doc:"Whether it would be sent."`
	Connector  string      `json:"connector,omitempty" doc:"Absent: a host of no connector."`
	Account    string      `json:"account,omitempty"`
	Operations []Operation `json:"operations,omitempty" doc:"All of what it does; absent where that is not known."`
	Unknown    string      `json:"unknown,omitempty" doc:"Why it is not known what it does."`
	Rule       string      `json:"rule,omitempty" doc:"The rule that decides; absent where the grant has none, or none matches."`
	RuleNumber int         `json:"rule_number,omitempty" doc:"Which it is, from 1."`
	Code       string      `json:"code,omitempty" doc:"Of the refusal that the agent would get."`
	Detail     string      `json:"detail,omitempty"`
	Next       string      `json:"next,omitempty"`
}

type explainOut struct{ Body Explanation }

func (e explainer) explain(ctx context.Context, c *signin.Caller, in *explainIn) (*explainOut, error) {
	if err := e.c.Sees(ctx, c, in.ID); err != nil {
		return nil, err
	}
	if e.c.Explainer == nil {
		return nil, problem.New(http.StatusNotImplemented, "NOT_AVAILABLE", "Nothing decides on requests here.")
	}
	q := resolver.Question{Method: in.Body.Method, URL: in.Body.URL, Header: http.Header{}, Body: []byte(in.Body.Body), Account: in.Body.Account}
	switch {
	case in.Body.ContentType != "":
		q.Header.Set("Content-Type", in.Body.ContentType)
	case len(q.Body) > 0:
		q.Header.Set("Content-Type", "application/json")
	}
	x, err := e.c.Explainer.ExplainRequest(ctx, in.ID, q)
	if err != nil {
		if _, known := resolver.AsRefusal(err); !known && err != vault.ErrNotFound {
			return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", problem.Sentence(err.Error())).At("body.url", err.Error())
		}
		return nil, err
	}
	return &explainOut{shown(x)}, nil
}

func shown(x *resolver.Explanation) Explanation {
	out := Explanation{Permitted: x.Refusal == nil, Unknown: x.Why}
	if x.Call.Connector != nil {
		out.Connector = x.Call.Connector.Key
	}
	if x.Call.Account != nil {
		out.Account = x.Call.Account.Name
	}
	for _, d := range x.Does {
		out.Operations = append(out.Operations, Operation{d.Name, d.Effect.String(), d.Resource})
	}
	if x.Ruled {
		out.Rule, out.RuleNumber = x.Decision.Rule, x.Decision.Number
	}
	if ref := x.Refusal; ref != nil {
		out.Code, out.Detail, out.Next = ref.Code, ref.Detail, ref.Next
	}
	return out
}
