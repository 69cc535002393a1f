package vault

import (
	"context"
	"fmt"
)

// Progress is how far a long piece of work got.
type Progress struct {
	Done, Total int64
}

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
	first := v.keys.ids[0]
	var p Progress
	err := v.r.row(ctx, "SELECT COUNT(*) FROM secrets WHERE key_id <> ?", first).Scan(&p.Total)
	if err != nil {
		return v.explain(err)
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
		owners, err := collect(ctx, v, t, scanText, `SELECT owner_id FROM (
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

// Status is what `attache vault status` shows.
type Status struct {
	Driver        string `json:"driver"`
	SchemaVersion int64  `json:"schema_version"`
	Bytes         int64  `json:"bytes"` // of the database
	// Rows counts the rows of the main tables.
	Rows map[string]int64 `json:"rows"`
	// States counts the accounts by state.
	States map[State]int64 `json:"accounts"`
	// Secrets counts the sealed values by the key that sealed them.
	Secrets map[string]int64 `json:"sealed"`
	// Keys are the ids of the keys that are loaded; the first seals.
	Keys []string `json:"keys"`
	// DroppedEvents counts audit events that this process lost.
	DroppedEvents int64 `json:"dropped_events"`
}

// counted is every table that Status counts.
var counted = []string{"accounts", "agents", "agent_tokens", "grants", "connectors", "apps", "connect_sessions", "webhooks", "deliveries", "audit", "admin_tokens", "signins", "secrets"}

// Status counts everything; it reads whole indexes and is for people.
func (v *Vault) Status(ctx context.Context) (Status, error) {
	st := Status{Driver: v.d.name, SchemaVersion: SchemaVersion, Rows: map[string]int64{}, States: map[State]int64{}, Secrets: map[string]int64{}, Keys: v.keys.IDs(), DroppedEvents: v.Dropped()}
	if err := v.r.row(ctx, v.d.size).Scan(&st.Bytes); err != nil {
		return Status{}, v.explain(err)
	}
	for _, table := range counted {
		var n int64
		if err := v.r.row(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
			return Status{}, v.explain(err)
		}
		st.Rows[table] = n
	}
	states, err := v.countBy(ctx, "SELECT state, COUNT(*) FROM accounts GROUP BY state")
	if err != nil {
		return Status{}, err
	}
	for k, n := range states {
		st.States[State(k)] = n
	}
	st.Secrets, err = v.countBy(ctx, "SELECT key_id, COUNT(*) FROM secrets GROUP BY key_id")
	return st, err
}

func (v *Vault) countBy(ctx context.Context, text string) (map[string]int64, error) {
	rows, err := v.r.query(ctx, text)
	if err != nil {
		return nil, v.explain(err)
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			return nil, v.explain(err)
		}
		out[name] = n
	}
	return out, v.explain(rows.Err())
}
