package vault

import (
	"context"
	"maps"

	"github.com/attache-proxy/attache/providers/secret"
)

// take copies what is not secret of new credentials, but for their end, which only
// a transaction can tell by the database's clock.
func (a *Account) take(c *Credentials) {
	if c.Option != "" {
		a.Option = c.Option
	}
	a.Fields = maps.Clone(c.Fields)
	a.Scopes = c.Scopes
	a.addCaptured(c.Captured)
	a.takeAway()
}

func (a *Account) addCaptured(values map[string]string) {
	if len(values) == 0 {
		return
	}
	a.Captured = maps.Clone(a.Captured)
	if a.Captured == nil {
		a.Captured = map[string]string{}
	}
	maps.Copy(a.Captured, values)
}

// sealed is everything of c that is secret, by the names it is stored under.
func (c *Credentials) sealed() secret.Values {
	all := secret.Values{}
	maps.Copy(all, c.Secrets)
	if !c.Token.IsZero() {
		all[FieldToken] = c.Token
	}
	if !c.RefreshToken.IsZero() || c.RefreshTokenGone {
		all[FieldRefreshToken] = c.RefreshToken
	}
	return all
}

// SetCredentials replaces everything the account works with. A revoked account
// becomes pending; the state of others stays, until a test of the new credentials
// changes it.
func (s *View) SetCredentials(ctx context.Context, id string, version int64, c Credentials) (Account, error) {
	if err := c.check(); err != nil {
		return Account{}, err
	}
	return s.editAccount(ctx, id, version, func(t *tx, a *Account) error {
		return s.setCredentials(ctx, t, a, &c)
	})
}

func (s *View) setCredentials(ctx context.Context, t *tx, a *Account, c *Credentials) (err error) {
	if err := t.sameConnector(ctx, a.Connector, c.Checked); err != nil {
		return err
	}
	if a.State == Revoked {
		why := Reason{Code: ReasonCredentialsSet}
		if err := a.change(Pending, why, s.v.db.Now()); err != nil {
			return err
		}
		if err := s.tell(ctx, t, a, "account.pending", why); err != nil {
			return err
		}
	}
	a.take(c)
	if a.ExpiresAt, err = t.Expiry(ctx, c.ExpiresAt); err != nil {
		return err
	}
	if err := t.v.seals.Drop(ctx, t.Tx, a.ID); err != nil {
		return err
	}
	if err := t.v.seals.Put(ctx, t.Tx, a.owner(), c.sealed()); err != nil {
		return err
	}
	return s.tell(ctx, t, a, "account.credentials_set", Reason{})
}

// Connect stores new credentials and makes the account active, all or nothing:
// what an OAuth flow or a successful test does.
func (s *View) Connect(ctx context.Context, id string, version int64, c Connection) (Account, error) {
	if c.Credentials != nil {
		if err := c.Credentials.check(); err != nil {
			return Account{}, err
		}
	}
	return s.editAccount(ctx, id, version, func(t *tx, a *Account) error {
		if c.Generation != 0 && c.Generation != a.Generation {
			return ErrConflict
		}
		if c.AppID != "" {
			a.AppID = c.AppID
			if err := t.mayGoBy(ctx, a); err != nil {
				return err
			}
		}
		if c.Provider != nil {
			a.Provider = c.Provider.clean()
		}
		a.addCaptured(c.Captured)
		if c.Credentials != nil {
			if err := s.setCredentials(ctx, t, a, c.Credentials); err != nil {
				return err
			}
		}
		why := c.Reason
		if why.Code == "" {
			why.Code = ReasonConnected
		}
		return s.move(ctx, t, a, Active, why)
	})
}

// Connection is what Connect stores.
type Connection struct {
	// Credentials replace the account's; nil keeps those it has.
	Credentials *Credentials
	// Generation is that of the credentials which were tested; 0 for any. It
	// keeps a slow test of old credentials from vouching for new ones.
	Generation uint64
	AppID      string // empty keeps the account's
	Provider   *ProviderAccount
	Captured   map[string]string
	// Reason is why the account is active now; ReasonConnected when its code is
	// empty.
	Reason Reason
}

// move changes the state and tells of it. An account that is there already
// stays as it is.
func (s *View) move(ctx context.Context, t *tx, a *Account, to State, why Reason) error {
	if a.State == to {
		return nil
	}
	if err := a.change(to, why, s.v.db.Now()); err != nil {
		return err
	}
	if to == Revoked {
		if err := t.v.seals.Drop(ctx, t.Tx, a.ID); err != nil {
			return err
		}
	}
	return s.tell(ctx, t, a, "account."+string(to), why)
}

// SetState changes an account's state, or returns *TransitionError.
func (s *View) SetState(ctx context.Context, id string, version int64, to State, why Reason) (Account, error) {
	return s.editAccount(ctx, id, version, func(t *tx, a *Account) error {
		if a.State == to {
			return &TransitionError{a.State, to}
		}
		return s.move(ctx, t, a, to, why)
	})
}

// Resume lets a suspended account go on where it was.
func (s *View) Resume(ctx context.Context, id string, version int64, why Reason) (Account, error) {
	return s.editAccount(ctx, id, version, func(t *tx, a *Account) error {
		if a.State != Suspended {
			return &NotSuspendedError{a.State}
		}
		return s.move(ctx, t, a, a.ResumeTo, why)
	})
}
