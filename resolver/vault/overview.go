package vault

import (
	"context"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Needing are accounts that expired or failed, the latest first.
func (s *View) Needing(ctx context.Context, limit int) ([]Account, error) {
	var out []Account
	for _, state := range []State{Error, Expired} {
		w := s.Where("a.organisation")
		w.Is("a.state", string(state))
		list, err := database.Collect(ctx, s.v.r, scanAccountUsed, "SELECT "+accountColumns+", "+usedColumns+" FROM accounts a"+w.String()+" ORDER BY a.state_since DESC LIMIT ?", append(w.Args, limit)...)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

// AccountCounts counts accounts by state, and those that Ending would list for d.
func (v *Vault) AccountCounts(ctx context.Context, d time.Duration) (states map[string]int64, ending int64, err error) {
	states, err = database.CountBy(ctx, v.r, "SELECT state, COUNT(*) FROM accounts GROUP BY state")
	if err != nil {
		return nil, 0, err
	}
	for _, s := range States {
		states[string(s)] += 0
	}
	err = v.r.Row(ctx, `SELECT COUNT(*) FROM accounts n WHERE n.state = ? AND n.expires_at > ? AND n.expires_at < ?
		AND NOT EXISTS (SELECT 1 FROM secrets z WHERE z.owner_id = n.id AND z.field = '`+FieldRefreshToken+`')`,
		string(Active), database.Micros(v.now()), database.Micros(v.now().Add(d))).Scan(&ending)
	return states, ending, v.db.Explain(err)
}

// Ending are active accounts whose token ends within d and that have nothing to
// refresh it with, the next first; of the thousand tokens that end next.
func (s *View) Ending(ctx context.Context, d time.Duration, limit int) ([]Account, error) {
	w := s.Where("n.organisation")
	w.Is("n.state", string(Active))
	w.Add("n.expires_at > ? AND n.expires_at < ?", database.Micros(s.v.now()), database.Micros(s.v.now().Add(d)))
	return database.Collect(ctx, s.v.r, scanAccountUsed, "SELECT "+accountColumns+", "+usedColumns+` FROM accounts a WHERE a.id IN (
		SELECT x.id FROM (SELECT n.id FROM accounts n`+w.String()+` ORDER BY n.expires_at LIMIT 1000) x
		WHERE NOT EXISTS (SELECT 1 FROM secrets z WHERE z.owner_id = x.id AND z.field = '`+FieldRefreshToken+`'))
		ORDER BY a.expires_at LIMIT ?`, append(w.Args, limit)...)
}
