package access

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Setting is one value that the operator set for the whole vault.
type Setting struct {
	Name      string
	Value     string
	UpdatedAt time.Time
	Version   int64
}

// OwnSettings begins the names that only the vault itself writes.
const OwnSettings = "vault."

// Setting returns a setting, or ErrNotFound.
func (s Gate) Setting(ctx context.Context, name string) (Setting, error) {
	return database.One(ctx, s.db.Reader, scanSetting, "SELECT name, value, version, updated_at FROM settings WHERE name = ?", name)
}

func scanSetting(s database.Scanner) (x Setting, err error) {
	err = s.Scan(&x.Name, &x.Value, &x.Version, database.Time(&x.UpdatedAt))
	return x, err
}

// Settings returns the settings whose names begin with prefix.
func (s Gate) Settings(ctx context.Context, prefix string) ([]Setting, error) {
	all, err := database.Collect(ctx, s.db.Reader, scanSetting, "SELECT name, value, version, updated_at FROM settings WHERE name >= ? ORDER BY name", prefix)
	if err != nil {
		return nil, err
	}
	var out []Setting
	for _, x := range all {
		if strings.HasPrefix(x.Name, prefix) {
			out = append(out, x)
		}
	}
	return out, nil
}

// PutSetting sets a value. version is that of the setting that was read; 0 means
// whatever is there, or nothing.
func (s Tokens) PutSetting(ctx context.Context, name, value string, version int64) (Setting, error) {
	if err := database.CheckName("name", name); err != nil {
		return Setting{}, err
	}
	switch {
	case strings.HasPrefix(name, OwnSettings):
		return Setting{}, database.Invalid("name", "begins with %s, which is the vault's own", OwnSettings)
	case len(value) > database.MaxJSON:
		return Setting{}, database.Invalid("value", "is longer than %d bytes", database.MaxJSON)
	case s.view.Org != audit.All:
		return Setting{}, database.ErrOrganisation
	}
	x := Setting{Name: name, Value: value}
	err := s.db.Write(ctx, func(t *database.Tx) error {
		old, err := LockSetting(ctx, t, name)
		if err != nil && !errors.Is(err, database.ErrNotFound) {
			return err
		}
		if version != 0 && version != old.Version {
			return database.ErrConflict
		}
		x.Version, x.UpdatedAt = old.Version+1, s.db.Now()
		if err := PutSetting(ctx, t, x); err != nil {
			return err
		}
		t.Changed(database.Change{Kind: database.KindSetting, ID: name})
		return s.view.Note(ctx, t, "setting.updated", audit.DefaultOrganisation, name)
	})
	return x, err
}

// LockSetting is Setting for a transaction that will write it.
func LockSetting(ctx context.Context, t *database.Tx, name string) (Setting, error) {
	return database.One(ctx, t, scanSetting, t.Locked("SELECT name, value, version, updated_at FROM settings WHERE name = ?"), name)
}

// PutSetting writes a setting as it is.
func PutSetting(ctx context.Context, t *database.Tx, x Setting) error {
	_, err := t.Exec(ctx, `INSERT INTO settings (name, value, version, updated_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value, version = excluded.version, updated_at = excluded.updated_at`,
		x.Name, x.Value, x.Version, database.Micros(x.UpdatedAt))
	return err
}
