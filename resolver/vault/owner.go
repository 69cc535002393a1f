package vault

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/seal"
)

func (a *Account) owner() seal.Owner {
	var b strings.Builder
	for _, s := range []string{a.Organisation, a.Connector, a.Option} {
		b.WriteString(seal.Lengthened(s))
	}
	for _, name := range slices.Sorted(maps.Keys(a.Fields)) {
		b.WriteString(seal.Lengthened(name) + seal.Lengthened(a.Fields[name]))
	}
	return seal.Owner{ID: a.ID, Bound: b.String(), Org: a.Organisation}
}

func (a *App) owner() seal.Owner {
	return seal.Owner{ID: a.ID, Bound: seal.Lengthened(a.Organisation) + seal.Lengthened(a.Connector) + seal.Lengthened(a.Mode), Org: a.Organisation}
}

// ownerOf finds the row that has secrets by its id.
func (v *Vault) ownerOf(ctx context.Context, q database.Querier, id string) (seal.Owner, error) {
	switch prefix, _, _ := strings.Cut(id, "_"); prefix {
	case "acc":
		a, err := database.One(ctx, q, scanAccount, "SELECT "+accountColumns+" FROM accounts a WHERE a.id = ?", id)
		return a.owner(), err
	case "app":
		a, err := database.One(ctx, q, scanApp, "SELECT "+appColumns+" FROM apps WHERE id = ?", id)
		return a.owner(), err
	case "ses", "whk":
		o := seal.Owner{ID: id}
		table := map[string]string{"ses": "connect_sessions", "whk": "webhooks"}[prefix]
		return o, v.db.Explain(q.Row(ctx, "SELECT organisation FROM "+table+" WHERE id = ?", id).Scan(&o.Org))
	}
	return seal.Owner{ID: id}, nil
}

// sealOwner seals all secrets of a row anew, with the first key.
func (t *tx) sealOwner(ctx context.Context, id string) error {
	o, err := t.v.ownerOf(ctx, t, id)
	if errors.Is(err, ErrNotFound) { // deleted a moment ago
		return nil
	}
	if err != nil {
		return err
	}
	before, version := int64(0), int64(0)
	if id != seal.OwnOwner {
		if before, version, err = t.v.seals.NextVersion(ctx, t.Tx, id); err != nil {
			return err
		}
	}
	rows, err := database.Collect(ctx, t, seal.ScanRow, seal.Rows+" WHERE s.owner_id = ?", id)
	if err != nil {
		return err
	}
	fixed := before > 0 || !strings.HasPrefix(id, "app_")
	for _, r := range rows {
		if err := t.v.seals.SealAgain(ctx, t.Tx, o, &r, before, version); err != nil {
			return err
		}
		fixed = fixed || r.Field == secret.FixedHosts
	}
	if !fixed {
		return t.v.seals.PutOne(ctx, t.Tx, o, version, secret.FixedHosts, notYet)
	}
	return nil
}
