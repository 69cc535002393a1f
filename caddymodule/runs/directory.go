// Package runs is the proxy's side of runs of commands: whose a run's token is, and where
// attache exec opens and ends one.
package runs

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/run"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Directory is a resolver.Directory that knows the tokens of runs too.
type Directory struct {
	resolver.Directory
	desk *run.Desk
	// epoch counts what may have taken an agent's token away.
	epoch  atomic.Uint64
	unhear func()
}

// New makes one until Close. The vault may be nil; wake is called when a run has ended.
func New(inner resolver.Directory, desk *run.Desk, v *vault.Vault, wake func()) *Directory {
	d := &Directory{Directory: inner, desk: desk, unhear: func() {}}
	if v != nil {
		d.unhear = v.Subscribe(func(c vault.Change) {
			switch c.Kind {
			case vault.KindRun:
				desk.Forget(c.ID)
				wake()
			case vault.KindAgent:
				d.epoch.Add(1)
			case vault.KindEverything:
				d.epoch.Add(1)
				desk.Forget("")
			}
		})
	}
	return d
}

// Close stops following the vault.
func (d *Directory) Close() { d.unhear() }

// AgentByToken implements resolver.Directory. A run's token is the agent's for as long as
// the run goes on, and the token is good by which it was opened.
func (d *Directory) AgentByToken(ctx context.Context, name, token string) (*resolver.Agent, error) {
	if !run.LooksLikeToken(token) {
		return d.Directory.AgentByToken(ctx, name, token)
	}
	k, err := d.desk.Find(ctx, token)
	if err != nil {
		return nil, unknown(err)
	}
	a, err := d.AgentByID(ctx, k.AgentID)
	if err != nil {
		return nil, err
	}
	if name != "" && name != a.Name {
		return nil, resolver.ErrUnknownAgent
	}
	if err := d.check(ctx, k); err != nil {
		return nil, err
	}
	of := *a
	of.Run = &k.Run
	return &of, nil
}

// unknown makes a run that is over an agent that is not known.
func unknown(err error) error {
	if run.IsOver(err) {
		return fmt.Errorf("%w: %w", resolver.ErrUnknownAgent, err)
	}
	return err
}

// check finds out whether the token by which a run was opened still is the agent's.
func (d *Directory) check(ctx context.Context, k *run.Known) error {
	epoch, now := d.epoch.Load(), time.Now()
	if k.Opener == "" || k.Checked.Holds(d, epoch, now) {
		return nil
	}
	digests, err := d.TokenDigests(ctx, k.Opener)
	if err != nil && k.Checked.Since(d, epoch) {
		return nil // it was, nobody has heard of a change, and the vault is away
	}
	if err != nil {
		return err
	}
	if len(digests) == 0 {
		return fmt.Errorf("%w: the token by which the run was opened was taken away", resolver.ErrUnknownAgent)
	}
	k.Checked.Found(d, epoch, now)
	return nil
}
