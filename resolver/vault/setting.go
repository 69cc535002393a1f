package vault

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Setting is one value that the operator set for the whole vault.
type Setting struct {
	Name      string
	Value     string
	UpdatedAt time.Time
	Version   int64
}

// ownSettings begins the names that only the vault itself writes.
const ownSettings = "vault."

// Setting returns a setting, or ErrNotFound.
func (v *Vault) Setting(ctx context.Context, name string) (Setting, error) {
	return one(ctx, v, v.r, scanSetting, "SELECT name, value, version, updated_at FROM settings WHERE name = ?", name)
}

func scanSetting(s scanner) (x Setting, err error) {
	err = s.Scan(&x.Name, &x.Value, &x.Version, timeCol{&x.UpdatedAt})
	return x, err
}

// Settings returns the settings whose names begin with prefix.
func (v *Vault) Settings(ctx context.Context, prefix string) ([]Setting, error) {
	all, err := collect(ctx, v, v.r, scanSetting, "SELECT name, value, version, updated_at FROM settings WHERE name >= ? ORDER BY name", prefix)
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
func (s *View) PutSetting(ctx context.Context, name, value string, version int64) (Setting, error) {
	if err := checkName("name", name); err != nil {
		return Setting{}, err
	}
	switch {
	case strings.HasPrefix(name, ownSettings):
		return Setting{}, invalid("name", "begins with %s, which is the vault's own", ownSettings)
	case len(value) > maxMetadataLen:
		return Setting{}, invalid("value", "is longer than %d bytes", maxMetadataLen)
	case s.org != All:
		return Setting{}, ErrOrganisation
	}
	x := Setting{Name: name, Value: value}
	err := s.v.write(ctx, func(t *tx) error {
		old, err := one(ctx, s.v, t, scanSetting, t.locked("SELECT name, value, version, updated_at FROM settings WHERE name = ?"), name)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if version != 0 && version != old.Version {
			return ErrConflict
		}
		x.Version, x.UpdatedAt = old.Version+1, s.v.moment()
		if err := t.putSetting(ctx, x); err != nil {
			return err
		}
		t.changed(Change{Kind: KindSetting, ID: name})
		return s.note(ctx, t, "setting.updated", DefaultOrganisation, name)
	})
	return x, err
}

func (t *tx) putSetting(ctx context.Context, x Setting) error {
	_, err := t.exec(ctx, `INSERT INTO settings (name, value, version, updated_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value, version = excluded.version, updated_at = excluded.updated_at`,
		x.Name, x.Value, x.Version, micros(x.UpdatedAt))
	return err
}
