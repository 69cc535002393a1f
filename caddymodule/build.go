package caddymodule

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/caddyserver/caddy/v2"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/oauth/ambient"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
)

// loadConnectors compiles the connectors in use: those of the configuration
// and of connector_dir. Services of the catalogue that nobody connected are
// not in use: their hosts are like any other.
func (a *App) loadConnectors() ([]*providers.Connector, error) {
	defs, err := a.definitions()
	if err != nil {
		return nil, err
	}
	return providers.CompileAll(defs, a.inUse())
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

// definitions are the catalogue, overlaid with the directory, overlaid with
// the configuration.
func (a *App) definitions() (map[string]*providers.Definition, error) {
	defs, err := providers.Catalog()
	if err != nil {
		return nil, err
	}
	if a.ConnectorDir != "" {
		own, err := providers.LoadDir(a.ConnectorDir)
		if err != nil {
			return nil, err
		}
		for key, d := range own {
			d.AllowHTTP()
			defs[key] = d
		}
	}
	for key, c := range a.Connectors {
		if len(c.Definition) > 0 {
			d, err := providers.Parse(cmp.Or(c.Source, "connector "+key), c.Definition)
			if err != nil {
				return nil, err
			}
			if d.Extends == key {
				if defs[key] == nil {
					return nil, fmt.Errorf("%s: connector %s: hosts are missing, and there is no built-in connector of that name; name at least one host that the credential may go to", c.Source, key)
				}
				d = d.Over(defs[key])
			}
			d.AllowHTTP()
			defs[key] = d
		} else if defs[key] == nil {
			return nil, fmt.Errorf("%s: connector %s is neither built in nor in the connectors directory; give it hosts and sign, or correct its name (attache connectors list)", c.Source, key)
		}
	}
	return defs, nil
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

// appValues are the values that belong to the OAuth client, not to the account.
var appValues = map[string]bool{"client_id": true, "client_secret": true, "private_key": true, "key_id": true}

func (a *App) buildAccount(c *providers.Connector, ac AccountConfig) (*resolver.Account, error) {
	o, ok := c.Option(ac.Option)
	if !ok {
		return nil, fmt.Errorf("there is no option %q; this connector has: %s", ac.Option, c.OptionNames())
	}
	values, err := resolveValues(ac.Values)
	if err != nil {
		return nil, err
	}
	app := secret.Values{}
	if o.OAuth != nil {
		for name := range appValues {
			if v, ok := values[name]; ok {
				app[name] = v
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
		ID: id, Name: name, Connector: c, Option: o, Fields: fields, App: app, Ambient: ambient.Machine{},
		State: resolver.StateActive, Default: ac.Default,
		CacheKey: id + "@" + fingerprint(a.Connectors[c.Key].Definition, fields, app),
		Meta:     map[string]string{"name": name, "id": id},
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

// resolveValues replaces {env.*} and {file.*}. A placeholder that is missing
// or empty is an error that names it; what it stands for is never replaced again.
func resolveValues(values map[string]string) (secret.Values, error) {
	repl := caddy.NewReplacer()
	out := make(secret.Values, len(values))
	var errs []error
	for name, v := range values {
		s, err := repl.ReplaceOrErr(v, true, true)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w; set the variable or the file that it names", name, err))
			continue
		}
		out[name] = secret.New(s)
	}
	return out, errors.Join(errs...)
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

func (a *App) buildAgent(name string, c *AgentConfig) error {
	var tokens []secret.Value
	for i, t := range c.Tokens {
		v, err := resolveValues(map[string]string{fmt.Sprintf("token %d", i+1): t})
		if err != nil {
			return fmt.Errorf("agent %s: %w", name, err)
		}
		for _, token := range v {
			tokens = append(tokens, token)
		}
	}
	var grants []resolver.Grant
	for _, g := range c.Grants {
		grants = append(grants, resolver.Grant{Connector: g.Connector, Account: g.Account, Write: g.Write, Presign: g.Presign})
	}
	return a.static.AddAgent(name, tokens, grants)
}
