package live

import (
	"context"
	"errors"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/vault"
)

// leaseFor is longer than a token request may take, so that a lease is lost
// only by a replica that was stopped.
const leaseFor = 45 * time.Second

// store is a resolver.Store over the vault's leases.
type store struct{ v *vault.Vault }

// Stored implements resolver.Store.
func (s store) Stored(ctx context.Context, account string) (resolver.Stored, error) {
	u, err := s.v.Unseal(ctx, account)
	return stored(&u), err
}

func stored(u *vault.Unsealed) resolver.Stored {
	return resolver.Stored{Credential: u.Credential, RefreshToken: u.RefreshToken}
}

// Lease implements resolver.Store.
func (s store) Lease(ctx context.Context, account string) (resolver.Lease, error) {
	l, err := s.v.Lease(ctx, account, "", leaseFor)
	var held *vault.LeasedError
	if errors.As(err, &held) {
		return nil, &resolver.LeasedError{Left: held.Left}
	}
	if err != nil {
		return nil, err
	}
	return lease{l}, nil
}

// lease is a resolver.Lease.
type lease struct{ l *vault.Lease }

func (l lease) Stored() resolver.Stored         { return stored(&l.l.Unsealed) }
func (l lease) Abandoned() bool                 { return !l.l.Abandoned.IsZero() }
func (l lease) Begin(ctx context.Context) error { return fenced(l.l.Begin(ctx)) }

// Save commits the answer. One that came after the lease was lost is stored if
// nobody else has refreshed since: its refresh token replaced the one we have.
func (l lease) Save(ctx context.Context, t *oauth.Token) (*secret.Credential, error) {
	c := vault.Credentials{
		Token: t.Credential.Token, RefreshToken: t.RefreshToken, ExpiresAt: t.Credential.Expiry,
		Scopes: t.Credential.Scopes, Captured: t.Metadata,
	}
	row, err := l.l.Save(ctx, c)
	if errors.Is(err, vault.ErrFenced) {
		row, err = l.l.SaveLate(ctx, c)
	}
	if err != nil {
		return nil, fenced(err)
	}
	cred := t.Credential
	cred.Generation = row.Generation
	if cred.Fields == nil {
		cred.Fields = l.l.Credential.Fields
	}
	return &cred, nil
}

// Fail implements resolver.Lease.
func (l lease) Fail(ctx context.Context, to resolver.State, code, detail string) error {
	_, err := l.l.Fail(ctx, vault.State(to), vault.Reason{Code: code, Detail: detail})
	return fenced(err)
}

// Release implements resolver.Lease.
func (l lease) Release(ctx context.Context, uncertain bool) error {
	return fenced(l.l.Release(ctx, uncertain))
}

func fenced(err error) error {
	if errors.Is(err, vault.ErrFenced) {
		return resolver.ErrFenced
	}
	return err
}
