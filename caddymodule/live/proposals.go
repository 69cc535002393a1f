package live

import (
	"context"
	"errors"
	"net/http"

	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/operation"
	"github.com/attache-proxy/attache/resolver/rule"
)

// Proposal is the body of POST /.well-known/attache/proposals.
type Proposal struct {
	// Rule is one as a refusal has it: for one operation, on one resource.
	Rule string `json:"rule"`
	// Connector and Account say in which grant; no account is the only one, or the default.
	Connector string `json:"connector"`
	Account   string `json:"account"`
	// Reason is for people, at most approval.MaxSaid bytes.
	Reason string `json:"reason"`
}

// Propose files a rule that an agent wants in a grant. What is open already is not filed
// again. Its error is a *resolver.Refusal.
func (a Approvals) Propose(ctx context.Context, r *resolver.Resolver, agent *resolver.Agent, in Proposal) (approval.Approval, error) {
	refuse := func(code, detail, next string) (approval.Approval, error) {
		return approval.Approval{}, &resolver.Refusal{Code: code, Detail: "agent " + agent.Name + ": " + detail, Next: next}
	}
	p, ok := rule.Proposed(in.Rule)
	if !ok {
		return refuse("bad_request", "the rule is for more than one operation on one resource", "Propose the rule that the refusal has in proposal, as it is.")
	}
	if len(in.Reason) > approval.MaxSaid {
		return refuse("bad_request", "the reason is longer than 500 bytes", "Say it shorter.")
	}
	g, err := r.GrantOf(ctx, agent, in.Connector, in.Account)
	if err != nil {
		return approval.Approval{}, err
	}
	table := r.Operations(g.Account.Connector)
	does := operation.Named(table, p.Name)
	if does.Resource = p.Resource; p.Name == "" {
		does.Effect = byMethod(p.Method)
	}
	said := decided(g.Operations, p, does)
	switch {
	case g.Operations == nil || said.Rule == rule.OnlyReads:
		return refuse("not_permitted", "no rule is in the way, but that the grant is for reading", "Do not repeat this. Ask the operator for a grant that writes.")
	case said.Allowed:
		return refuse("bad_request", "the grant's rules allow it already", "Send the request.")
	case said.Ask != nil:
		return refuse("bad_request", "the grant's rules ask a person about it", "Send the request: it waits for the person.")
	case g.ID == "":
		return refuse("not_permitted", "the grant stands in the configuration file, which no answer changes", "Do not repeat this. Ask the operator for the rule: "+p.Line())
	}
	effect := does.Effect.String()
	filed, _, err := a.FileApproval(ctx, approval.Propose(approval.Request{
		Organisation: r.Organisation(agent), Connector: g.Account.Connector.Key, AgentID: agent.ID, Agent: agent.Name, AccountID: g.Account.ID, Account: g.Account.Name, GrantID: g.ID,
		Operation: p.Name, Effect: effect, Resource: p.Resource, Method: p.Method, URL: p.Path, Rule: said.Rule, Allow: p.Line(),
	}, in.Reason))
	switch {
	case errors.Is(err, approval.ErrTooMany):
		return refuse("approval_limit", "too much is asked of people", "Stop here and tell the person. Propose nothing more until they have decided on what is open.")
	case err != nil:
		return approval.Approval{}, &resolver.Refusal{Code: "vault_unavailable", Err: err, Detail: "the proposal cannot be filed at the moment", Next: "Try again in a few seconds."}
	}
	return filed, nil
}

// byMethod is what a method says.
func byMethod(method string) operations.Effect {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return operations.Read
	case http.MethodDelete:
		return operations.Delete
	}
	return operations.Write
}

// decided is what the rules say to what is proposed.
func decided(rules *rule.Set, p rule.Proposal, does operations.Operation) rule.Decision {
	r := &rule.Request{Methods: []string{http.MethodPost}, Path: "/", Does: []rule.Does{{Operation: does}}, Assume: rule.AtWorst}
	if p.Name == "" {
		r.Methods, r.Path = []string{p.Method}, p.Path
		r.Does[0].Unsure = true
	}
	return rules.Decide(r)
}
