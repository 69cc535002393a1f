// Package live keeps in memory what the proxy needs of a vault, and lets it go
// when it changes: agents by token, grants by agent and connector, accounts
// with their secrets. In the steady state a request touches no database.
package live

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Bounds of what is kept. Beyond them what was used least is read again.
const (
	maxAgents   = 20_000
	maxPermits  = 100_000
	maxAccounts = 100_000
	// badTokenFor is how long a token that opens nothing is remembered as such.
	badTokenFor = 2 * time.Second
	// maxWrong bounds those: apart from the others, which they must not push out.
	maxWrong = 10_000
	// maxLooking is how many unknown tokens are looked up at a time. Strangers can
	// invent as many as they like.
	maxLooking = 4
)

// Directory is a resolver.Directory over a vault, and over what the
// configuration file declares, which wins.
type Directory struct {
	c Config
	v *vault.Vault

	// mu orders keeping what was read against hearing that it changed.
	mu       sync.Mutex
	agents   *otter.Cache[[sha256.Size]byte, *tokenEntry]
	wrong    *otter.Cache[[sha256.Size]byte, time.Time] // tokens that open nothing, until when
	looking  chan struct{}                              // places for looking up tokens that are not known
	byID     *otter.Cache[string, *idEntry]
	permits  *otter.Cache[permitKey, *permitEntry]
	accounts *otter.Cache[string, *account]
	cancel   func()
}

type tokenEntry struct {
	agent *resolver.Agent
	until time.Time // zero: for ever
}

type permitKey struct{ agent, connector string }

type permitEntry struct {
	granted  []resolver.Granted
	accounts []*account
	until    time.Time // the first of the grants' ends; zero: none ends
}

// account is one that is kept; stale means that it changed meanwhile.
type account struct {
	*resolver.Account
	stale atomic.Bool
}

// New makes a Directory that follows the vault until Close.
func New(c Config) *Directory {
	d := &Directory{c: c, v: c.Vault}
	d.agents = otter.Must(&otter.Options[[sha256.Size]byte, *tokenEntry]{MaximumSize: maxAgents})
	d.wrong = otter.Must(&otter.Options[[sha256.Size]byte, time.Time]{MaximumSize: maxWrong})
	d.byID = otter.Must(&otter.Options[string, *idEntry]{MaximumSize: maxAgents})
	d.looking = make(chan struct{}, maxLooking)
	d.permits = otter.Must(&otter.Options[permitKey, *permitEntry]{MaximumSize: maxPermits})
	d.accounts = otter.Must(&otter.Options[string, *account]{
		MaximumSize: maxAccounts,
		OnDeletion:  func(e otter.DeletionEvent[string, *account]) { e.Value.stale.Store(true) },
	})
	d.cancel = c.Vault.Subscribe(d.heard)
	return d
}

// Close stops following the vault.
func (d *Directory) Close() { d.cancel() }

// heard lets go of what changed.
func (d *Directory) heard(c vault.Change) {
	if c.Kind == vault.KindApproval || c.Kind == vault.KindTool {
		return // see Approvals
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !c.Refreshed {
		defer d.c.Heard()
	}
	switch c.Kind {
	case vault.KindAccount:
		if c.Refreshed {
			if a, ok := d.accounts.GetIfPresent(c.ID); ok {
				a.Saw(c.Generation)
			}
			d.c.Refreshed(c.ID)
			return
		}
		d.forget(c.ID)
		d.c.Changed(c.Connector, c.ID, c.Organisation)
	case vault.KindAgent: // its name, its tokens, the connectors that it may use
		d.forgetAgent(c.Agent)
	case vault.KindGrant:
		d.permits.Invalidate(permitKey{c.Agent, c.Connector})
	case vault.KindConnector, vault.KindApp:
		d.forgetAll()
		d.c.Changed(c.Connector, "", "")
	case vault.KindEverything:
		d.agents.InvalidateAll()
		d.wrong.InvalidateAll()
		d.byID.InvalidateAll()
		d.forgetAll()
		d.c.Changed("", "", "")
	}
}

// forgetAgent lets go of one agent, and of tokens that open nothing: it may have
// been given one of them. Others stay, or each edit would send every agent's next
// request to the database. Its grants stay too: who is no agent any more gets to
// none, and which connectors it may use stands with the agent.
func (d *Directory) forgetAgent(id string) {
	for sum, e := range d.agents.All() {
		if e.agent.ID == id || id == "" {
			d.agents.Invalidate(sum)
		}
	}
	d.wrong.InvalidateAll()
	if d.byID.Invalidate(id); id == "" {
		d.byID.InvalidateAll()
	}
}

func (d *Directory) forget(id string) {
	if a, ok := d.accounts.GetIfPresent(id); ok {
		a.stale.Store(true)
		d.accounts.Invalidate(id)
	}
	d.c.Edited(id)
	d.c.Corrected(id)
}

func (d *Directory) forgetAll() {
	for id, a := range d.accounts.All() {
		a.stale.Store(true)
		d.c.Corrected(id)
	}
	d.accounts.InvalidateAll()
	d.permits.InvalidateAll()
}

// keep runs f only if nothing has changed since epoch.
func (d *Directory) keep(epoch uint64, f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.v.Epoch() == epoch {
		f()
	}
}

// AgentByToken implements resolver.Directory.
func (d *Directory) AgentByToken(ctx context.Context, name, token string) (*resolver.Agent, error) {
	if a, err := d.c.Static.AgentByToken(ctx, name, token); err == nil {
		return a, nil
	}
	if !vault.LooksLikeAgentToken(token) {
		return nil, resolver.ErrUnknownAgent
	}
	sum := sha256.Sum256([]byte(token))
	e, ok := d.agents.GetIfPresent(sum)
	if !ok || !e.until.IsZero() && time.Now().After(e.until) {
		var err error
		if e, err = d.readAgent(ctx, sum, token); err != nil {
			return nil, err
		}
	}
	if name != "" && name != e.agent.Name {
		return nil, resolver.ErrUnknownAgent
	}
	return e.agent, nil
}

// TokenDigests implements resolver.Directory.
func (d *Directory) TokenDigests(ctx context.Context, prefix string) ([][]byte, error) {
	filed, err := d.c.Static.TokenDigests(ctx, prefix)
	if err != nil || len(filed) > 0 {
		return filed, err
	}
	return d.v.AgentTokenDigests(ctx, prefix)
}

// readAgent asks the vault for a token that is not known, a few at a time.
func (d *Directory) readAgent(ctx context.Context, sum [sha256.Size]byte, token string) (*tokenEntry, error) {
	if until, ok := d.wrong.GetIfPresent(sum); ok && time.Now().Before(until) {
		return nil, resolver.ErrUnknownAgent
	}
	select {
	case d.looking <- struct{}{}:
		defer func() { <-d.looking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	epoch := d.v.Epoch()
	a, until, err := d.v.AgentByToken(ctx, secret.New(token))
	if errors.Is(err, vault.ErrNotFound) {
		d.keep(epoch, func() { d.wrong.Set(sum, time.Now().Add(badTokenFor)) })
		return nil, resolver.ErrUnknownAgent
	}
	if err != nil {
		return nil, err
	}
	e := &tokenEntry{d.agent(&a), until}
	d.keep(epoch, func() { d.agents.Set(sum, e) })
	return e, nil
}

func (d *Directory) agent(a *vault.Agent) *resolver.Agent {
	return &resolver.Agent{ID: a.ID, Name: a.Name, Organisation: a.Organisation, Only: a.Connectors, Limit: d.c.Limit(a.ID),
		Budgets: budget.Of(budget.Owner{Kind: "agent", ID: a.ID, Name: a.Name, Organisation: a.Organisation}, a.Budgets)}
}

// idEntry is an agent that was looked up by its id.
type idEntry struct {
	agent *resolver.Agent // nil: there is none, or it is suspended
	ends  time.Time       // zero: never
}

// AgentByID implements resolver.Directory.
func (d *Directory) AgentByID(ctx context.Context, id string) (*resolver.Agent, error) {
	if a, err := d.c.Static.AgentByID(ctx, id); err == nil {
		return a, nil
	}
	e, ok := d.byID.GetIfPresent(id)
	if !ok {
		epoch := d.v.Epoch()
		a, err := d.v.System().Agent(ctx, id)
		switch {
		case errors.Is(err, vault.ErrNotFound):
			e = &idEntry{}
		case err != nil:
			return nil, err
		case a.Disabled:
			e = &idEntry{}
		default:
			e = &idEntry{d.agent(&a), a.ExpiresAt}
		}
		d.keep(epoch, func() { d.byID.Set(id, e) })
	}
	if e.agent == nil || !e.ends.IsZero() && !time.Now().Before(e.ends) {
		return nil, resolver.ErrUnknownAgent
	}
	return e.agent, nil
}

// AgentByName implements resolver.Directory: only the configuration file says
// who is known without a token.
func (d *Directory) AgentByName(ctx context.Context, name string) (*resolver.Agent, error) {
	return d.c.Static.AgentByName(ctx, name)
}

// Granted implements resolver.Directory. Agents of the configuration file have
// the grants that stand there, and those that were given to them here. An agent
// of the vault that is called like one of them has only its own.
func (d *Directory) Granted(ctx context.Context, agent *resolver.Agent, connector string) ([]resolver.Granted, error) {
	if !agent.MayUse(connector) {
		return nil, nil
	}
	if !d.c.Static.Has(agent) {
		e, err := d.permitsOf(ctx, permitKey{agent.ID, connector})
		if err != nil {
			return nil, err
		}
		return e.granted, nil
	}
	fixed, err := d.c.Static.Granted(ctx, agent, connector)
	if err != nil {
		return nil, err
	}
	e, err := d.permitsOf(ctx, permitKey{vault.FileAgent + agent.Name, connector})
	switch {
	case err != nil && len(fixed) > 0:
		return fixed, nil // what the file says holds without the vault
	case err != nil:
		return nil, err
	case len(fixed) == 0:
		return e.granted, nil
	}
	return append(fixed[:len(fixed):len(fixed)], e.granted...), nil
}

// permitsOf reads what an agent was granted for a connector, with the accounts
// and their secrets, in one round trip to the database.
func (d *Directory) permitsOf(ctx context.Context, key permitKey) (*permitEntry, error) {
	if e, ok := d.permits.GetIfPresent(key); ok && e.fresh() {
		return e, nil
	}
	epoch := d.v.Epoch()
	permits, err := d.v.OpenPermits(ctx, key.agent, key.connector, d.has)
	if err != nil {
		return nil, err
	}
	e := &permitEntry{}
	for i := range permits {
		if err := d.addPermit(ctx, e, &permits[i], epoch); err != nil {
			return nil, err
		}
	}
	d.keep(epoch, func() { d.permits.Set(key, e) })
	return e, nil
}

func (e *permitEntry) fresh() bool {
	if !e.until.IsZero() && time.Now().After(e.until) {
		return false
	}
	for _, a := range e.accounts {
		if a.stale.Load() {
			return false
		}
	}
	return true
}
