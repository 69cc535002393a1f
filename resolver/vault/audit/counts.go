package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Counts are how many there are of what a caller sees.
type Counts struct {
	Accounts       map[string]int64 // by state
	Agents, Grants int64
	// Called says whether a credential was ever placed on a call.
	Called bool
}

// Counts counts.
func (s *View) Counts(ctx context.Context) (Counts, error) {
	var c Counts
	w := s.Where("organisation")
	var err error
	if c.Accounts, err = s.groups(ctx, "accounts", "state", w); err != nil {
		return c, err
	}
	for table, to := range map[string]*int64{"agents": &c.Agents, "grants": &c.Grants} {
		if err := s.log.db.Reader.Row(ctx, "SELECT COUNT(*) FROM "+table+w.String(), w.Args...).Scan(to); err != nil {
			return c, s.log.db.Explain(err)
		}
	}
	w.Is("kind", TrafficHour)
	w.Add("name = ''")
	var n int
	err = s.log.db.Reader.Row(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM traffic"+w.String()+" LIMIT 1) x", w.Args...).Scan(&n)
	c.Called = n > 0
	return c, s.log.db.Explain(err)
}

// groups counts the rows of a table by a column.
func (s *View) groups(ctx context.Context, table, column string, w *database.Where) (map[string]int64, error) {
	type group struct {
		name string
		n    int64
	}
	list, err := database.Collect(ctx, s.log.db.Reader, func(r database.Scanner) (g group, err error) {
		err = r.Scan(&g.name, &g.n)
		return g, err
	}, fmt.Sprintf("SELECT %s, COUNT(*) FROM %s%s GROUP BY %s", column, table, w, column), w.Args...)
	out := make(map[string]int64, len(list))
	for _, g := range list {
		out[g.name] = g.n
	}
	return out, err
}

// ConnectorAccounts counts accounts by connector: all of them, and those that
// expired or failed.
func (s *View) ConnectorAccounts(ctx context.Context) (all, failing map[string]int64, err error) {
	if all, err = s.groups(ctx, "accounts", "connector", s.Where("organisation")); err != nil {
		return nil, nil, err
	}
	w := s.Where("organisation")
	w.OneOf("state", []string{"expired", "error"})
	failing, err = s.groups(ctx, "accounts", "connector", w)
	return all, failing, err
}

// GrantCounts counts the grants of agents, or of accounts, by their ids.
func (s *View) GrantCounts(ctx context.Context, ofAgents bool, ids []string) (map[string]int64, error) {
	column := "account_id"
	if ofAgents {
		column = "agent_id"
	}
	w := s.Where("organisation")
	w.OneOf(column, ids)
	return s.groups(ctx, "grants", column, w)
}

// OrganisationCounts counts accounts and agents by organisation, and the calls since
// a moment.
func (s *View) OrganisationCounts(ctx context.Context, since time.Time) (accounts, agents map[string]int64, calls []Traffic, err error) {
	w := s.Where("organisation")
	if accounts, err = s.groups(ctx, "accounts", "organisation", w); err != nil {
		return nil, nil, nil, err
	}
	if agents, err = s.groups(ctx, "agents", "organisation", w); err != nil {
		return nil, nil, nil, err
	}
	w.Is("kind", TrafficHour)
	w.Add("slot >= ?", hourOf(since))
	calls, err = database.Collect(ctx, s.log.db.Reader, func(r database.Scanner) (t Traffic, err error) {
		err = r.Scan(&t.Name, &t.Calls, &t.Errors)
		return t, err
	}, "SELECT organisation, CAST(SUM(calls) AS BIGINT), CAST(SUM(errors) AS BIGINT) FROM traffic"+w.String()+" GROUP BY organisation", w.Args...)
	return accounts, agents, calls, err
}

// UsageByDay returns the days since a moment on which accounts were used.
func (s *View) UsageByDay(ctx context.Context, ids []string, since time.Time) ([]Usage, error) {
	w := s.Where("a.organisation")
	w.OneOf("u.account_id", ids)
	w.Add("u.day >= ?", DayOf(since))
	return database.Collect(ctx, s.log.db.Reader, func(r database.Scanner) (u Usage, err error) {
		var day int64
		err = r.Scan(&u.AccountID, &day, &u.Calls, &u.Errors)
		u.Day = dayTime(day)
		return u, err
	}, "SELECT u.account_id, u.day, u.calls, u.errors FROM usage u JOIN accounts a ON a.id = u.account_id"+w.String()+" ORDER BY u.day", w.Args...)
}
