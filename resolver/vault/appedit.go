package vault

import (
	"context"
	"maps"
	"slices"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/database"
)

// AppEdit is what may be changed; nil leaves a thing as it is.
type AppEdit struct {
	Name, ClientID *string
	Params         map[string]string
	RedirectURIs   []string
	Active         *bool
	// Secrets that are named are replaced, or deleted where zero.
	Secrets secret.Values
	// Hosts may change only where no secret stays that was entered for others.
	Hosts []string
	// Checked is App's.
	Checked string
}

// UpdateApp edits an app that is at version, or at any if version is 0.
func (s *View) UpdateApp(ctx context.Context, id string, version int64, e AppEdit) (App, error) {
	var err error
	if e.Secrets, err = appSecrets(e.Secrets); err != nil {
		return App{}, err
	}
	return s.editApp(ctx, id, version, func(t *tx, a *App) error {
		set(&a.Name, e.Name)
		set(&a.ClientID, e.ClientID)
		set(&a.Active, e.Active)
		if e.Params != nil {
			a.Params = e.Params
		}
		if e.RedirectURIs != nil {
			a.RedirectURIs = e.RedirectURIs
		}
		if err := t.sameConnector(ctx, a.Connector, e.Checked); err != nil {
			return err
		}
		secrets, err := s.fixHosts(ctx, t, a, &e)
		if err != nil {
			return err
		}
		if err := a.check(); err != nil {
			return err
		}
		if err := t.v.seals.Put(ctx, t.Tx, a.owner(), secrets); err != nil {
			return err
		}
		a.Version++
		a.UpdatedAt = s.v.db.Now()
		_, err = t.Exec(ctx, "UPDATE apps SET name = ?, client_id = ?, params = ?, active = ?, updated_at = ?, version = ? WHERE id = ?",
			a.Name, a.ClientID, a.paramsText(), database.Bit(a.Active), database.Micros(a.UpdatedAt), a.Version, id)
		if err != nil {
			return err
		}
		if e.ClientID != nil || len(e.Secrets) > 0 {
			if err := s.clientCorrected(ctx, t, a); err != nil {
				return err
			}
		}
		return s.tellApp(ctx, t, a, "app.updated")
	})
}

// clientCorrected lets accounts work again which are in error because the service
// refused their OAuth client: it is another one now. Those for which it is still
// wrong are in error again after their next refresh.
func (s *View) clientCorrected(ctx context.Context, t *tx, app *App) error {
	ids, err := database.Collect(ctx, t, func(r database.Scanner) (id string, err error) { return id, r.Scan(&id) },
		"SELECT id FROM accounts WHERE connector = ? AND state = ? AND state_code = ? AND app_id IN (?, '') AND connected_at > 0",
		app.Connector, string(Error), ReasonInvalidClient, app.ID)
	if err != nil {
		return err
	}
	for _, id := range ids {
		a, err := t.lockAccount(ctx, id)
		if err != nil {
			return err
		}
		if a.State != Error || !app.Serves(a.Connector, a.Organisation) {
			continue
		}
		if err := s.move(ctx, t, &a, Active, Reason{Code: ReasonClientCorrected}); err != nil {
			return err
		}
		a.Version++
		if err := t.storeAccount(ctx, &a); err != nil {
			return err
		}
	}
	return nil
}

// fixHosts returns the secrets of an edit, with the hosts where those change.
func (s *View) fixHosts(ctx context.Context, t *tx, a *App, e *AppEdit) (secret.Values, error) {
	if e.Hosts == nil && len(e.Secrets) == 0 {
		return nil, nil
	}
	_, had, err := s.v.openApp(ctx, t, a.ID)
	switch {
	case err != nil:
		return nil, err
	case e.Hosts == nil && had.Get(secret.FixedHosts).IsZero():
		all := maps.Clone(e.Secrets)
		all[secret.FixedHosts] = notYet
		return all, nil
	case e.Hosts == nil || !unfixed(had) && slices.Equal(secret.HostsOf(had), e.Hosts):
		return e.Secrets, nil
	}
	for _, name := range slices.Sorted(maps.Keys(had)) {
		if _, anew := e.Secrets[name]; !anew && name != secret.FixedHosts {
			return nil, database.Invalid("hosts", "change only together with the secrets, which were entered for the former: send %s again", name)
		}
	}
	a.Hosts = e.Hosts
	return a.withHosts(e.Secrets), nil
}

// DeleteApp deletes an app that no account was connected through; otherwise it
// returns ErrInUse, because those accounts could not refresh any more.
func (s *View) DeleteApp(ctx context.Context, id string, version int64) error {
	_, err := s.editApp(ctx, id, version, func(t *tx, a *App) error {
		var used int
		err := t.Row(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM accounts WHERE connector = ? AND app_id = ? LIMIT 1) AS found", a.Connector, id).Scan(&used)
		if err != nil {
			return err
		}
		if used > 0 {
			return ErrInUse
		}
		return s.dropApp(ctx, t, a)
	})
	return err
}

func (s *View) dropApp(ctx context.Context, t *tx, a *App) error {
	if err := t.v.seals.Drop(ctx, t.Tx, a.ID); err != nil {
		return err
	}
	if _, err := t.Exec(ctx, "DELETE FROM apps WHERE id = ?", a.ID); err != nil {
		return err
	}
	return s.tellApp(ctx, t, a, "app.deleted")
}

func (s *View) editApp(ctx context.Context, id string, version int64, f func(*tx, *App) error) (App, error) {
	var a App
	err := s.v.write(ctx, func(t *tx) (err error) {
		a, err = database.One(ctx, t, scanApp, t.Locked("SELECT "+appColumns+" FROM apps WHERE id = ?"), id)
		if err != nil {
			return err
		}
		if !s.Sees(a.Organisation) {
			return ErrNotFound
		}
		if version != 0 && version != a.Version {
			return ErrConflict
		}
		return f(t, &a)
	})
	if err != nil {
		return App{}, err
	}
	return a, nil
}
