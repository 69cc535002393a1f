package overview

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/problem"
)

// Usage is what something was used for.
type Usage struct {
	ID       string  `json:"id" doc:"Of an account or agent; the key of a connector."`
	Calls    int64   `json:"calls"`
	Errors   int64   `json:"errors"`
	Days     []int64 `json:"days" doc:"Calls by day (UTC), the oldest first; the last is today."`
	Grants   int64   `json:"grants,omitempty" doc:"Of accounts: who may use it. Of agents: what it may use."`
	Accounts int64   `json:"accounts,omitempty" doc:"Of connectors."`
	Failing  int64   `json:"failing,omitempty" doc:"Accounts of a connector that expired or failed."`
}

type usageIn struct {
	Kind string   `query:"kind" required:"true" enum:"account,agent,connector"`
	IDs  []string `query:"ids" maxItems:"500" doc:"Ids or keys, separated by commas. Of connectors: all, when absent."`
	Days int      `query:"days" minimum:"1" maximum:"90" default:"14" doc:"How far to look back."`
}

func (o overview) usage(ctx context.Context, c *signin.Caller, in *usageIn) (*rest.ListOut[Usage], error) {
	if len(in.IDs) == 0 && in.Kind != "connector" {
		return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "Say which: ids.").At("query.ids", "is missing")
	}
	since := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-in.Days)
	t := tally{since: since, days: in.Days, by: map[string]*Usage{}}
	for _, id := range in.IDs {
		t.of(id)
	}
	if err := t.read(ctx, c, in); err != nil {
		return nil, err
	}
	out := &rest.ListOut[Usage]{Body: rest.ListBody[Usage]{Items: []Usage{}}}
	for _, u := range t.by {
		out.Body.Items = append(out.Body.Items, *u)
	}
	slices.SortFunc(out.Body.Items, func(x, y Usage) int { return cmp.Compare(x.ID, y.ID) })
	return out, nil
}

// tally adds usage up.
type tally struct {
	since time.Time
	days  int
	by    map[string]*Usage
}

func (t *tally) of(id string) *Usage {
	u := t.by[id]
	if u == nil {
		u = &Usage{ID: id, Days: make([]int64, t.days)}
		t.by[id] = u
	}
	return u
}

func (t *tally) add(id string, day time.Time, calls, errors int64) {
	u := t.of(id)
	u.Calls += calls
	u.Errors += errors
	if i := int(day.Sub(t.since) / (24 * time.Hour)); i >= 0 && i < t.days {
		u.Days[i] += calls
	}
}

func (t *tally) read(ctx context.Context, c *signin.Caller, in *usageIn) error {
	if in.Kind == "account" {
		list, err := c.UsageByDay(ctx, in.IDs, t.since)
		if err != nil {
			return err
		}
		for _, u := range list {
			t.add(u.AccountID, u.Day, u.Calls, u.Errors)
		}
		return t.grants(ctx, c, false, in.IDs)
	}
	list, err := c.Traffic(ctx, in.Kind, in.IDs, t.since)
	if err != nil {
		return err
	}
	for _, u := range list {
		t.add(u.Name, u.Slot, u.Calls, u.Errors)
	}
	if in.Kind == "agent" {
		return t.grants(ctx, c, true, in.IDs)
	}
	all, failing, err := c.ConnectorAccounts(ctx)
	for key, n := range all {
		if t.by[key] != nil || len(in.IDs) == 0 {
			t.of(key).Accounts, t.of(key).Failing = n, failing[key]
		}
	}
	return err
}

func (t *tally) grants(ctx context.Context, c *signin.Caller, ofAgents bool, ids []string) error {
	counts, err := c.GrantCounts(ctx, ofAgents, ids)
	for id, n := range counts {
		t.of(id).Grants = n
	}
	return err
}

// Organisation is one tenant.
type Organisation struct {
	Name     string `json:"name"`
	Accounts int64  `json:"accounts"`
	Agents   int64  `json:"agents"`
	Calls    int64  `json:"calls" doc:"Of the last 24 hours."`
	Errors   int64  `json:"errors"`
}

func (o overview) organisations(ctx context.Context, c *signin.Caller, in *rest.PageQuery) (*rest.ListOut[Organisation], error) {
	accounts, agents, calls, err := c.OrganisationCounts(ctx, time.Now().Add(-24*time.Hour))
	if err != nil {
		return nil, err
	}
	by := map[string]*Organisation{}
	of := func(name string) *Organisation {
		if by[name] == nil {
			by[name] = &Organisation{Name: name}
		}
		return by[name]
	}
	for name, n := range accounts {
		of(name).Accounts = n
	}
	for name, n := range agents {
		of(name).Agents = n
	}
	for _, t := range calls {
		of(t.Name).Calls, of(t.Name).Errors = t.Calls, t.Errors
	}
	out := &rest.ListOut[Organisation]{Body: rest.ListBody[Organisation]{Items: []Organisation{}}}
	var names []string
	for name := range by {
		if name > in.After {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		if i == in.Limit {
			out.Body.Next = names[i-1]
			break
		}
		out.Body.Items = append(out.Body.Items, *by[name])
	}
	return out, nil
}
