package config

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

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Vault says where accounts, agents and grants are remembered.
type Vault struct {
	// Driver is sqlite or postgres.
	Driver string `json:"driver"`
	// Source is the file of SQLite, or the URL of PostgreSQL; placeholders are
	// resolved. The default is attache/vault.db in Caddy's data directory.
	Source string `json:"source,omitempty"`
}

// Place is the file or the URL, placeholders resolved.
func (v *Vault) Place() (string, error) {
	if v.Source == "" {
		if v.Driver != "sqlite" {
			return "", fmt.Errorf("vault %s: the URL is missing: vault postgres {env.DATABASE_URL}", v.Driver)
		}
		return filepath.Join(caddy.AppDataDir(), "attache", "vault.db"), nil
	}
	s, err := caddy.NewReplacer().ReplaceOrErr(v.Source, true, true)
	if err != nil {
		return "", fmt.Errorf("vault %s: %w", v.Driver, err)
	}
	return s, nil
}

// Keys are those of the option key. For SQLite there is a default: a file
// beside the database at place, made at the first start.
func (v *Vault) Keys(option []string, place string, log *zap.Logger) (*vault.Keyring, error) {
	if len(option) > 0 {
		return Keys(option)
	}
	if v.Driver != "sqlite" {
		return nil, errors.New("key is missing: write key {file./run/secrets/attache.key} into the attache option; attache vault keygen makes one")
	}
	path := filepath.Join(filepath.Dir(place), "vault.key")
	keys, made, err := vault.EnsureKeyFile(path)
	if made {
		log.Warn("made the key that seals the vault; back it up, without it the accounts are lost", zap.String("file", path))
	}
	return keys, err
}

// Open opens the vault at place.
func (v *Vault) Open(place string, keys *vault.Keyring, audit Audit, log *zap.Logger) (*vault.Vault, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	opened, err := vault.Open(ctx, vault.Config{
		Driver: v.Driver, Source: place, Keys: keys, AuditSync: audit.Sync,
		AuditRetention: time.Duration(audit.Retention), UsageRetention: time.Duration(audit.UsageRetention),
		Log: slog.New(zapslog.NewHandler(log.Named("vault").Core())),
	})
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", v.Driver, err)
	}
	return opened, nil
}

// Keys are those of the option key, placeholders resolved.
func Keys(option []string) (*vault.Keyring, error) {
	var all []string
	for i, k := range option {
		v, err := caddy.NewReplacer().ReplaceOrErr(k, true, true)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		all = append(all, v)
	}
	return vault.ParseKeys(secret.New(strings.Join(all, "\n")))
}
