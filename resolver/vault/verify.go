package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/seal"
)

// maxProblems is how many problems Verify lists.
const maxProblems = 100

// Verify reads the whole vault and lists what contradicts itself in it: broken
// pages, impossible accounts, secrets that do not open or belong to nothing,
// grants across organisations. A healthy vault has none, after every crash.
func (v *Vault) Verify(ctx context.Context) ([]string, error) {
	c := &verifier{v: v}
	for _, f := range []func(context.Context) error{c.pages, c.accounts, c.secrets, c.orphans} {
		if err := f(ctx); err != nil {
			return nil, fmt.Errorf("verifying the vault: %w", err)
		}
	}
	return c.problems, nil
}

type verifier struct {
	v        *Vault
	problems []string
}

func (c *verifier) found(format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

func (c *verifier) pages(ctx context.Context) error {
	lines, err := c.v.db.Damage(ctx)
	for _, l := range lines {
		c.found("database: %s", l)
	}
	return err
}

func (c *verifier) accounts(ctx context.Context) error {
	rows, err := c.v.r.Query(ctx, "SELECT "+accountColumns+" FROM accounts a")
	if err != nil {
		return c.v.db.Explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		a, err := scanAccount(rows)
		if err != nil {
			return c.v.db.Explain(err)
		}
		if odd := a.impossible(); odd != "" {
			c.found("account %s: %s", a.ID, odd)
		}
	}
	return c.v.db.Explain(rows.Err())
}

func (c *verifier) secrets(ctx context.Context) error {
	rows, err := c.v.r.Query(ctx, seal.Rows)
	if err != nil {
		return c.v.db.Explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		r, err := seal.ScanRow(rows)
		if err != nil {
			return c.v.db.Explain(err)
		}
		o, err := c.v.ownerOf(ctx, c.v.r, r.Owner)
		if errors.Is(err, ErrNotFound) {
			continue // orphans tells
		}
		if err == nil {
			_, err = c.v.seals.Newest(o, r.Field, r.Sealed, r.Version, c.v.seals.Marks.At(r.Owner))
		}
		if err != nil {
			c.found("secret %s of %s, sealed by key %s: %v", r.Field, r.Owner, r.Key, err)
		}
	}
	return c.v.db.Explain(rows.Err())
}

// contradictions are queries for ids that should find nothing.
var contradictions = []struct{ what, text string }{
	{"a revoked account has secrets", "SELECT DISTINCT a.id FROM accounts a JOIN secrets s ON s.owner_id = a.id WHERE a.state = 'revoked'"},
	{"a secret belongs to nothing", `SELECT DISTINCT s.owner_id FROM secrets s WHERE s.owner_id <> 'vault'
		AND NOT EXISTS (SELECT 1 FROM accounts x WHERE x.id = s.owner_id) AND NOT EXISTS (SELECT 1 FROM apps x WHERE x.id = s.owner_id)
		AND NOT EXISTS (SELECT 1 FROM webhooks x WHERE x.id = s.owner_id) AND NOT EXISTS (SELECT 1 FROM connect_sessions x WHERE x.id = s.owner_id)`},
	{"a grant joins another organisation's account", "SELECT r.id FROM grants r JOIN accounts a ON a.id = r.account_id WHERE a.organisation <> r.organisation OR a.connector <> r.connector"},
	{"a grant joins another organisation's agent", "SELECT r.id FROM grants r JOIN agents g ON g.id = r.agent_id WHERE g.organisation <> r.organisation"},
	{"a grant is of no agent", "SELECT r.id FROM grants r WHERE r.agent_id NOT LIKE 'file:%' AND NOT EXISTS (SELECT 1 FROM agents g WHERE g.id = r.agent_id)"},
	{"a session is of another organisation", "SELECT s.id FROM connect_sessions s JOIN accounts a ON a.id = s.account_id WHERE a.organisation <> s.organisation"},
}

func (c *verifier) orphans(ctx context.Context) error {
	for _, q := range contradictions {
		ids, err := database.Collect(ctx, c.v.r, database.Text, q.text)
		if err != nil {
			return err
		}
		for _, id := range ids {
			c.found("%s: %s", q.what, id)
		}
	}
	return nil
}
