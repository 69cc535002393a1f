package vault

import (
	"context"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/approval"
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/runs"
	"github.com/attache-proxy/attache/resolver/vault/spent"
	"github.com/attache-proxy/attache/resolver/vault/tool"
)

const (
	sweepEvery = 10 * time.Minute
	// sweepRows is how many rows one transaction deletes, so that nobody waits
	// long for the writer.
	sweepRows = 1000
	// keepSessions is how long a connect session stays after its end, so that
	// its page can still say what happened.
	keepSessions   = 24 * time.Hour
	keepDeliveries = 30 * 24 * time.Hour
)

// sweepAlways deletes what is old, now and then, until ctx ends.
func (v *Vault) sweepAlways(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := v.Sweep(ctx); err != nil && ctx.Err() == nil {
			v.db.Log.Warn("deleting what is old in the vault", "error", err)
		}
	}
}

// Sweep deletes what is past its retention. It runs by itself every ten minutes.
func (v *Vault) Sweep(ctx context.Context) error {
	now := v.now()
	type old struct {
		text string // deletes up to LIMIT ? rows
		args []any
	}
	sweeps := []old{
		{"DELETE FROM idempotency_keys WHERE expires_at < ? AND key IN (SELECT key FROM idempotency_keys WHERE expires_at < ? LIMIT ?)",
			[]any{database.Micros(now), database.Micros(now)}},
		{"DELETE FROM signins WHERE id IN (SELECT id FROM signins WHERE expires_at < ? LIMIT ?)", []any{database.Micros(now)}},
		{"DELETE FROM secrets WHERE owner_id IN (SELECT id FROM connect_sessions WHERE expires_at < ? LIMIT ?)",
			[]any{database.Micros(now.Add(-keepSessions))}},
		{"DELETE FROM connect_sessions WHERE id IN (SELECT s.id FROM connect_sessions s WHERE s.expires_at < ? AND NOT EXISTS (SELECT 1 FROM secrets x WHERE x.owner_id = s.id) LIMIT ?)",
			[]any{database.Micros(now.Add(-keepSessions))}},
		{"DELETE FROM seals WHERE owner_id IN (SELECT z.owner_id FROM seals z WHERE z.owner_id > 'ses_' AND z.owner_id < ? AND NOT EXISTS (SELECT 1 FROM connect_sessions s WHERE s.id = z.owner_id) LIMIT ?)",
			[]any{database.FirstID("ses", now.Add(-keepSessions))}},
		{"DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE ended_at > 0 AND ended_at < ? LIMIT ?)",
			[]any{database.Micros(now.Add(-keepDeliveries))}},
		{"DELETE FROM approvals WHERE id IN (SELECT id FROM approvals WHERE id < ? ORDER BY id LIMIT ?)", []any{approval.Old(now)}},
		{runs.Sweep, []any{runs.Old(now)}}, {spent.Sweep, []any{database.Micros(now)}},
		{tool.Sweep, nil},
		// The newest stays, so that the numbers go on from it.
		{"DELETE FROM changes WHERE seq IN (SELECT seq FROM changes WHERE at < ? AND seq < (SELECT MAX(seq) FROM changes) ORDER BY seq LIMIT ?)",
			[]any{database.Micros(now.Add(-database.KeepChanges))}},
	}
	if v.auditRetention > 0 {
		sweeps = append(sweeps, old{"DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id < ? ORDER BY id LIMIT ?)",
			[]any{database.FirstID("evt", now.Add(-v.auditRetention))}})
	}
	if v.usageRetention > 0 {
		day := audit.DayOf(now.Add(-v.usageRetention))
		sweeps = append(sweeps,
			old{"DELETE FROM usage WHERE day < ? AND account_id IN (SELECT account_id FROM usage WHERE day < ? LIMIT ?)", []any{day, day}},
			old{"DELETE FROM usage_paths WHERE day < ? AND account_id IN (SELECT account_id FROM usage_paths WHERE day < ? LIMIT ?)", []any{day, day}})
		for _, kind := range audit.TrafficKinds {
			slot := audit.SlotOf(kind, now.Add(-v.usageRetention))
			sweeps = append(sweeps, old{"DELETE FROM traffic WHERE kind = ? AND slot < ? AND name IN (SELECT name FROM traffic WHERE kind = ? AND slot < ? LIMIT ?)", []any{kind, slot, kind, slot}})
		}
	}
	for _, o := range sweeps {
		if err := v.sweepAll(ctx, o.text, append(o.args, sweepRows)); err != nil {
			return err
		}
	}
	return nil
}

// sweepAll runs a bounded delete until nothing is left to delete.
func (v *Vault) sweepAll(ctx context.Context, text string, args []any) error {
	for ctx.Err() == nil {
		var n int64
		err := v.write(ctx, func(t *tx) (err error) {
			n, err = t.Exec(ctx, text, args...)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
	return ctx.Err()
}
