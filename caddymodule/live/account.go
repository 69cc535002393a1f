package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/rule"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Config is what New needs; every field must be set.
type Config struct {
	Vault *vault.Vault
	// Static is what the configuration file declares.
	Static *resolver.Static
	// Connector returns a connector that is in use.
	Connector func(key string) (*providers.Connector, bool)
	// ConnectURL is where a person can connect an account again; may return "".
	ConnectURL func(account *vault.Account) string
	// LeaseFor is how long a replica has the right to refresh an account.
	LeaseFor time.Duration
	// Changed hears that a connector may have come into use, or out of it, or
	// changed; empty means any. account is the account because of which, if it is
	// one, and organisation is whose that is. Refreshed hears that an account has a new token,
	// Edited that it has other credentials or is gone, Corrected that it, its OAuth
	// client or its connector was edited, so that what failed before may work now. All
	// are called under a lock and must be quick.
	Changed   func(connector, account, organisation string)
	Refreshed func(account string)
	Edited    func(account string)
	Corrected func(account string)
	// Heard hears that anything but a token has changed, after the others.
	Heard func()
	// Limit returns what an agent of the vault has in use.
	Limit func(agent string) *limit.Agent
}

// addPermit adds one grant with its account. An account that cannot be used is
// added too, in a state that says so.
func (d *Directory) addPermit(ctx context.Context, e *permitEntry, p *vault.OpenPermit, epoch uint64) error {
	a, ok := d.kept(p.Grant.AccountID)
	var err error
	switch {
	case ok:
	case p.Account == nil: // it was kept when the grants were read, and is not any more
		a, err = d.account(ctx, p.Grant.AccountID, epoch)
	default:
		a, err = d.add(ctx, p.Account, epoch)
	}
	if err != nil {
		return err
	}
	if a == nil {
		return nil // its connector is not in use, or it was deleted just now
	}
	g := resolver.Granted{ID: p.Grant.ID, Account: a.Account, Write: p.Grant.Allows("write"), Presign: p.Grant.Allows("presign"), Placeholder: p.Grant.Allows("placeholder"), Confined: p.Grant.Allows("confined")}
	for _, r := range p.Grant.Rules {
		rule := resolver.Rule{Hosts: r.Hosts, Methods: r.Methods}
		if r.Path != "" {
			if rule.Path, err = providers.ParsePath(r.Path); err != nil {
				rule.Path = &providers.PathPattern{} // of an older version: no path is like that
			}
		}
		g.Rules = append(g.Rules, rule)
	}
	if lines := p.Grant.Operations; len(lines) > 0 {
		if g.Operations, err = rule.New(lines, nil); err != nil {
			g.Operations = rule.Nothing() // of another version
		}
		if !g.Write {
			g.Operations = g.Operations.OnlyReading()
		}
	}
	g.Budgets = budget.Of(budget.Owner{Kind: "grant", ID: p.Grant.ID, Name: p.Grant.ID + " (" + a.Connector.Key + ":" + a.Name + ")", Organisation: p.Grant.Organisation}, p.Grant.Budgets)
	e.granted = append(e.granted, g)
	e.accounts = append(e.accounts, a)
	if end := p.Grant.ExpiresAt; !end.IsZero() && (e.until.IsZero() || end.Before(e.until)) {
		e.until = end
	}
	return nil
}

// Account returns an account of the vault as the resolver uses it.
func (d *Directory) Account(ctx context.Context, id string) (*resolver.Account, error) {
	a, err := d.account(ctx, id, d.v.Epoch())
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, vault.ErrNotFound
	}
	return a.Account, nil
}

// kept returns an account that is in memory and has not changed since.
func (d *Directory) kept(id string) (*account, bool) {
	a, ok := d.accounts.GetIfPresent(id)
	return a, ok && !a.stale.Load()
}

// has reports whether an account need not be read.
func (d *Directory) has(id string) bool {
	_, ok := d.kept(id)
	return ok
}

// account returns nil, nil for an account that is not there, or whose connector
// is not in use.
func (d *Directory) account(ctx context.Context, id string, epoch uint64) (*account, error) {
	if a, ok := d.kept(id); ok {
		return a, nil
	}
	u, err := d.v.Unseal(ctx, id)
	if errors.Is(err, vault.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return d.add(ctx, &u, epoch)
}

// add keeps an account that was read.
func (d *Directory) add(ctx context.Context, u *vault.Unsealed, epoch uint64) (*account, error) {
	built, err := d.build(ctx, u)
	if err != nil || built == nil {
		return nil, err
	}
	a := &account{Account: built}
	d.keep(epoch, func() { d.accounts.Set(u.Account.ID, a) })
	return a, nil
}

// build makes the resolver's account. Where something is missing, it is in error.
func (d *Directory) build(ctx context.Context, u *vault.Unsealed) (*resolver.Account, error) {
	row := &u.Account
	c, ok := d.c.Connector(row.Connector)
	if !ok {
		return nil, nil
	}
	o, ok := c.Option(row.Option)
	if !ok {
		return nil, fmt.Errorf("account %s: connector %s has no option %s any more", row.ID, c.Key, row.Option)
	}
	o = o.For(u.Credential.Fields)
	a := &resolver.Account{
		ID: row.ID, Name: row.Name, Organisation: row.Organisation, Connector: c, Option: o, Fields: u.Credential.Fields,
		State: resolver.State(row.State), Generation: row.Generation, ConnectURL: d.c.ConnectURL(row), Meta: meta(row),
		Limits: resolver.Limits{PerMinute: row.Settings.RateLimit, Timeout: row.Settings.Timeout(), Retries: row.Settings.RetryAttempts, NoRefresh: !row.Settings.Refreshes(), TokenLife: time.Duration(row.Settings.TokenLife) * time.Second,
			Limited: row.TestMode && row.Settings.Play == vault.PlayRateLimit, Away: row.TestMode && row.Settings.Play == vault.PlayOutage},
	}
	a.Budgets = budget.Of(budget.Owner{Kind: "account", ID: row.ID, Name: c.Key + ":" + row.Name, Organisation: row.Organisation}, row.Settings.Budgets)
	a.Why.Code, a.Why.Detail = row.Reason.Code, row.Reason.Detail
	switch {
	case o.OAuth == nil:
	case row.TestMode && !u.Credential.Token.IsZero(): // no token endpoint is asked, and a 401 is the agent's to see
		a.Hold(&u.Credential)
	default:
		a.Store = store{d.v, d.c.LeaseFor}
		app, err := d.app(ctx, c, row)
		if err != nil {
			return nil, err
		}
		a.App = app
	}
	if err := a.Prepare(); err != nil && a.State == resolver.StateActive {
		a.State, a.Why.Code, a.Why.Detail = resolver.StateError, "incomplete", "its credentials are not complete"
	}
	return a, nil
}

// meta is what {account.…} may read.
func meta(row *vault.Account) map[string]string {
	m := map[string]string{}
	maps.Copy(m, row.Captured)
	m["id"], m["name"] = row.ID, row.Name
	return m
}

// app is the OAuth client that the account was connected through, or the one
// that its connector has now.
func (d *Directory) app(ctx context.Context, c *providers.Connector, row *vault.Account) (secret.Values, error) {
	id := row.AppID
	if id == "" {
		apps, err := d.v.AppsFor(ctx, row.Connector, row.Organisation)
		if err != nil || len(apps) == 0 {
			return secret.Values{}, err
		}
		id = apps[0].ID
	}
	app, values, err := d.v.UnsealApp(ctx, id, c)
	switch {
	case err != nil:
		return nil, err
	case !app.Serves(row.Connector, row.Organisation):
		return nil, fmt.Errorf("account %s: its OAuth client %s is not for it", row.ID, app.ID)
	}
	return app.Client(values), nil
}
