// Package budgets says how budgets stand.
package budgets

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Source knows what is used.
type Source interface {
	// Plans are those of the configuration file.
	Plans() []*budget.Plan
	States(ctx context.Context, p *budget.Plan) ([]budget.State, error)
}

// Mount registers the resource; nil knows nothing.
func Mount(s *rest.Server, from Source) {
	b := budgets{from}
	rest.Register(s, rest.Operation{ID: "list-budgets", Method: http.MethodGet, Path: "/budgets", Role: vault.RoleViewer, Noun: "USAGE", Summary: "List how budgets stand",
		Detail: "What agents, accounts and grants have used of their budgets in the window that it is now, those of the configuration file first. Owners without budgets are left out; prices are no budgets."}, b.list)
}

type budgets struct{ from Source }

// Budget is how one stands.
type Budget struct {
	OwnerKind string    `json:"owner_kind" enum:"agent,account,grant"`
	OwnerID   string    `json:"owner_id"`
	Owner     string    `json:"owner" doc:"How people call it."`
	Budget    string    `json:"budget" example:"1000 requests per day"`
	Used      int64     `json:"used" doc:"Requests, bytes, operations, tokens, or millionths of the currency."`
	Most      int64     `json:"most" doc:"Of the same."`
	Currency  string    `json:"currency,omitempty"`
	Shown     string    `json:"shown" doc:"What was used, for people." example:"12.50 USD"`
	ResetsAt  time.Time `json:"resets_at" doc:"When it begins anew, UTC."`
}

type listIn struct {
	AgentID   string `query:"agent_id" doc:"Only the agent's own, and its grants'."`
	AccountID string `query:"account_id" doc:"Only the account's own, and those of grants of it."`
}

func (b budgets) list(ctx context.Context, c *signin.Caller, in *listIn) (*rest.ListOut[Budget], error) {
	out := &rest.ListOut[Budget]{}
	out.Body.Items = []Budget{}
	if b.from == nil {
		return out, nil
	}
	plans := b.ofFile(c, in)
	more, err := ofVault(ctx, c, in)
	if err != nil {
		return nil, err
	}
	for _, p := range append(plans, more...) {
		states, err := b.from.States(ctx, p)
		if err != nil {
			return nil, err
		}
		of := p.Owner()
		for _, s := range states {
			out.Body.Items = append(out.Body.Items, Budget{of.Kind, of.ID, of.Name, s.Line, s.Used, s.Most, s.Currency, s.Amount(s.Used), s.Until})
		}
	}
	return out, nil
}

// ofFile are the plans of the configuration file, for those who see it.
func (b budgets) ofFile(c *signin.Caller, in *listIn) []*budget.Plan {
	if c.Organisation() != vault.All && c.Organisation() != vault.DefaultOrganisation {
		return nil
	}
	plans := slices.DeleteFunc(b.from.Plans(), func(p *budget.Plan) bool {
		of := p.Owner()
		switch {
		case in.AgentID != "" && of.ID != in.AgentID && !strings.HasPrefix(of.ID, in.AgentID+"/"):
			return true
		case in.AccountID != "" && (of.Kind != "account" || of.ID != in.AccountID):
			return true
		}
		return false
	})
	slices.SortFunc(plans, func(x, y *budget.Plan) int {
		return cmp.Or(cmp.Compare(x.Owner().Kind, y.Owner().Kind), cmp.Compare(x.Owner().ID, y.Owner().ID))
	})
	return plans
}

// most is how many owners of a kind are looked at.
const most = 10_000

// ofVault are the plans of the vault's agents, accounts and grants.
func ofVault(ctx context.Context, c *signin.Caller, in *listIn) (out []*budget.Plan, err error) {
	add := func(kind, id, name string, lines []string) {
		if p := budget.Of(budget.Owner{Kind: kind, ID: id, Name: name}, lines); p.Has() {
			out = append(out, p)
		}
	}
	if in.AccountID == "" {
		err = each(in.AgentID, func(p vault.Page) (vault.List[vault.Agent], error) { return c.Agents(ctx, vault.AgentFilter{}, p) },
			func(id string) (vault.Agent, error) { return c.Agent(ctx, id) },
			func(a vault.Agent) { add("agent", a.ID, a.Name, a.Budgets) })
		if err != nil {
			return nil, err
		}
	}
	if in.AgentID == "" {
		err = each(in.AccountID, func(p vault.Page) (vault.List[vault.Account], error) {
			return c.Accounts(ctx, vault.AccountFilter{}, p)
		},
			func(id string) (vault.Account, error) { return c.Account(ctx, id) },
			func(a vault.Account) { add("account", a.ID, a.Connector+":"+a.Name, a.Settings.Budgets) })
		if err != nil {
			return nil, err
		}
	}
	err = each("", func(p vault.Page) (vault.List[vault.Grant], error) {
		return c.Grants(ctx, vault.GrantFilter{AgentID: in.AgentID, AccountID: in.AccountID}, p)
	}, nil, func(g vault.Grant) { add("grant", g.ID, g.ID+" ("+g.Connector+")", g.Budgets) })
	return out, err
}

// each is one of a kind, or all of them, part by part. One that is not in the vault is none.
func each[T any](id string, list func(vault.Page) (vault.List[T], error), one func(string) (T, error), f func(T)) error {
	if id != "" {
		if strings.HasPrefix(id, vault.FileAgent) {
			return nil
		}
		x, err := one(id)
		if err == nil {
			f(x)
		}
		return err
	}
	for p, seen := (vault.Page{Limit: 500}), 0; seen < most; {
		l, err := list(p)
		if err != nil {
			return err
		}
		for _, x := range l.Items {
			f(x)
		}
		if seen += len(l.Items); l.Next == "" {
			return nil
		}
		p.After = l.Next
	}
	return nil
}
