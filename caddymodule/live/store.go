package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/vault"
)

// storeTimeout bounds one operation on the vault: a database that hangs is as
// good as away.
const storeTimeout = 5 * time.Second

// store is a resolver.Store over the vault's leases.
type store struct {
	v        *vault.Vault
	leaseFor time.Duration
}

// Stored implements resolver.Store.
func (s store) Stored(ctx context.Context, account string) (resolver.Stored, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	u, err := s.v.Unseal(ctx, account)
	return stored(&u), away(ctx, err)
}

func stored(u *vault.Unsealed) resolver.Stored {
	return resolver.Stored{Credential: u.Credential, RefreshToken: u.RefreshToken, State: resolver.State(u.Account.State)}
}

// Lease implements resolver.Store.
func (s store) Lease(ctx context.Context, account string) (resolver.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	l, err := s.v.Lease(ctx, account, "", s.leaseFor)
	var held *vault.LeasedError
	if errors.As(err, &held) {
		return nil, &resolver.LeasedError{Left: held.Left}
	}
	if err != nil {
		return nil, away(ctx, err)
	}
	return lease{s.v, l}, nil
}

// lease is a resolver.Lease.
type lease struct {
	v *vault.Vault
	l *vault.Lease
}

func (l lease) Stored() resolver.Stored { return stored(&l.l.Unsealed) }

func (l lease) Abandoned() (abandoned, orphan bool) { return !l.l.Abandoned.IsZero(), l.l.Orphan }

func (l lease) Begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return away(ctx, l.l.Begin(ctx))
}

// refreshExpires is the captured value that says when the refresh token ends.
const refreshExpires = "refresh_token_expires_at"

// Save commits the answer. One that came after the lease was lost is stored if
// nobody else has refreshed since: its refresh token replaced the one we have.
func (l lease) Save(ctx context.Context, t *oauth.Token) (*secret.Credential, error) {
	c := vault.Credentials{
		Token: t.Credential.Token, RefreshToken: t.RefreshToken, RefreshTokenGone: t.RefreshTokenGone,
		ExpiresAt: t.Credential.Expiry, Scopes: t.Credential.Scopes, Captured: t.Metadata,
		Secrets: l.brought(t.Credential.Fields),
	}
	if !t.RefreshExpiry.IsZero() {
		c.Captured = maps.Clone(c.Captured)
		if c.Captured == nil {
			c.Captured = map[string]string{}
		}
		c.Captured[refreshExpires] = t.RefreshExpiry.UTC().Format(time.RFC3339)
	}
	row, err := l.l.Save(ctx, c)
	if errors.Is(err, vault.ErrFenced) {
		row, err = l.l.SaveLate(ctx, c)
	}
	if err != nil {
		return nil, away(ctx, err)
	}
	cred := t.Credential
	cred.Generation = row.Generation
	if cred.Fields == nil {
		cred.Fields = l.l.Credential.Fields
	}
	return &cred, nil
}

// brought are the fields that came with a token and are not the account's own:
// they end with it, and are as secret as it is.
func (l lease) brought(fields secret.Values) secret.Values {
	var out secret.Values
	for name, v := range fields {
		if had, ok := l.l.Credential.Fields[name]; ok && had.Equal(v) {
			continue
		}
		if out == nil {
			out = secret.Values{}
		}
		out[name] = v
	}
	return out
}

// Fail implements resolver.Lease.
func (l lease) Fail(ctx context.Context, to resolver.State, code, detail string) error {
	l.failed(ctx, detail)
	_, err := l.l.Fail(ctx, vault.State(to), vault.Reason{Code: code, Detail: detail})
	return away(ctx, err)
}

// Release implements resolver.Lease.
func (l lease) Release(ctx context.Context, uncertain bool, why error) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if why != nil {
		l.failed(ctx, why.Error())
	}
	return away(ctx, l.l.Release(ctx, uncertain))
}

// failed records a refresh that brought no token, for the account's health. What
// the endpoint said has been cleaned of secrets by package oauth.
func (l lease) failed(ctx context.Context, why string) {
	a := &l.l.Account
	_ = l.v.Record(ctx, vault.Event{
		Kind: vault.AuditRefresh, Code: "account.refresh_failed", Organisation: a.Organisation, Actor: vault.Refresher(ctx),
		Connector: a.Connector, AccountID: a.ID, Detail: why,
	})
}

// away translates the vault's errors.
func away(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, vault.ErrRevoked):
		return resolver.ErrRevoked
	case errors.Is(err, vault.ErrFenced):
		return resolver.ErrFenced
	case errors.Is(err, vault.ErrUnavailable), ctx.Err() != nil:
		return fmt.Errorf("%w: %w", resolver.ErrStoreAway, err)
	}
	return err
}
