package vault

import (
	"context"

	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/webhook"
)

// tx is one writing transaction of a vault.
type tx struct {
	*database.Tx
	v *Vault
}

// write runs f in a transaction and runs it again where it lost a race with
// another one, so f may run several times. After it returns nil the change is
// on disk, and this replica's subscribers have heard of it.
func (v *Vault) write(ctx context.Context, f func(*tx) error) error {
	return v.db.Write(ctx, func(t *database.Tx) error { return f(&tx{t, v}) })
}

// enqueue tells the webhooks of an account's event.
func (t *tx) enqueue(ctx context.Context, event string, a *Account, why Reason) error {
	told := webhook.Account{
		ID: a.ID, Organisation: a.Organisation, Connector: a.Connector, Option: a.Option, Name: a.Name, Identifier: a.Identifier,
		IdentifierType: a.IdentifierType, State: string(a.State), Reason: why, Label: a.Provider.Label,
	}
	if !a.ExpiresAt.IsZero() {
		told.ExpiresAt = &a.ExpiresAt
	}
	return webhook.Enqueue(ctx, t.Tx, event, told)
}
