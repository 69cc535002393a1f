// Package connectors is which connectors are in use: those of the configuration,
// those made through the API, and those of the catalogue where somebody has an
// account.
package connectors

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

// Set finds them. Its exported fields are set before it is used.
type Set struct {
	// Base are the configuration's own connectors, and Accounts its accounts.
	Base     []*providers.Connector
	Accounts []*resolver.Account
	// Vault is nil where there is none.
	Vault *vault.Vault
	// Definitions are all connectors that there are, in use or not.
	Definitions func() (*providers.Definitions, error)
	// Declared reports whether the configuration names a connector.
	Declared func(key string) bool
	// PlainHTTP are the hosts that may be reached without TLS.
	PlainHTTP func(host string) bool
	// Compiled hears of each connector that comes into use.
	Compiled func(*providers.Connector)
	// Resolver is whose index it is; it is asked for after a change alone.
	Resolver func() *resolver.Resolver
	Log      *zap.Logger

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

// Changed says what became of a connector, because of an account of an
// organisation if one is named. It is called under a lock of the directory. Most
// changes of accounts change nothing here; nobody waits for those.
func (s *Set) Changed(connector, account, organisation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.Resolver().Known().For(organisation, connector)
	switch {
	case connector == "":
		s.compiled, s.bound, s.again = nil, nil, nil
	case account == "":
		s.compiled = nil // others may extend it
		delete(s.bound, connector)
	case ok && !known.HasHostTemplates():
		s.Resolver().ReindexSoon() // it may have been the last one
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
	s.Resolver().Reindex()
}

// maxBindings bounds how many accounts of one connector add hosts of their own,
// for one organisation and for all: one cannot take the places of another.
const (
	maxBindings    = 10_000
	maxAllBindings = 200_000
)

// Index builds the index of what is in use now.
func (s *Set) Index(ctx context.Context) (*providers.Index, error) {
	var bindings []providers.Binding
	for _, acct := range s.Accounts {
		bindings = append(bindings, acct.Bindings()...)
	}
	if s.Vault == nil {
		return providers.NewIndex(s.Base, bindings...)
	}
	used, err := s.Vault.ConnectorsInUse(ctx)
	if err != nil {
		return nil, err
	}
	uses, err := s.fromVault(ctx, used)
	if err != nil {
		return nil, err
	}
	for _, c := range s.Base {
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

// All compiles every connector that is built in, in the directory, or in the
// configuration, when somebody first asks; by key.
func (s *Set) All() []*providers.Connector {
	s.once.Do(func() {
		defs, err := s.Definitions()
		if defs != nil {
			all, more := providers.CompileAll(defs, nil)
			s.all, err = all, errors.Join(err, more)
		}
		if err != nil {
			s.Log.Error("some connectors cannot be used", zap.Error(err))
		}
	})
	return s.all
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
func (s *Set) fromVault(ctx context.Context, used map[string][]string) ([]providers.Use, error) {
	defs, err := s.Definitions()
	if err != nil {
		return nil, err
	}
	view := s.Vault.System()
	custom, err := view.Connectors(ctx)
	if err != nil {
		return nil, err
	}
	var keys []string
	versions, owners := map[string]int64{}, map[string]string{}
	for _, c := range custom {
		if c.State != "active" || s.Declared(c.Key) {
			continue
		}
		d, err := providers.Parse("connector "+c.Key+" (made through the API)", []byte(c.Definition))
		if err != nil {
			s.Log.Error("a connector of the vault cannot be used", zap.String("connector", c.Key), zap.Error(err))
			continue
		}
		d.AllowHTTPTo(s.PlainHTTP)
		defs.Put(d)
		versions[c.Key], owners[c.Key] = c.Version, c.Organisation
		keys = append(keys, c.Key)
	}
	for key := range used {
		if defs.Has(key) && !s.Declared(key) && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var out []providers.Use
	for _, key := range keys {
		c, err := s.compile(defs, key, versions[key])
		if err != nil { // one bad connector must not take the others away
			s.Log.Error("a connector of the vault cannot be used", zap.String("connector", key), zap.Error(err))
			continue
		}
		out = append(out, providers.Use{Connector: c, Organisations: users(used[key], owners[key])})
	}
	return out, nil
}

// compile compiles a connector, or takes the one that was compiled before.
func (s *Set) compile(defs *providers.Definitions, key string, version int64) (*providers.Connector, error) {
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
	s.Compiled(cs[0])
	return cs[0], nil
}

// bindings are the hosts that accounts of the vault add to a connector whose
// hosts are templates. All of them are read once, and then those that change.
func (s *Set) bindings(ctx context.Context, c *providers.Connector) ([]providers.Binding, error) {
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

func (s *Set) readBindings(ctx context.Context, c *providers.Connector, before map[string][]providers.Binding, again map[string]bool) (map[string][]providers.Binding, error) {
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
		row, err := s.Vault.System().Account(ctx, id)
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

func (s *Set) allBindings(ctx context.Context, c *providers.Connector) (map[string][]providers.Binding, error) {
	out, counts := map[string][]providers.Binding{}, map[string]int{}
	page := vault.Page{Limit: 500}
	for len(out) < maxAllBindings {
		list, err := s.Vault.System().Accounts(ctx, vault.AccountFilter{Connector: c.Key}, page)
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
