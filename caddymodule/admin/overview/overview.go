// Package overview is what the dashboard's pages of numbers read: sums of what was
// called, and what needs a person.
package overview

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/caddymodule/admin/audit"
	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Config is what Mount needs. Catalogue must be set.
type Config struct {
	Catalogue connect.Catalogue
	// Declared is what the configuration file says; nil means nothing.
	Declared api.Declared
}

// Mount registers the resources.
func Mount(s *rest.Server, c Config) {
	o := overview{c}
	rest.Register(s, rest.Operation{ID: "get-overview", Method: http.MethodGet, Path: "/overview", Role: vault.RoleViewer, Noun: "OVERVIEW", Summary: "How it goes",
		Detail: "The last 24 hours in numbers, and what needs a person. Agents and accounts of the configuration file are counted too."}, o.overview)
	rest.Register(s, rest.Operation{ID: "get-account-health", Method: http.MethodGet, Path: "/accounts/{id}/health", Role: vault.RoleViewer, Noun: "ACCOUNT", Summary: "How an account fared lately"}, o.accountHealth)
	rest.Register(s, rest.Operation{ID: "get-account-usage", Method: http.MethodGet, Path: "/accounts/{id}/usage", Role: vault.RoleViewer, Noun: "ACCOUNT", Summary: "What an account was used for, by day"}, o.accountUsage)
	rest.Register(s, rest.Operation{ID: "get-usage", Method: http.MethodGet, Path: "/usage", Role: vault.RoleViewer, Noun: "USAGE", Summary: "What accounts, agents or connectors were used for, by day"}, o.usage)
	rest.Register(s, rest.Operation{ID: "list-organisations", Method: http.MethodGet, Path: "/organisations", Role: vault.RoleViewer, Noun: "ORGANISATION", Summary: "List organisations",
		Detail: "Those that have accounts, agents or calls. A token of one organisation sees its own."}, o.organisations)
}

type overview struct{ c Config }

// Slot is an hour or a day.
type Slot struct {
	At     time.Time `json:"at" doc:"When it begins, UTC."`
	Calls  int64     `json:"calls"`
	Errors int64     `json:"errors"`
}

// Top is something that was used much.
type Top struct {
	ID     string `json:"id"`
	Title  string `json:"title,omitempty"`
	Calls  int64  `json:"calls"`
	Errors int64  `json:"errors"`
}

type overviewOut struct {
	Body struct {
		Accounts        map[string]int64 `json:"accounts" doc:"By state."`
		Agents          int64            `json:"agents"`
		Grants          int64            `json:"grants"`
		Approvals       int              `json:"approvals" doc:"Requests and proposals that wait until somebody says yes or no."`
		ChangedTools    int              `json:"changed_tools" doc:"Tools of MCP servers that are stopped until somebody has looked."`
		Called          bool             `json:"called" doc:"Whether a credential was ever placed on a call."`
		Calls           int64            `json:"calls" doc:"Of the last 24 hours, as what follows."`
		Errors          int64            `json:"errors"`
		Refusals        int64            `json:"refusals"`
		Refreshes       int64            `json:"refreshes" doc:"That succeeded."`
		RefreshFailures int64            `json:"refresh_failures"`
		P50             float64          `json:"p50_ms,omitempty" doc:"Half of the calls took no longer, rounded up to a scale whose steps are 1.41 apart."`
		P95             float64          `json:"p95_ms,omitempty"`
		Hours           []Slot           `json:"hours" doc:"24 of them, the oldest first."`
		Days            []Slot           `json:"days" doc:"14 of them."`
		Connectors      []Top            `json:"connectors" doc:"Used most, today and yesterday."`
		AgentsByCalls   []Top            `json:"agents_by_calls"`
		Needs           []api.Account    `json:"needs" doc:"Accounts that expired or failed, the latest first."`
		Ending          []api.Account    `json:"ending" doc:"Active accounts whose sign-in ends within a week and that cannot renew it."`
		Refused         []audit.Event    `json:"refused" doc:"The last refusals."`
	}
}

const (
	hours  = 24
	days   = 14
	listed = 8 // items of each list
)

func (o overview) overview(ctx context.Context, c *signin.Caller, _ *struct{}) (*overviewOut, error) {
	out := &overviewOut{}
	b := &out.Body
	counts, err := c.Counts(ctx)
	if err != nil {
		return nil, err
	}
	b.Accounts, b.Agents, b.Grants, b.Called = counts.Accounts, counts.Agents, counts.Grants, counts.Called
	if b.ChangedTools, err = c.ChangedTools(ctx); err != nil {
		return nil, err
	}
	if b.Approvals, err = c.OpenApprovals(ctx); err != nil {
		return nil, err
	}
	o.countDeclared(c, out)
	now := time.Now().UTC()
	if err := o.numbers(ctx, c, now, out); err != nil {
		return nil, err
	}
	if err := o.tops(ctx, c, now, out); err != nil {
		return nil, err
	}
	return out, o.needs(ctx, c, out)
}

// countDeclared adds what the configuration file declares.
func (o overview) countDeclared(c *signin.Caller, out *overviewOut) {
	if o.c.Declared == nil || c.Organisation() != vault.All && c.Organisation() != vault.DefaultOrganisation {
		return
	}
	out.Body.Accounts[string(vault.Active)] += int64(len(o.c.Declared.Accounts()))
	for _, a := range o.c.Declared.Agents() {
		out.Body.Agents++
		out.Body.Grants += int64(len(a.Grants))
	}
}

// numbers fills in what was called, refused and refreshed.
func (o overview) numbers(ctx context.Context, c *signin.Caller, now time.Time, out *overviewOut) error {
	b := &out.Body
	day := now.Truncate(time.Hour).Add(-(hours - 1) * time.Hour)
	first := now.Truncate(24*time.Hour).AddDate(0, 0, -(days - 1))
	called, err := c.Traffic(ctx, vault.TrafficHour, nil, first)
	if err != nil {
		return err
	}
	b.Hours, b.Days = slots(called, day, time.Hour, hours), slots(called, first, 24*time.Hour, days)
	for _, s := range b.Hours {
		b.Calls += s.Calls
		b.Errors += s.Errors
	}
	for kind, add := range map[string]func(t vault.Traffic){
		vault.TrafficRefusal: func(t vault.Traffic) { b.Refusals += t.Calls },
		vault.TrafficRefresh: func(t vault.Traffic) {
			b.Refreshes += t.Calls - t.Errors
			b.RefreshFailures += t.Errors
		},
	} {
		list, err := c.Traffic(ctx, kind, nil, day)
		if err != nil {
			return err
		}
		for _, t := range list {
			add(t)
		}
	}
	took, err := c.Traffic(ctx, vault.TrafficTook, nil, day)
	b.P50, b.P95 = quantile(took, 0.5), quantile(took, 0.95)
	return err
}

// slots adds sums up by so many equal times from a moment on.
func slots(list []vault.Traffic, from time.Time, each time.Duration, n int) []Slot {
	out := make([]Slot, n)
	for i := range out {
		out[i].At = from.Add(time.Duration(i) * each)
	}
	for _, t := range list {
		if i := int(t.Slot.Sub(from) / each); !t.Slot.Before(from) && i < n {
			out[i].Calls += t.Calls
			out[i].Errors += t.Errors
		}
	}
	return out
}

// quantile is how many milliseconds a part of the calls took at most; 0 without calls.
func quantile(list []vault.Traffic, part float64) float64 {
	by, all := map[time.Duration]int64{}, int64(0)
	for _, t := range list {
		by[vault.TookUntil(t.Name)] += t.Calls
		all += t.Calls
	}
	var steps []time.Duration
	for d := range by {
		steps = append(steps, d)
	}
	slices.Sort(steps)
	sum := int64(0)
	for _, d := range steps {
		if sum += by[d]; float64(sum) >= part*float64(all) {
			return float64(d.Microseconds()) / 1000
		}
	}
	return 0
}

// tops fills in what was used most.
func (o overview) tops(ctx context.Context, c *signin.Caller, now time.Time, out *overviewOut) error {
	yesterday := now.AddDate(0, 0, -1)
	for kind, list := range map[string]*[]Top{vault.TrafficConnector: &out.Body.Connectors, vault.TrafficAgent: &out.Body.AgentsByCalls} {
		top, err := c.TrafficTop(ctx, kind, yesterday, listed)
		if err != nil {
			return err
		}
		*list = []Top{}
		for _, t := range top {
			*list = append(*list, Top{t.Name, o.title(ctx, c, kind, t.Name), t.Calls, t.Errors})
		}
	}
	return nil
}

// title is what people call a connector or an agent; empty where nobody knows it
// any more.
func (o overview) title(ctx context.Context, c *signin.Caller, kind, id string) string {
	if kind == vault.TrafficConnector {
		if con, ok := o.c.Catalogue.Connector(id); ok {
			return cmp.Or(con.Title, con.Key)
		}
		return ""
	}
	if a, err := c.Agent(ctx, id); err == nil {
		return a.Name
	}
	return ""
}

// needs fills in what a person has to do something about.
func (o overview) needs(ctx context.Context, c *signin.Caller, out *overviewOut) error {
	b := &out.Body
	b.Needs, b.Ending, b.Refused = []api.Account{}, []api.Account{}, []audit.Event{}
	list, err := c.Needing(ctx, listed)
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(x, y vault.Account) int { return y.StateSince.Compare(x.StateSince) })
	for _, a := range list[:min(len(list), listed)] {
		b.Needs = append(b.Needs, api.AccountOf(a))
	}
	ending, err := c.Ending(ctx, 7*24*time.Hour, 5*listed)
	if err != nil {
		return err
	}
	for _, a := range ending {
		if o.signsIn(a) && len(b.Ending) < listed {
			b.Ending = append(b.Ending, api.AccountOf(a))
		}
	}
	refused, err := c.Audit(ctx, vault.AuditFilter{Kind: vault.AuditRefusal}, vault.Page{Limit: listed})
	for _, e := range refused.Items {
		b.Refused = append(b.Refused, audit.EventOf(e))
	}
	return err
}

// signsIn reports whether a person must sign in for the account's next token. What
// is obtained without one is obtained again by itself.
func (o overview) signsIn(a vault.Account) bool {
	con, ok := o.c.Catalogue.Connector(a.Connector)
	if !ok {
		return true
	}
	for _, opt := range con.Options {
		if opt.Name == a.Option {
			return connect.NeedsPerson(opt)
		}
	}
	return true
}
