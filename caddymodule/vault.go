package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver of vault postgres
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	_ "modernc.org/sqlite" // the driver of vault sqlite

	"github.com/attache-proxy/attache/caddymodule/live"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/vault"
)

// VaultConfig says where accounts, agents and grants are remembered.
type VaultConfig struct {
	// Driver is sqlite or postgres.
	Driver string `json:"driver"`
	// Source is the file of SQLite, or the URL of PostgreSQL; placeholders are
	// resolved. The default is attache/vault.db in Caddy's data directory.
	Source string `json:"source,omitempty"`
}

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
	source, err := a.Vault.source()
	if err != nil {
		return err
	}
	keys, err := a.keys(filepath.Dir(source))
	if err != nil {
		return err
	}
	a.vaultKey = a.Vault.Driver + " " + source
	v, _, err := vaults.LoadOrNew(a.vaultKey, func() (caddy.Destructor, error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		v, err := vault.Open(ctx, vault.Config{
			Driver: a.Vault.Driver, Source: source, Keys: keys, AuditSync: a.Audit.Sync,
			AuditRetention: time.Duration(a.Audit.Retention), UsageRetention: time.Duration(a.Audit.UsageRetention),
			Log: slog.New(zapslog.NewHandler(a.logger.Named("vault").Core())),
		})
		if err != nil {
			return nil, fmt.Errorf("vault %s: %w", a.Vault.Driver, err)
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
	if a.directory != nil {
		a.directory.Close()
	}
	if a.vaultKey != "" {
		_, _ = vaults.Delete(a.vaultKey)
	}
}

func (c *VaultConfig) source() (string, error) {
	if c.Source == "" {
		if c.Driver != "sqlite" {
			return "", fmt.Errorf("vault %s: the URL is missing: vault postgres {env.DATABASE_URL}", c.Driver)
		}
		return filepath.Join(caddy.AppDataDir(), "attache", "vault.db"), nil
	}
	s, err := caddy.NewReplacer().ReplaceOrErr(c.Source, true, true)
	if err != nil {
		return "", fmt.Errorf("vault %s: %w", c.Driver, err)
	}
	return s, nil
}

// keys are those that are configured. For SQLite there is a default: a file
// beside the database, made at the first start.
func (a *App) keys(dir string) (*vault.Keyring, error) {
	if len(a.Key) == 0 {
		if a.Vault.Driver != "sqlite" {
			return nil, errors.New("key is missing: write key {file./run/secrets/attache.key} into the attache option; attache vault keygen makes one")
		}
		path := filepath.Join(dir, "vault.key")
		keys, made, err := vault.EnsureKeyFile(path)
		if made {
			a.logger.Warn("made the key that seals the vault; back it up, without it the accounts are lost", zap.String("file", path))
		}
		return keys, err
	}
	return a.configuredKeys()
}

// configuredKeys are those of the option key.
func (a *App) configuredKeys() (*vault.Keyring, error) {
	var all []string
	for i, k := range a.Key {
		v, err := caddy.NewReplacer().ReplaceOrErr(k, true, true)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		all = append(all, v)
	}
	return vault.ParseKeys(secret.New(strings.Join(all, "\n")))
}

// buildDirectory joins the configuration's agents with the vault's.
func (a *App) buildDirectory(cache sharedCache) resolver.Directory {
	if a.vault == nil {
		return a.static
	}
	a.directory = live.New(live.Config{
		Vault: a.vault, Static: a.static,
		Connector:  func(key string) (*providers.Connector, bool) { return a.resolver.Index().ByKey(key) },
		ConnectURL: a.connectURL,
		Changed:    a.set.changed,
		LeaseFor:   resolver.LeaseFor(a.tokenTimeout()),
		Refreshed:  cache.Drop,
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
