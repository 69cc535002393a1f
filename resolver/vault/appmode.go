package vault

import (
	"context"
	"errors"
	"slices"

	"github.com/attache-proxy/attache/resolver/vault/access"
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
)

// appModes begins the names of the settings that say which apps a connector's
// accounts are connected through.
const appModes = "app_mode."

// AppModeAuto is the mode where nobody chose: an organisation's own app if it has
// one, else the operator's.
const AppModeAuto = "auto"

// appModeSetting names the setting of one organisation, or of everybody (All).
func appModeSetting(connector, org string) string { return appModes + connector + "." + org }

// AppMode is AppManaged, AppOwn or AppModeAuto: what the organisation chose for
// the connector, else what was chosen for everybody.
func (v *Vault) AppMode(ctx context.Context, connector, org string) (string, error) {
	for _, of := range []string{org, All} {
		x, err := v.Setting(ctx, appModeSetting(connector, of))
		if err == nil && x.Value != "" {
			return x.Value, nil
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return "", err
		}
	}
	return AppModeAuto, nil
}

// SetAppMode chooses for the view's organisation, or for everybody where it sees
// all. AppModeAuto takes an earlier choice back. Accounts stay with the app that
// they were connected through until they are connected again.
func (s *View) SetAppMode(ctx context.Context, connector, mode string) error {
	switch mode {
	case AppManaged, AppOwn:
	case AppModeAuto:
		mode = ""
	default:
		return database.Invalid("mode", "must be managed, own or auto")
	}
	if err := database.CheckName("connector", connector); err != nil {
		return err
	}
	return s.v.write(ctx, func(t *tx) error {
		name := appModeSetting(connector, s.Org)
		old, err := access.LockSetting(ctx, t.Tx, name)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err := access.PutSetting(ctx, t.Tx, access.Setting{Name: name, Value: mode, Version: old.Version + 1, UpdatedAt: s.v.db.Now()}); err != nil {
			return err
		}
		t.Changed(Change{Kind: KindApp, Connector: connector})
		e := s.Event(AuditAdmin, "app.mode", s.Org)
		e.Connector, e.Detail = connector, mode
		return audit.Write(ctx, t.Tx, e)
	})
}

// inMode keeps the apps that a mode lets be used.
func inMode(apps []App, mode string) []App {
	if mode == AppModeAuto {
		return apps
	}
	return slices.DeleteFunc(apps, func(a App) bool { return a.Mode != mode })
}
