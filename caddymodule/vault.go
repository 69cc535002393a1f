package caddymodule

import (
	"context"
	"errors"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/attache-proxy/attache/caddymodule/live"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/vault"
)

// vaults outlive a reload.
var vaults = caddy.NewUsagePool()

type pooledVault struct {
	*vault.Vault
	fingerprint string // of the keys
}

// Destruct closes the vault when no configuration uses it any more.
func (p pooledVault) Destruct() error { return p.Close() }

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
		return pooledVault{v, strings.Join(keys.IDs(), " ")}, nil
	})
	if err != nil {
		a.vaultKey = ""
		return err
	}
	p := v.(pooledVault)
	if p.fingerprint != strings.Join(keys.IDs(), " ") {
		return errors.New("the vault's keys cannot change in a reload; stop and start, or add the new key and restart")
	}
	a.vault = p.Vault
	return nil
}

func (a *App) closeVault() {
	if a.approvals != nil {
		a.approvals.Close()
		a.unhear()
	}
	if a.directory != nil {
		a.directory.Close()
	}
	if a.vaultKey != "" {
		_, _ = vaults.Delete(a.vaultKey)
	}
}

// buildDirectory joins the configuration's agents with the vault's.
func (a *App) buildDirectory(cache sharedCache) resolver.Directory {
	if a.vault == nil {
		return a.static
	}
	a.asked = live.Approvals{Vault: a.vault, Static: a.static}
	a.approvals = approval.NewDesk(a.asked, approval.Default)
	a.unhear = a.asked.Hear(a.approvals)
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
