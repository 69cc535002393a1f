package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/caddymodule/live"
	"github.com/attache-proxy/attache/caddymodule/runs"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/run"
	"github.com/attache-proxy/attache/resolver/tool"
	"github.com/attache-proxy/attache/resolver/vault"
)

// vaults outlive a reload.
var vaults = caddy.NewUsagePool()

type pooledVault struct {
	*vault.Vault
	fingerprint string // of the keys
	desk        *run.Desk
}

// Destruct closes the vault when no configuration uses it any more.
func (p pooledVault) Destruct() error {
	return errors.Join(p.desk.Close(context.Background()), p.Close())
}

// ownDesk is where there is no vault. It outlives a reload.
var ownDesk = sync.OnceValue(func() *run.Desk { return run.NewDesk(new(run.Memory), func(string, error) {}) })

// openVault opens the vault, or takes the one that is open since the last
// configuration.
func (a *App) openVault() error {
	if a.Vault == nil {
		return nil
	}
	place, err := a.Vault.Place()
	if err != nil {
		return err
	}
	keys, err := a.Vault.Keys(a.Key, place, a.logger)
	if err != nil {
		return err
	}
	a.vaultKey = a.Vault.Driver + " " + place
	v, _, err := vaults.LoadOrNew(a.vaultKey, func() (caddy.Destructor, error) {
		v, err := a.Vault.Open(place, keys, a.Audit, a.logger)
		if err != nil {
			return nil, err
		}
		warn := func(what string, err error) { caddy.Log().Named("attache").Warn(what, zap.Error(err)) }
		return pooledVault{v, strings.Join(keys.IDs(), " "), run.NewDesk(v, warn)}, nil
	})
	if err != nil {
		a.vaultKey = ""
		return err
	}
	p := v.(pooledVault)
	if p.fingerprint != strings.Join(keys.IDs(), " ") {
		return errors.New("the vault's keys cannot change in a reload; stop and start, or add the new key and restart")
	}
	a.vault, a.runs.Desk = p.Vault, p.desk
	return nil
}

func (a *App) closeVault() {
	if a.approvals != nil {
		a.approvals.Close()
		a.unhear()
	}
	if a.runsOf != nil {
		a.runsOf.Close()
	}
	if a.directory != nil {
		a.directory.Close()
	}
	if a.vaultKey != "" {
		_, _ = vaults.Delete(a.vaultKey)
	}
}

// errNoLaunchKey is a grant that nobody could use.
var errNoLaunchKey = errors.New("only who has the launch key can show that a run is confined, and there is none; write launch_key into the option attache")

// tellUnconfined says which agents of the configuration may go round us: their programs
// get credentials wherever they run. It warns where the operator thought of that.
func (a *App) tellUnconfined() {
	var names []string
	for name, agent := range a.Agents {
		if slices.ContainsFunc(agent.Grants, func(g config.Grant) bool { return !g.Confined }) {
			names = append(names, name)
		}
	}
	if len(names) == 0 || a.RequireConfined {
		return
	}
	slices.Sort(names)
	tell := a.logger.Info
	if a.LaunchKey != nil {
		tell = a.logger.Warn
	}
	tell("nothing keeps programs of these agents from going round the proxy: they have grants that are not confined (docs/confinement.md)", zap.Strings("agents", names))
}

// openRuns lets runs' tokens be known beside those of agents.
func (a *App) openRuns(inner resolver.Directory) (resolver.Directory, error) {
	key, made, err := runs.Key(a.LaunchKey)
	if err == nil && a.RequireConfined && a.LaunchKey == nil {
		err = fmt.Errorf("require_confined: %w", errNoLaunchKey)
	}
	if err != nil {
		return nil, err
	}
	a.tellUnconfined()
	if made != "" {
		a.logger.Info("made the launch key, which shows that a run is confined: for whoever starts agents, and not for them", zap.String("file", made))
	}
	if a.runs.Desk == nil {
		a.runs.Desk, a.runs.Forgets = ownDesk(), true
	}
	a.runs.LaunchKey, a.runs.Wake = runs.Digest(key), underWay.Wake
	a.runsOf = runs.New(inner, a.runs.Desk, a.vault, underWay.Wake)
	return a.runsOf, nil
}

// buildDirectory joins the configuration's agents with the vault's.
func (a *App) buildDirectory(cache sharedCache) resolver.Directory {
	if a.vault == nil {
		return a.static
	}
	a.asked = live.Approvals{Vault: a.vault, Static: a.static}
	a.approvals = approval.NewDesk(a.asked, approval.Default)
	a.tools = tool.NewBook(a.vault)
	a.unhear = a.asked.Hear(a.approvals, a.tools)
	a.directory = live.New(live.Config{
		Vault: a.vault, Static: a.static,
		Connector:  func(key string) (*providers.Connector, bool) { return a.resolver.Index().ByKey(key) },
		ConnectURL: a.connectURL,
		Changed:    a.set.Changed,
		LeaseFor:   resolver.LeaseFor(a.tokenTimeout()),
		Refreshed:  cache.Drop,
		Corrected:  a.credentials.Corrected,
		Heard:      underWay.Wake,
		Limit:      func(id string) *limit.Agent { return a.limitOf(id, limit.Limits{}) },
		Edited: func(id string) {
			_, had := cache.Near(id)
			cache.Drop(id)
			if had { // whoever put it into Redis has it here; what is left there is of an old generation
				go cache.Delete(context.Background(), id)
			}
		},
	})
	return a.directory
}
