package caddymodule

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/oauth/ambient"
	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/egress"
)

// loadConnectors compiles the connectors in use: those of the configuration
// and of connector_dir. Services of the catalogue that nobody connected are
// not in use: their hosts are like any other.
func (a *App) loadConnectors() ([]*providers.Connector, error) {
	defs, err := a.definitions()
	if err != nil {
		return nil, err
	}
	connectors, err := providers.CompileAll(defs, a.inUse())
	for _, c := range connectors {
		var options []string
		for _, acct := range a.Connectors[c.Key].Accounts {
			if o, ok := c.Option(acct.Option); ok {
				options = append(options, o.Name)
			}
		}
		a.warnOfEnds(c, options...)
	}
	return connectors, err
}

// endsSoon is how long before something ends the log says so at start.
const endsSoon = 60 * 24 * time.Hour

// warnOfEnds logs what the service of a connector in use takes away; of the given
// options, or of all.
func (a *App) warnOfEnds(c *providers.Connector, options ...string) {
	for _, e := range c.Ending(time.Now().Add(endsSoon), options...) {
		a.logger.Warn("a connector in use ends", zap.String("connector", c.Key), zap.String("ends", e.What()), zap.Stringer("date", e.Date),
			zap.String("instead", e.Instead), zap.String("source", e.Source), zap.Bool("past", e.Past(time.Now())))
	}
}

// inUse are the keys of the connectors that the configuration names.
func (a *App) inUse() []string {
	keys := make([]string, 0, len(a.Connectors)) // nil would mean all
	for key := range a.Connectors {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// definitions are all connectors that there are, in use or not.
func (a *App) definitions() (*providers.Definitions, error) {
	return config.Definitions(a.ConnectorDir, a.Connectors)
}

// buildAccounts resolves the placeholders of every account.
func (a *App) buildAccounts(connectors []*providers.Connector) error {
	var errs []error
	for _, c := range connectors {
		for _, ac := range a.Connectors[c.Key].Accounts {
			acct, err := a.buildAccount(c, ac)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: connector %s, account %s: %w", cmp.Or(ac.Source, "configuration"), c.Key, cmp.Or(ac.Name, "default"), err))
				continue
			}
			a.accounts = append(a.accounts, acct)
		}
	}
	return errors.Join(errs...)
}

func (a *App) buildAccount(c *providers.Connector, ac config.Account) (*resolver.Account, error) {
	o, ok := c.Option(ac.Option)
	if !ok {
		return nil, fmt.Errorf("there is no option %q; this connector has: %s", ac.Option, c.OptionNames())
	}
	values, err := config.Resolve(ac.Values)
	if err != nil {
		return nil, err
	}
	app := secret.Values{}
	if o.OAuth != nil {
		for name := range config.AppValues {
			if v, ok := values[name]; ok {
				if app[name], err = providers.CleanKey(v); err != nil {
					return nil, fmt.Errorf("%s %w", name, err)
				}
				delete(values, name)
			}
		}
	}
	fields, err := o.Validate(values)
	if err != nil {
		return nil, err
	}
	name := cmp.Or(ac.Name, "default")
	id := c.Key + ":" + name
	acct := &resolver.Account{
		ID: id, Name: name, Connector: c, Option: o.For(fields), Fields: fields, App: app, Ambient: ambient.Machine{},
		State: resolver.StateActive, Default: ac.Default,
		CacheKey: id + "@" + fingerprint(a.Connectors[c.Key].Definition, fields, app),
		Meta:     map[string]string{"name": name, "id": id},
	}
	if acct.Budgets, err = config.AccountBudgets(c.Key, name, &ac); err != nil {
		return nil, err
	}
	return acct, acct.Prepare()
}

// fingerprint changes when what a token is obtained with changes, so that a
// reload with another client does not go on with the old client's token.
func fingerprint(definition json.RawMessage, sets ...secret.Values) string {
	h := sha256.New()
	h.Write(definition)
	for _, set := range sets {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			fmt.Fprintf(h, "\x00%s\x00%s", name, set[name].Reveal())
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// buildAgents resolves tokens and grants.
func (a *App) buildAgents() error {
	a.static = resolver.NewStatic(a.accounts)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(a.Agents)) {
		if err := a.buildAgent(name, a.Agents[name]); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", cmp.Or(a.Agents[name].Source, "configuration"), err))
		}
	}
	return errors.Join(errs...)
}

func (a *App) buildAgent(name string, c *config.Agent) error {
	var tokens []secret.Value
	for i, t := range c.Tokens {
		v, err := config.Resolve(map[string]string{fmt.Sprintf("token %d", i+1): t})
		if err != nil {
			return fmt.Errorf("agent %s: %w", name, err)
		}
		for which, token := range v {
			if token, err = providers.CleanKey(token); err != nil {
				return fmt.Errorf("agent %s: %s %w", name, which, err)
			}
			tokens = append(tokens, token)
		}
	}
	var grants []resolver.Grant
	for _, g := range c.Grants {
		rules, err := config.Rules(&g, a.operationsBy(g.Connector))
		if err != nil {
			return fmt.Errorf("agent %s: %w", name, err)
		}
		if rules.Asks() && a.Vault == nil {
			return fmt.Errorf("agent %s: grant %s: %w", name, g.Connector, config.ErrAsks)
		}
		if g.Confined && a.LaunchKey == nil {
			return fmt.Errorf("agent %s: grant %s: %w", name, g.Connector, errNoLaunchKey)
		}
		budgets, err := config.GrantBudgets(name, &g)
		if err != nil {
			return fmt.Errorf("agent %s: %w", name, err)
		}
		a.plans = append(a.plans, budgets)
		grants = append(grants, resolver.Grant{Connector: g.Connector, Account: g.Account, Write: g.Write, Presign: g.Presign, Placeholder: g.Placeholder, Confined: g.Confined, Operations: rules, Budgets: budgets})
	}
	budgets, err := config.AgentBudgets(name, c)
	if err != nil {
		return fmt.Errorf("agent %s: %w", name, err)
	}
	a.plans = append(a.plans, budgets)
	if err := a.static.AddAgent(name, tokens, grants); err != nil {
		return err
	}
	a.static.Limit(name, a.limitOf(name, c.Limits), budgets)
	return nil
}

// routes are what differs in reaching a service: where the operator named
// another place, a private CA, or addresses.
func (a *App) routes(connectors []*providers.Connector) (map[string]resolver.Route, error) {
	out := map[string]resolver.Route{}
	for _, c := range connectors {
		conf := a.Connectors[c.Key]
		r, err := conf.Route()
		if err != nil {
			return nil, fmt.Errorf("%s: connector %s: %w", conf.Source, c.Key, err)
		}
		if len(conf.Definition) > 0 {
			r.Allow = config.NamedAddresses(c)
		}
		if r.Place != "" || r.TLS != nil || len(r.Allow) > 0 {
			out[c.Key] = r
		}
	}
	return out, nil
}

// tokenClients are guarded clients for token endpoints.
type tokenClients struct {
	shared oauth.Doer
	own    map[string]func() oauth.Doer // by connector, where a route names addresses or a CA
}

func newTokenClients(guard *egress.Guard, routes map[string]resolver.Route, timeout time.Duration) tokenClients {
	t := tokenClients{shared: (&egress.Dialer{Guard: guard}).Client(timeout, nil), own: map[string]func() oauth.Doer{}}
	for key, r := range routes {
		if len(r.Allow) > 0 || r.TLS != nil {
			d := &egress.Dialer{Guard: &egress.Guard{Allow: slices.Concat(r.Allow, guard.Allow)}}
			t.own[key] = sync.OnceValue(func() oauth.Doer {
				var conf *tls.Config
				if r.TLS != nil {
					conf = r.TLS()
				}
				return d.Client(timeout, conf)
			})
		}
	}
	return t
}

func (t tokenClients) of(c *providers.Connector) oauth.Doer {
	if d, ok := t.own[c.Key]; ok {
		return d()
	}
	return t.shared
}

// check compiles every connector, so that adapting a Caddyfile finds what is
// wrong with it.
func (a *App) check() error {
	if a.RequireConfined && a.LaunchKey == nil {
		return fmt.Errorf("require_confined: %w", errNoLaunchKey)
	}
	defs, err := a.definitions()
	if err != nil {
		return err
	}
	connectors, err := providers.CompileAll(defs, a.inUse())
	if err != nil {
		return err
	}
	return a.checkNames(connectors)
}

// checkNames finds accounts with options and grants with connectors that do
// not exist.
func (a *App) checkNames(connectors []*providers.Connector) error {
	for _, c := range connectors {
		for _, acct := range a.Connectors[c.Key].Accounts {
			o, ok := c.Option(acct.Option)
			if !ok {
				return fmt.Errorf("%s: connector %s has no option %q; it has: %s", acct.Source, c.Key, acct.Option, c.OptionNames())
			}
			if err := checkValueNames(o, acct); err != nil {
				return fmt.Errorf("%s: connector %s, account %s: %w", acct.Source, c.Key, acct.Name, err)
			}
		}
	}
	for name, agent := range a.Agents {
		for _, g := range agent.Grants {
			if a.Connectors[g.Connector] == nil {
				return fmt.Errorf("%s: agent %s: grant %s: no connector of that name is declared here; write connector %s { use { … } }", agent.Source, name, g.Connector, g.Connector)
			}
			if g.Confined && a.LaunchKey == nil {
				return fmt.Errorf("%s: agent %s: grant %s: %w", agent.Source, name, g.Connector, errNoLaunchKey)
			}
			if rules, err := config.Rules(&g, nil); err == nil && rules.Asks() && a.Vault == nil {
				return fmt.Errorf("%s: agent %s: grant %s: %w", agent.Source, name, g.Connector, config.ErrAsks)
			}
		}
	}
	return nil
}

func checkValueNames(o *providers.Option, acct config.Account) error {
	for name := range acct.Values {
		if o.HasField(name) || o.OAuth != nil && config.AppValues[name] {
			continue
		}
		return fmt.Errorf("option %s has no field %q; it has: %s", o.Name, name, o.FieldNames())
	}
	return nil
}

// operationsBy is the table of operations of the connector with a key, if it has an account
// of the configuration; nil where none is known.
func (a *App) operationsBy(key string) operations.Table {
	for _, acct := range a.accounts {
		if acct.Connector.Key == key {
			return acct.Connector.Operations()
		}
	}
	return nil
}
