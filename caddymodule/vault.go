package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

// connectorSet finds the connectors in use: of the configuration, made through
// the API, and of the catalogue where somebody has an account.
type connectorSet struct {
	app *App
	// base are the configuration's own.
	base []*providers.Connector

	once sync.Once // for all: the whole catalogue, in use or not
	all  []*providers.Connector
}

// maxBindings bounds how many accounts of one connector are looked at for
// hosts of their own.
const maxBindings = 10_000

// index builds the index of what is in use now.
func (s *connectorSet) index(ctx context.Context) (*providers.Index, error) {
	all := slices.Clone(s.base)
	var bindings []providers.Binding
	for _, acct := range s.app.accounts {
		bindings = append(bindings, acct.Bindings()...)
	}
	if s.app.vault != nil {
		more, err := s.fromVault(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
		for _, c := range all {
			b, err := s.bindings(ctx, c)
			if err != nil {
				return nil, err
			}
			bindings = append(bindings, b...)
		}
	}
	return providers.NewIndex(all, bindings...)
}

// fromVault compiles the connectors that only the vault brings into use.
func (s *connectorSet) fromVault(ctx context.Context) ([]*providers.Connector, error) {
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
		defs[c.Key] = d
		keys = append(keys, c.Key)
	}
	used, err := s.app.vault.ConnectorsInUse(ctx)
	if err != nil {
		return nil, err
	}
	for _, key := range used {
		if defs[key] != nil && s.app.Connectors[key] == nil && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var out []*providers.Connector
	for _, key := range keys {
		c, err := providers.CompileAll(defs, []string{key})
		if err != nil { // one bad connector must not take the others away
			s.app.logger.Error("a connector of the vault cannot be used", zap.String("connector", key), zap.Error(err))
			continue
		}
		out = append(out, c...)
	}
	return out, nil
}

// bindings are the hosts that accounts of the vault add to connectors whose
// hosts are templates.
func (s *connectorSet) bindings(ctx context.Context, c *providers.Connector) ([]providers.Binding, error) {
	if !c.HasHostTemplates() {
		return nil, nil
	}
	var out []providers.Binding
	page := vault.Page{Limit: 500}
	for n := 0; n < maxBindings; n += 500 {
		list, err := s.app.vault.System().Accounts(ctx, vault.AccountFilter{Connector: c.Key}, page)
		if err != nil {
			return nil, err
		}
		for _, row := range list.Items {
			fields := secret.Values{}
			for name, v := range row.Fields {
				fields[name] = secret.New(v)
			}
			a := resolver.Account{Connector: c, Fields: fields, Meta: maps.Clone(row.Captured)}
			out = append(out, a.Bindings()...)
		}
		if page.After = list.Next; page.After == "" {
			break
		}
	}
	return out, nil
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
		Changed:    func(string) { a.resolver.Reindex() },
		LeaseFor:   resolver.LeaseFor(a.tokenTimeout()),
		Refreshed:  cache.Drop,
		Edited:     func(id string) { cache.Drop(id); go cache.Delete(context.Background(), id) },
	})
	return a.directory
}
