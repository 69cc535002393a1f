package vault

import (
	"context"
	"fmt"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

const rotateRows = 500

// Rotate seals every secret that another key sealed with the first key. It may
// run while the vault is used, in several processes, and be stopped at any time:
// what is done stays done, and the next run goes on with the rest. A secret that
// is replaced meanwhile keeps its new value.
//
// With several replicas the order is: add the new key at the end of every list;
// then put it first on every list; then rotate; when that returns nil, take the
// old key off every list. So no replica meets a secret that it cannot open.
// report may be nil.
func (v *Vault) Rotate(ctx context.Context, report func(Progress)) error {
	first := v.seals.Keys.IDs()[0]
	var p Progress
	err := v.r.Row(ctx, "SELECT COUNT(*) FROM secrets WHERE key_id <> ?", first).Scan(&p.Total)
	if err != nil {
		return v.db.Explain(err)
	}
	for {
		if report != nil {
			report(p)
		}
		n, err := v.rotateSome(ctx, first)
		if err != nil {
			return fmt.Errorf("sealing again with key %s: %w", first, err)
		}
		if n == 0 {
			return nil
		}
		p.Done += n
		p.Total = max(p.Total, p.Done)
	}
}

// rotateSome seals the secrets of some rows again and returns how many it found
// under other keys.
func (v *Vault) rotateSome(ctx context.Context, first string) (int64, error) {
	var found int64
	err := v.write(ctx, func(t *tx) error {
		// < and > instead of <>, which no index serves.
		owners, err := database.Collect(ctx, t, database.Text, `SELECT owner_id FROM (
				SELECT * FROM (SELECT owner_id FROM secrets WHERE key_id < ? LIMIT ?) AS below
				UNION ALL
				SELECT * FROM (SELECT owner_id FROM secrets WHERE key_id > ? LIMIT ?) AS above) AS both_sides`,
			first, rotateRows, first, rotateRows)
		if err != nil {
			return err
		}
		found = int64(len(owners))
		for _, id := range sorted(owners) {
			if err := t.sealOwner(ctx, id); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}
