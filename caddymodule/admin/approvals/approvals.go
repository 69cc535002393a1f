// Package approvals is the questions that requests put to people, as the REST API shows
// them, and where people answer.
package approvals

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/reach"
	"github.com/attache-proxy/attache/resolver/rule"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Mount registers the resource.
func Mount(s *rest.Server) {
	rest.Register(s, rest.Operation{ID: "list-approvals", Method: http.MethodGet, Path: "/approvals", Role: vault.RoleViewer, Noun: "APPROVAL", Summary: "List approvals, the newest first",
		Detail: "What requests asked people about, and what they answered. What is in a request is in the approval itself."}, list)
	rest.Register(s, rest.Operation{ID: "get-approval", Method: http.MethodGet, Path: "/approvals/{id}", Role: vault.RoleViewer, Noun: "APPROVAL", Summary: "Read an approval",
		Detail: "What is in the request, its preview, is for operators."}, get)
	rest.Register(s, rest.Operation{ID: "approve", Method: http.MethodPost, Path: "/approvals/{id}/approve", Role: vault.RoleOperator, Noun: "APPROVAL", Summary: "Say yes to a request",
		Detail: "One answer wins: who answers after somebody else gets APPROVAL_DECIDED. A request that waits goes on at once; one that does not goes through when it is sent again."}, approve)
	rest.Register(s, rest.Operation{ID: "deny", Method: http.MethodPost, Path: "/approvals/{id}/deny", Role: vault.RoleOperator, Noun: "APPROVAL", Summary: "Say no to a request"}, deny)
	rest.Register(s, rest.Operation{ID: "take-back-approval", Method: http.MethodPost, Path: "/approvals/{id}/take-back", Role: vault.RoleOperator, Noun: "APPROVAL", Summary: "Take back a yes that still stands"}, takeBack)
}

// Approval is a question to a person, and the answer.
type Approval struct {
	ID           string           `json:"id"`
	Kind         string           `json:"kind" enum:"request,proposal" doc:"What people are asked about: a request, or a rule that an agent proposes."`
	Organisation string           `json:"organisation"`
	State        approval.State   `json:"state" enum:"pending,approved,denied,expired,withdrawn,used"`
	AgentID      string           `json:"agent_id"`
	Agent        string           `json:"agent"`
	Connector    string           `json:"connector"`
	AccountID    string           `json:"account_id"`
	Account      string           `json:"account"`
	GrantID      string           `json:"grant_id,omitempty" doc:"Absent for grants of the configuration file."`
	Operation    string           `json:"operation,omitempty" doc:"Absent where it has no name."`
	Effect       string           `json:"effect" doc:"read, write, delete, admin, money or unknown."`
	Resource     string           `json:"resource,omitempty"`
	Method       string           `json:"method" doc:"Of a proposal it may be empty."`
	URL          string           `json:"url" doc:"Without its query. Of a proposal it may be empty."`
	Rule         string           `json:"rule" doc:"The rule that asks, or is in a proposal's way; empty where none is."`
	Allows       string           `json:"allows,omitempty" doc:"The rule that scope rule would put before it: of a proposal the one that is proposed."`
	Scopes       []approval.Scope `json:"scopes" doc:"What a yes can be given for: once, minutes, resource, rule."`
	WhileHeld    bool             `json:"while_held,omitempty" doc:"It can be approved only while the request waits: its body is too long to be known again."`
	RequestedAt  time.Time        `json:"requested_at"`
	ExpiresAt    time.Time        `json:"expires_at" doc:"Of the question, or of what the answer is good for."`
	Scope        approval.Scope   `json:"scope,omitempty" doc:"Of a yes."`
	DecidedBy    string           `json:"decided_by,omitempty"`
	DecidedAt    *time.Time       `json:"decided_at,omitempty"`
	Reason       string           `json:"reason,omitempty"`
	UsedAt       *time.Time       `json:"used_at,omitempty"`
	Preview      *Preview         `json:"preview,omitempty" doc:"What is in the request; in lists and for viewers absent."`
}

// Preview is what is in a request.
type Preview struct {
	Query   []approval.Pair `json:"query,omitempty" doc:"Parameters, in their order; values of what looks like a credential are hidden."`
	Headers []approval.Pair `json:"headers,omitempty" doc:"All that are a part of what is approved, and who sends it; values of what looks like a credential are hidden."`
	Body    string          `json:"body,omitempty" doc:"Decoded; absent where it is no text."`
	Bytes   int64           `json:"bytes" doc:"How long the body is as it is sent; -1 where it was not read to its end."`
	Note    string          `json:"note,omitempty" doc:"What cannot be seen of it."`
	Said    string          `json:"said,omitempty" doc:"Why the agent proposes it, in its words. Nobody has checked them."`
}

func shown(a vault.Approval) Approval {
	kind := "request"
	if a.Kind != approval.Requested {
		kind = string(a.Kind)
	}
	return Approval{ID: a.ID, Kind: kind, Organisation: a.Organisation, State: a.Stands(time.Now()), AgentID: a.AgentID, Agent: a.Agent, Connector: a.Connector, AccountID: a.AccountID, Account: a.Account, GrantID: a.GrantID,
		Operation: a.Operation, Effect: a.Effect, Resource: a.Resource, Method: a.Method, URL: a.URL, Rule: a.Rule, Allows: a.Allow, Scopes: a.Scopes(), WhileHeld: a.Flight,
		RequestedAt: a.RequestedAt, ExpiresAt: a.ExpiresAt, Scope: a.Scope, DecidedBy: a.By, DecidedAt: rest.OptionalTime(a.DecidedAt), Reason: a.Reason, UsedAt: rest.OptionalTime(a.UsedAt)}
}

type listIn struct {
	rest.PageQuery
	Kind         string `query:"kind" enum:"request,proposal"`
	State        string `query:"state" enum:"pending,approved,denied,expired,withdrawn,used"`
	AgentID      string `query:"agent_id"`
	AccountID    string `query:"account_id"`
	Connector    string `query:"connector"`
	Organisation string `query:"organisation"`
}

func list(ctx context.Context, c *signin.Caller, in *listIn) (*rest.ListOut[Approval], error) {
	l, err := c.Approvals(ctx, vault.ApprovalFilter{Kind: in.Kind, State: approval.State(in.State), AgentID: in.AgentID, AccountID: in.AccountID, Connector: in.Connector, Organisation: in.Organisation}, in.Page())
	return rest.Listed(l, err, shown)
}

type out struct{ Body Approval }

func get(ctx context.Context, c *signin.Caller, in *rest.PathID) (*out, error) {
	a, err := c.Approval(ctx, in.ID)
	o := &out{shown(a)}
	if c.Role.Includes(vault.RoleOperator) {
		p := a.Preview
		o.Body.Preview = &Preview{p.Query, p.Headers, p.Body, p.Bytes, p.Note, p.Said}
	}
	return o, err
}

type approveIn struct {
	rest.PathID
	Body struct {
		Scope string `json:"scope,omitempty" enum:"once,minutes,resource,rule" default:"once" doc:"once: this very request, one time. minutes: the same operation on the same resource for 15 minutes. resource: what the same rule asks about with the same effect on the same resource, for 8 hours. rule: a rule in the grant that allows it from now on; the only one for proposals."`
		Rule  string `json:"rule,omitempty" maxLength:"1000" doc:"Of a proposal: the rule that the grant gets in the place of the proposed one. It must not permit more." example:"ask issues/create on acme/site"`
	}
}

func approve(ctx context.Context, c *signin.Caller, in *approveIn) (*out, error) {
	scope := approval.Scope(in.Body.Scope)
	if scope == "" {
		scope = approval.Once
	}
	if in.Body.Rule != "" {
		if err := narrowed(ctx, c, in.ID, in.Body.Rule); err != nil {
			return nil, err
		}
	}
	return answered(ctx, c, in.ID, vault.Decision{Yes: true, Scope: scope, Rule: in.Body.Rule})
}

// narrowed refuses a rule in the place of a proposed one that permits more than that.
func narrowed(ctx context.Context, c *signin.Caller, id, line string) error {
	bad := func(why string) error {
		return problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", problem.Sentence(why)).At("body.rule", why)
	}
	a, err := c.Approval(ctx, id)
	if err != nil {
		return err
	}
	if a.Kind != approval.Proposed {
		return bad("only a proposal takes another rule")
	}
	was, err := rule.New([]string{a.Allow}, nil)
	if err != nil {
		return err
	}
	is, err := rule.New([]string{line}, nil)
	if err != nil {
		return bad(err.Error())
	}
	for _, change := range reach.Diff(was, is, nil) {
		if change.Adds() {
			return bad("it permits more than what is proposed: " + change.Does)
		}
	}
	return nil
}

type denyIn struct {
	rest.PathID
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"500" doc:"The agent is told."`
	}
}

func deny(ctx context.Context, c *signin.Caller, in *denyIn) (*out, error) {
	return answered(ctx, c, in.ID, vault.Decision{Reason: in.Body.Reason})
}

func takeBack(ctx context.Context, c *signin.Caller, in *denyIn) (*out, error) {
	return answered(ctx, c, in.ID, vault.Decision{Back: true, Reason: in.Body.Reason})
}

func answered(ctx context.Context, c *signin.Caller, id string, x vault.Decision) (*out, error) {
	a, err := c.Answer(ctx, id, x)
	switch {
	case errors.Is(err, vault.ErrDecided):
		says := "It is " + string(a.Stands(time.Now()))
		if a.By != "" {
			says += ", by " + a.By
		}
		if x.Back {
			says += ": there is no yes that stands"
		}
		return nil, problem.New(http.StatusConflict, "APPROVAL_DECIDED", says+".")
	case errors.Is(err, vault.ErrScope):
		return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "This cannot be approved for that; see its scopes.").At("body.scope", "is not among the approval's scopes")
	case errors.Is(err, vault.ErrConflict):
		return nil, problem.New(http.StatusConflict, "VERSION_CONFLICT", "The grant's rules were edited meanwhile, and the one that asked is not among them. Approve it once, or edit the grant.")
	}
	return &out{shown(a)}, err
}
