package caddymodule

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/egress"
	"github.com/attache-proxy/attache/resolver/vault"
)

// guardedClient dials through the guard and follows no redirects.
func (a *App) guardedClient(timeout time.Duration) *http.Client {
	return (&egress.Dialer{Guard: a.guard}).Client(timeout, nil)
}

// backend is what the REST API asks of the app.
type backend struct{ app *App }

// Connectors implements connect.Catalogue: everything that could be connected,
// not only what is in use.
func (o backend) Connectors() []*providers.Connector { return o.app.set.All() }

// Connector implements connect.Catalogue.
func (o backend) Connector(key string) (*providers.Connector, bool) {
	all := o.app.set.All()
	i, ok := slices.BinarySearchFunc(all, key, func(c *providers.Connector, key string) int { return strings.Compare(c.Key, key) })
	if !ok {
		return nil, false
	}
	return all[i], true
}

// Check implements connect.Catalogue.
func (o backend) Check(def *providers.Definition) (*providers.Connector, error) {
	defs, broken := o.app.definitions()
	if defs == nil {
		return nil, broken
	}
	def.AllowHTTPTo(o.app.guard.Names)
	defs.Put(def)
	cs, err := providers.CompileAll(defs, []string{def.Key})
	if err != nil {
		return nil, err
	}
	return cs[0], nil
}

// Sharing implements admin.Catalogue.
func (o backend) Sharing(organisation string, con *providers.Connector) (keys []string) {
	x := o.app.resolver.Index()
	for _, c := range x.Connectors() {
		_, seen := x.For(organisation, c.Key)
		if c.Key != con.Key && (seen || organisation == vault.All) && c.SharesHost(con) {
			keys = append(keys, c.Key)
		}
	}
	return keys
}

// Test implements connect.Tester.
func (o backend) Test(ctx context.Context, t connect.Trial) (connect.Verdict, error) {
	acct, err := o.trialAccount(ctx, t)
	if err != nil {
		return connect.Verdict{}, err
	}
	p, err := o.app.resolver.Probe(ctx, acct)
	untested := errors.Is(err, resolver.ErrNoTest)
	if untested {
		asked, failed := o.askToken(ctx, acct)
		if !asked {
			return connect.Verdict{}, failed
		}
		err = failed
	}
	v := connect.Verdict{Tested: !untested, Asked: untested, OK: err == nil && (untested || p.OK()), Status: p.Status, Expected: p.Expected,
		Provider: vault.ProviderAccount{ID: p.ID, Label: p.Label, Email: p.Email}}
	v.Rejected = p.Status == http.StatusUnauthorized || err == nil && p.Status == 0 && !untested
	if ref, ok := resolver.AsRefusal(err); ok {
		v.Rejected = v.Rejected || ref.Code == "account_expired" || ref.Code == "account_error"
		v.Unfit = ref.Code == "cannot_sign"
		v.Problem = ref.Detail
		for _, about := range []string{"account " + acct.Name + ": ", "account " + acct.Name + " of connector " + acct.Connector.Key + ": "} {
			if _, rest, ok := strings.Cut(ref.Detail, about); ok { // it may be one for the trial alone
				v.Problem = rest
			}
		}
	} else if err != nil {
		v.Problem = "the test request could not be sent"
	}
	return v, nil
}

// askToken asks for a token where nothing else can be tried: unless there is none to
// ask for, the operator wants none to be asked for, or only a person can.
func (o backend) askToken(ctx context.Context, acct *resolver.Account) (asked bool, err error) {
	if !o.app.credentials.CanRefresh(acct) || acct.Limits.NoRefresh {
		return false, nil
	}
	if acct.Store != nil && connect.NeedsPerson(acct.Option) {
		s, err := acct.Store.Stored(ctx, acct.ID)
		if err != nil || s.RefreshToken.IsZero() {
			return false, err
		}
	}
	return true, o.app.resolver.Refresh(ctx, acct)
}

// trialAccount is the vault's account, or one that exists for the trial alone.
func (o backend) trialAccount(ctx context.Context, t connect.Trial) (*resolver.Account, error) {
	if t.AccountID != "" {
		return o.app.directory.Account(ctx, t.AccountID)
	}
	acct := &resolver.Account{ID: "trial", Name: "trial", Connector: t.Connector, Option: t.Option.For(t.Fields), Fields: t.Fields, App: t.App,
		State: resolver.StateActive, CacheKey: "trial@" + fingerprint(nil, t.Fields, t.App), Meta: map[string]string{}}
	maps.Copy(acct.Meta, t.Meta)
	if t.Credential != nil {
		acct.Hold(t.Credential)
		return acct, nil
	}
	return acct, acct.Prepare()
}

// Client implements connect.Connections.
func (o backend) Client(c *providers.Connector) oauth.Doer { return o.app.tokenClient(c) }

// Refresh implements connect.Connections.
func (o backend) Refresh(ctx context.Context, accountID string) error {
	acct, err := o.app.directory.Account(ctx, accountID)
	if err != nil {
		return err
	}
	return o.app.resolver.Refresh(ctx, acct)
}

// Revocation implements connect.Connections.
func (o backend) Revocation(ctx context.Context, accountID string) (connect.Revocation, error) {
	acct, err := o.app.directory.Account(ctx, accountID)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, had vault.Unsealed) error {
		return o.app.credentials.Revoke(ctx, acct, resolver.Stored{Credential: had.Credential, RefreshToken: had.RefreshToken})
	}, nil
}

// Agents implements api.Declared.
func (o backend) Agents() []api.DeclaredAgent {
	var out []api.DeclaredAgent
	for name, c := range o.app.Agents {
		a := api.DeclaredAgent{Name: name, Tokens: len(c.Tokens), Budgets: c.Budgets}
		for _, g := range c.Grants {
			a.Grants = append(a.Grants, api.DeclaredGrant{Connector: g.Connector, Account: g.Account, Write: g.Write, Presign: g.Presign, Placeholder: g.Placeholder, Confined: g.Confined, Operations: g.Operations, Budgets: g.Budgets})
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b api.DeclaredAgent) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Accounts implements api.Declared.
func (o backend) Accounts() []api.DeclaredAccount {
	var out []api.DeclaredAccount
	for _, a := range o.app.accounts {
		out = append(out, api.DeclaredAccount{Connector: a.Connector.Key, Option: a.Option.Name, Name: a.Name, Default: a.Default, Budgets: a.Budgets.Lines()})
	}
	return out
}

// Interface guards
var (
	_ connect.Catalogue   = backend{}
	_ connect.Tester      = backend{}
	_ connect.Connections = backend{}
	_ api.Declared        = backend{}
)
