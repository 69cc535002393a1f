package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"regexp"
	"time"

	"github.com/attache-proxy/attache/providers/printable"
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Connector is one that was made through the API. What its definition means is
// the business of package providers.
type Connector struct {
	ID           string // con_…
	Key          string // unique in the vault: hosts are matched for everybody
	Organisation string // All: everybody's
	Title        string
	Type         string // OAUTH2, API_KEY, …
	State        string // active, inactive, pending, error
	// Definition is the connector's YAML.
	Definition string
	// Form is what the person filled in, without secrets; may be nil.
	Form      map[string]any
	LastError string

	CreatedAt, UpdatedAt time.Time
	Version              int64
}

const connectorColumns = "id, key, organisation, title, type, state, definition, form, last_error, created_at, updated_at, version"

func scanConnector(s database.Scanner) (c Connector, err error) {
	err = s.Scan(&c.ID, &c.Key, &c.Organisation, &c.Title, &c.Type, &c.State, &c.Definition, database.JSON(&c.Form), &c.LastError,
		database.Time(&c.CreatedAt), database.Time(&c.UpdatedAt), &c.Version)
	c.Title, c.LastError = printable.Line(c.Title), printable.Text(c.LastError)
	return c, err
}

var connectorKey = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// maxDefinition is how large a definition may be.
const maxDefinition = 256 << 10

func (c *Connector) check() error {
	if !connectorKey.MatchString(c.Key) {
		return database.Invalid("name", "must be lower-case letters, digits and hyphens, at most 63")
	}
	if err := database.CheckName("title", c.Title); err != nil {
		return err
	}
	switch c.State {
	case "active", "inactive", "pending", "error":
	default:
		return database.Invalid("state", "must be active, inactive, pending or error")
	}
	if len(c.Definition) > maxDefinition {
		return database.Invalid("definition", "is larger than %d bytes", maxDefinition)
	}
	return checkMetadata(c.Form)
}

// ErrHeld means that secrets are left which were entered for another definition of
// the connector and would follow this one.
var ErrHeld = errors.New("secrets were entered for the connector as it was")

// held reports whether anything has a secret that follows a connector's
// definition, of whatever organisation: accounts, with their connect sessions, and
// apps. It keeps others from entering one until the transaction ends.
func (t *tx) held(ctx context.Context, key string) (bool, error) {
	var n int64
	err := t.Row(ctx, `SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM accounts WHERE connector = ? LIMIT 1) AS a)
		+ (SELECT COUNT(*) FROM (SELECT 1 FROM apps WHERE connector = ? LIMIT 1) AS b)`, key, key).Scan(&n)
	return n > 0, err
}

// Held reports whether anything has a secret that follows the definition of the
// connector of that key.
func (s *View) Held(ctx context.Context, key string) (held bool, err error) {
	err = s.v.write(ctx, func(t *tx) error { held, err = t.held(ctx, key); return err })
	return held, err
}

// sameConnector refuses to store what was checked against a definition that is
// not the connector's any more: it would go where that one says. Until the
// transaction ends, the definition stays. digest is empty for connectors that are
// not in the vault.
func (t *tx) sameConnector(ctx context.Context, key, digest string) error {
	var definition string
	err := t.Explain(t.Row(ctx, t.Shared("SELECT definition FROM connectors WHERE key = ?"), key).Scan(&definition))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	sum := sha256.Sum256([]byte(definition))
	if err == nil && digest != "" && digest != hex.EncodeToString(sum[:]) {
		err = ErrConflict
	}
	return err
}

// CreateConnector stores a connector that the caller has validated. Key, Title,
// Type, State, Definition, Form and Organisation are used of c.
//
// Secrets that are left of another connector of that key would follow the new
// one: that is ErrHeld, unless adopt is set.
func (s *View) CreateConnector(ctx context.Context, c Connector, adopt bool) (Connector, error) {
	org, err := s.PlaceShared(c.Organisation)
	if err != nil {
		return Connector{}, err
	}
	now := s.v.db.Now()
	c.ID, c.Organisation, c.CreatedAt, c.UpdatedAt, c.Version = database.NewID("con", now), org, now, now, 1
	if err := c.check(); err != nil {
		return Connector{}, err
	}
	err = s.v.write(ctx, func(t *tx) error {
		if held, err := t.held(ctx, c.Key); err != nil || held && !adopt {
			return errors.Join(err, ErrHeld)
		}
		_, err := t.Exec(ctx, "INSERT INTO connectors ("+connectorColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			c.ID, c.Key, c.Organisation, c.Title, c.Type, c.State, c.Definition, database.JSONText(c.Form), c.LastError, database.Micros(now), database.Micros(now), c.Version)
		if err != nil {
			return err
		}
		return s.tellConnector(ctx, t, &c, "connector.created")
	})
	if err != nil {
		return Connector{}, err
	}
	return c, nil
}

func (s *View) tellConnector(ctx context.Context, t *tx, c *Connector, code string) error {
	t.Changed(Change{Kind: KindConnector, ID: c.Key, Connector: c.Key})
	e := s.Event(AuditAdmin, code, c.Organisation)
	e.Connector = c.Key
	return audit.Write(ctx, t.Tx, e)
}

// Connector returns the custom connector of that key: the view's or everybody's.
func (s *View) Connector(ctx context.Context, key string) (Connector, error) {
	c, err := database.One(ctx, s.v.r, scanConnector, "SELECT "+connectorColumns+" FROM connectors WHERE key = ?", key)
	if err == nil && !s.Sees(c.Organisation) && c.Organisation != All {
		err = ErrNotFound
	}
	if err != nil {
		return Connector{}, err
	}
	return c, nil
}

// Connectors lists every custom connector that the view may use, by key. They
// are few: an operator writes them.
func (s *View) Connectors(ctx context.Context) ([]Connector, error) {
	w := &database.Where{}
	if s.Org != All {
		w.Add("organisation IN (?, '*')", s.Org)
	}
	return database.Collect(ctx, s.v.r, scanConnector, "SELECT "+connectorColumns+" FROM connectors"+w.String()+" ORDER BY key", w.Args...)
}

// UpdateConnector lets f edit Title, Type, State, Definition, Form and LastError
// of the connector that is at version, or at any if version is 0.
//
// moves says whether secrets would go elsewhere by the edit; where there are any,
// it is refused with ErrHeld. It is asked in the transaction that writes, and may
// be nil for an edit that moves nothing, or by somebody who may.
func (s *View) UpdateConnector(ctx context.Context, key string, version int64, moves func(before, after *Connector) bool, f func(*Connector) error) (Connector, error) {
	return s.editConnector(ctx, key, version, func(t *tx, c *Connector) error {
		keep := *c
		keep.Form = maps.Clone(c.Form)
		if err := f(c); err != nil {
			return err
		}
		if moves != nil && moves(&keep, c) {
			if held, err := t.held(ctx, key); err != nil || held {
				return errors.Join(err, ErrHeld)
			}
		}
		c.ID, c.Key, c.Organisation, c.CreatedAt = keep.ID, keep.Key, keep.Organisation, keep.CreatedAt
		if err := c.check(); err != nil {
			return err
		}
		c.Version = keep.Version + 1
		c.UpdatedAt = s.v.db.Now()
		_, err := t.Exec(ctx, "UPDATE connectors SET title = ?, type = ?, state = ?, definition = ?, form = ?, last_error = ?, updated_at = ?, version = ? WHERE id = ?",
			c.Title, c.Type, c.State, c.Definition, database.JSONText(c.Form), database.Storable(c.LastError), database.Micros(c.UpdatedAt), c.Version, c.ID)
		if err != nil {
			return err
		}
		return s.tellConnector(ctx, t, c, "connector.updated")
	})
}

// DeleteConnector deletes a custom connector that no account uses, and its apps,
// of whatever organisation: who makes the key anew gets no secret of theirs.
// Otherwise it returns *InvalidError.
func (s *View) DeleteConnector(ctx context.Context, key string, version int64) error {
	_, err := s.editConnector(ctx, key, version, func(t *tx, c *Connector) error {
		var used int
		if err := t.Row(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM accounts WHERE connector = ? LIMIT 1) AS found", key).Scan(&used); err != nil {
			return err
		}
		if used > 0 {
			return database.Invalid("key", "accounts of this connector are left; delete them first")
		}
		if err := s.dropApps(ctx, t, key); err != nil {
			return err
		}
		if _, err := t.Exec(ctx, "DELETE FROM connectors WHERE id = ?", c.ID); err != nil {
			return err
		}
		return s.tellConnector(ctx, t, c, "connector.deleted")
	})
	return err
}

// dropApps deletes the apps of a connector, and which of them were chosen.
func (s *View) dropApps(ctx context.Context, t *tx, key string) error {
	apps, err := database.Collect(ctx, t, scanApp, "SELECT "+appColumns+" FROM apps WHERE connector = ?", key)
	if err != nil {
		return err
	}
	for i := range apps {
		if err := s.dropApp(ctx, t, &apps[i]); err != nil {
			return err
		}
	}
	_, err = t.Exec(ctx, "DELETE FROM settings WHERE name >= ? AND name < ?", appModeSetting(key, ""), appModeSetting(key, "~"))
	return err
}

func (s *View) editConnector(ctx context.Context, key string, version int64, f func(*tx, *Connector) error) (Connector, error) {
	var c Connector
	err := s.v.write(ctx, func(t *tx) (err error) {
		c, err = database.One(ctx, t, scanConnector, t.Locked("SELECT "+connectorColumns+" FROM connectors WHERE key = ?"), key)
		if err != nil {
			return err
		}
		if !s.Sees(c.Organisation) {
			return ErrNotFound
		}
		if version != 0 && version != c.Version {
			return ErrConflict
		}
		return f(t, &c)
	})
	if err != nil {
		return Connector{}, err
	}
	return c, nil
}

// ConnectorsInUse lists the connectors that have accounts, by key, and whose
// those are.
func (v *Vault) ConnectorsInUse(ctx context.Context) (map[string][]string, error) {
	type use struct{ key, organisation string }
	uses, err := database.Collect(ctx, v.r, func(s database.Scanner) (u use, err error) {
		err = s.Scan(&u.organisation, &u.key)
		return u, err
	}, "SELECT DISTINCT organisation, connector FROM accounts")
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, u := range uses {
		out[u.key] = append(out[u.key], u.organisation)
	}
	return out, nil
}
