package caddymodule

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/vault"
)

// connectorSet finds the connectors in use: of the configuration, made through
// the API, and of the catalogue where somebody has an account.
type connectorSet struct {
	app *App
	// base are the configuration's own.
	base []*providers.Connector

	once sync.Once // for all: the whole catalogue, in use or not
	all  []*providers.Connector

	mu sync.Mutex
	// compiled are connectors of the catalogue and of the vault that were in use
	// once, by key; the vault's also by version.
	compiled map[string]compiledConnector
	// bound are the hosts that accounts add to connectors whose hosts are
	// templates: by connector, then by account. A connector that is not there was
	// not read yet.
	bound map[string]map[string][]providers.Binding
	// again are accounts that changed since, by connector.
	again map[string]map[string]bool
}

type compiledConnector struct {
	*providers.Connector
	version int64 // 0 for the catalogue's
}

// changed says what became of a connector, because of an account of an
// organisation if one is named. It is called under a lock of the directory. Most
// changes of accounts change nothing here; nobody waits for those.
func (s *connectorSet) changed(connector, account, organisation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.app.resolver.Known().For(organisation, connector)
	switch {
	case connector == "":
		s.compiled, s.bound, s.again = nil, nil, nil
	case account == "":
		s.compiled = nil // others may extend it
		delete(s.bound, connector)
	case ok && !known.HasHostTemplates():
		s.app.resolver.ReindexSoon() // it may have been the last one
		return
	default: // also where all are being read just now: this one may have been passed
		if s.again == nil {
			s.again = map[string]map[string]bool{}
		}
		if s.again[connector] == nil {
			s.again[connector] = map[string]bool{}
		}
		if len(s.again[connector]) <= maxAgain {
			s.again[connector][account] = true
		}
	}
	s.app.resolver.Reindex()
}

// maxBindings bounds how many accounts of one connector add hosts of their own,
// for one organisation and for all: one cannot take the places of another.
const (
	maxBindings    = 10_000
	maxAllBindings = 200_000
)

// index builds the index of what is in use now.
func (s *connectorSet) index(ctx context.Context) (*providers.Index, error) {
	var bindings []providers.Binding
	for _, acct := range s.app.accounts {
		bindings = append(bindings, acct.Bindings()...)
	}
	if s.app.vault == nil {
		return providers.NewIndex(s.base, bindings...)
	}
	used, err := s.app.vault.ConnectorsInUse(ctx)
	if err != nil {
		return nil, err
	}
	uses, err := s.fromVault(ctx, used)
	if err != nil {
		return nil, err
	}
	for _, c := range s.base {
		uses = append(uses, providers.Use{Connector: c, Organisations: users(used[c.Key], vault.All)})
	}
	for _, u := range uses {
		b, err := s.bindings(ctx, u.Connector)
		if err != nil {
			return nil, err
		}
		bindings = append(bindings, b...)
	}
	return providers.NewIndexFor(uses, bindings...)
}

// users are the organisations to which a connector is there: those with an
// account, and its owner. What the configuration or everybody's connectors name
// is the default organisation's: in others nobody has anything to do with it
// before there is an account.
func users(with []string, owner string) map[string]bool {
	out := make(map[string]bool, len(with)+1)
	for _, org := range with {
		out[org] = true
	}
	switch owner {
	case "": // of the catalogue: only accounts bring it into use
	case vault.All:
		out[vault.DefaultOrganisation] = true
	default:
		out[owner] = true
	}
	return out
}

// fromVault compiles the connectors that only the vault brings into use.
func (s *connectorSet) fromVault(ctx context.Context, used map[string][]string) ([]providers.Use, error) {
	defs, err := s.app.definitions()
	if err != nil {
		return nil, err
	}
	view := s.app.vault.System()
	custom, err := view.Connectors(ctx)
	if err != nil {
		return nil, err
	}
	var keys []string
	versions, owners := map[string]int64{}, map[string]string{}
	for _, c := range custom {
		if c.State != "active" || s.app.Connectors[c.Key] != nil {
			continue
		}
		d, err := providers.Parse("connector "+c.Key+" (made through the API)", []byte(c.Definition))
		if err != nil {
			s.app.logger.Error("a connector of the vault cannot be used", zap.String("connector", c.Key), zap.Error(err))
			continue
		}
		d.AllowHTTPTo(s.app.guard.Names)
		defs.Put(d)
		versions[c.Key], owners[c.Key] = c.Version, c.Organisation
		keys = append(keys, c.Key)
	}
	for key := range used {
		if defs.Has(key) && s.app.Connectors[key] == nil && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var out []providers.Use
	for _, key := range keys {
		c, err := s.compile(defs, key, versions[key])
		if err != nil { // one bad connector must not take the others away
			s.app.logger.Error("a connector of the vault cannot be used", zap.String("connector", key), zap.Error(err))
			continue
		}
		out = append(out, providers.Use{Connector: c, Organisations: users(used[key], owners[key])})
	}
	return out, nil
}

// compile compiles a connector, or takes the one that was compiled before.
func (s *connectorSet) compile(defs *providers.Definitions, key string, version int64) (*providers.Connector, error) {
	s.mu.Lock()
	known, ok := s.compiled[key]
	s.mu.Unlock()
	if ok && known.version == version {
		return known.Connector, nil
	}
	cs, err := providers.CompileAll(defs, []string{key})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.compiled == nil {
		s.compiled = map[string]compiledConnector{}
	}
	s.compiled[key] = compiledConnector{cs[0], version}
	s.app.warnOfEnds(cs[0])
	return cs[0], nil
}

// bindings are the hosts that accounts of the vault add to a connector whose
// hosts are templates. All of them are read once, and then those that change.
func (s *connectorSet) bindings(ctx context.Context, c *providers.Connector) ([]providers.Binding, error) {
	if !c.HasHostTemplates() {
		s.mu.Lock()
		delete(s.again, c.Key)
		s.mu.Unlock()
		return nil, nil
	}
	s.mu.Lock()
	before, again := s.bound[c.Key], s.again[c.Key]
	delete(s.again, c.Key) // what changes from now on is read next time
	s.mu.Unlock()
	after, err := s.readBindings(ctx, c, before, again)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		delete(s.bound, c.Key)
		return nil, err
	}
	if s.bound == nil {
		s.bound = map[string]map[string][]providers.Binding{}
	}
	s.bound[c.Key] = after
	var out []providers.Binding
	for _, b := range after {
		out = append(out, b...)
	}
	return out, nil
}

// maxAgain is how many accounts are read one by one; above it all are.
const maxAgain = 200

func (s *connectorSet) readBindings(ctx context.Context, c *providers.Connector, before map[string][]providers.Binding, again map[string]bool) (map[string][]providers.Binding, error) {
	if before == nil || len(again) > maxAgain {
		return s.allBindings(ctx, c)
	}
	if len(again) == 0 {
		return before, nil
	}
	after, counts := maps.Clone(before), map[string]int{}
	for _, b := range after {
		if len(b) > 0 {
			counts[b[0].Organisation]++
		}
	}
	for id := range again {
		row, err := s.app.vault.System().Account(ctx, id)
		switch {
		case errors.Is(err, vault.ErrNotFound):
			delete(after, id)
		case err != nil:
			return nil, err
		case after[id] != nil || counts[row.Organisation] < maxBindings && len(after) < maxAllBindings:
			if after[id] == nil {
				counts[row.Organisation]++
			}
			after[id] = bindingsOf(c, &row)
		}
		if len(after[id]) == 0 {
			delete(after, id)
		}
	}
	return after, nil
}

func (s *connectorSet) allBindings(ctx context.Context, c *providers.Connector) (map[string][]providers.Binding, error) {
	out, counts := map[string][]providers.Binding{}, map[string]int{}
	page := vault.Page{Limit: 500}
	for len(out) < maxAllBindings {
		list, err := s.app.vault.System().Accounts(ctx, vault.AccountFilter{Connector: c.Key}, page)
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			row := &list.Items[i]
			if b := bindingsOf(c, row); len(b) > 0 && counts[row.Organisation] < maxBindings {
				counts[row.Organisation]++
				out[row.ID] = b
			}
		}
		if page.After = list.Next; page.After == "" {
			break
		}
	}
	return out, nil
}

func bindingsOf(c *providers.Connector, row *vault.Account) []providers.Binding {
	fields := secret.Values{}
	for name, v := range row.Fields {
		fields[name] = secret.New(v)
	}
	a := resolver.Account{Connector: c, Organisation: row.Organisation, State: resolver.State(row.State), Fields: fields, Meta: maps.Clone(row.Captured)}
	return a.Bindings()
}
