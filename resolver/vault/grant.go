package vault

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/narrowing"
)

// Grant lets an agent use an account.
type Grant struct {
	ID           string // grt_…
	Organisation string
	AgentID      string // agt_…, or file:NAME for an agent of the Caddyfile
	AccountID    string
	Connector    string // the account's
	// Scopes are "read", "write" or both; "presign" beside them lets the agent
	// have URLs that work without the proxy, "placeholder" leaves a credential of its
	// clients' own on their requests, "confined" is for runs without another way out.
	Scopes []string
	// Rules narrow the grant; nil means every method and path.
	Rules []Rule
	// Operations decide what the agent may do, as package rule has them; nil means
	// whatever the scopes allow.
	Operations []string
	Budgets    []string  // and prices, as package budget has them
	ExpiresAt  time.Time // zero: never

	CreatedAt, UpdatedAt time.Time
	Version              int64
}

// Allows reports whether the grant has the scope.
func (g *Grant) Allows(scope string) bool { return slices.Contains(g.Scopes, scope) }

const (
	// FileAgent begins the ids of agents that the Caddyfile declares. They
	// belong to the default organisation.
	FileAgent = audit.Declared
)

// scopes are what a grant may say.
var scopes = []string{"read", "write", "presign", "placeholder", "confined"}

func (g *Grant) check() error {
	if len(g.Scopes) == 0 {
		return database.Invalid("scopes", "must name read, write or both")
	}
	for _, s := range g.Scopes {
		if !slices.Contains(scopes, s) {
			return database.Invalid("scopes", "knows %s, not %q", strings.Join(scopes, ", "), s)
		}
	}
	if !g.Allows("read") && !g.Allows("write") {
		return database.Invalid("scopes", "must name read or write beside presign, placeholder and confined")
	}
	return narrowing.Check(g.Rules, g.Operations, g.Budgets)
}

// NewGrant is what CreateGrant makes a grant of.
type NewGrant struct {
	AgentID, AccountID  string
	Scopes              []string
	Rules               []Rule
	Operations, Budgets []string
	ExpiresAt           time.Time
}

const grantColumns = `r.id, r.organisation, r.agent_id, r.account_id, r.connector, r.scopes, r.rules, r.operations, r.budgets, r.expires_at, r.created_at, r.updated_at, r.version`

func (g *Grant) into() []any {
	return []any{&g.ID, &g.Organisation, &g.AgentID, &g.AccountID, &g.Connector, database.JSON(&g.Scopes), database.JSON(&g.Rules), database.JSON(&g.Operations), database.JSON(&g.Budgets), database.Time(&g.ExpiresAt),
		database.Time(&g.CreatedAt), database.Time(&g.UpdatedAt), &g.Version}
}

func scanGrant(s database.Scanner) (g Grant, err error) {
	err = s.Scan(g.into()...)
	return g, err
}

// CreateGrant lets an agent use an account of its own organisation. It returns
// ErrNotFound where agent or account are not there for this view, ErrOrganisation
// where they belong to different ones, and ErrExists where there is a grant.
func (s *View) CreateGrant(ctx context.Context, n NewGrant) (Grant, error) {
	now := s.v.db.Now()
	g := Grant{
		ID: database.NewID("grt", now), AgentID: n.AgentID, AccountID: n.AccountID, Scopes: sorted(n.Scopes), Rules: n.Rules, Operations: n.Operations, Budgets: n.Budgets,
		ExpiresAt: database.Whole(n.ExpiresAt), CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	if err := g.check(); err != nil {
		return Grant{}, err
	}
	err := s.v.write(ctx, func(t *tx) error {
		if err := s.join(ctx, t, &g); err != nil {
			return err
		}
		_, err := t.Exec(ctx, `INSERT INTO grants (id, organisation, agent_id, account_id, connector, scopes, rules, operations, budgets, expires_at, created_at, updated_at, version)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			g.ID, g.Organisation, g.AgentID, g.AccountID, g.Connector, database.JSONText(g.Scopes), database.JSONText(g.Rules), database.JSONText(g.Operations), database.JSONText(g.Budgets), database.Micros(g.ExpiresAt), database.Micros(now), database.Micros(now), g.Version)
		if err != nil {
			return err
		}
		return s.tellGrant(ctx, t, &g, "grant.created")
	})
	if err != nil {
		return Grant{}, err
	}
	return g, nil
}

// join finds both sides of a grant and locks them, so that neither is deleted
// while it is made.
func (s *View) join(ctx context.Context, t *tx, g *Grant) error {
	agentOrg := DefaultOrganisation
	if !strings.HasPrefix(g.AgentID, FileAgent) {
		err := t.Row(ctx, t.Locked("SELECT organisation FROM agents WHERE id = ?"), g.AgentID).Scan(&agentOrg)
		if err != nil {
			return s.v.db.Explain(err)
		}
	}
	err := t.Row(ctx, t.Locked("SELECT organisation, connector FROM accounts WHERE id = ?"), g.AccountID).Scan(&g.Organisation, &g.Connector)
	if err != nil {
		return s.v.db.Explain(err)
	}
	if !s.Sees(agentOrg) || !s.Sees(g.Organisation) {
		return ErrNotFound
	}
	if agentOrg != g.Organisation {
		return ErrOrganisation
	}
	return nil
}

func (s *View) tellGrant(ctx context.Context, t *tx, g *Grant, code string) error {
	t.Changed(Change{Kind: KindGrant, ID: g.ID, Agent: g.AgentID, Account: g.AccountID, Connector: g.Connector})
	e := s.Event(AuditAdmin, code, g.Organisation)
	e.AgentID, e.AccountID, e.Connector, e.Detail = g.AgentID, g.AccountID, g.Connector, strings.Join(g.Scopes, " ")
	return audit.Write(ctx, t.Tx, e)
}

// Grant returns one grant, or ErrNotFound.
func (s *View) Grant(ctx context.Context, id string) (Grant, error) {
	return s.ownGrant(database.One(ctx, s.v.r, scanGrant, "SELECT "+grantColumns+" FROM grants r WHERE r.id = ?", id))
}

func (s *View) ownGrant(g Grant, err error) (Grant, error) {
	if err == nil && !s.Sees(g.Organisation) {
		err = ErrNotFound
	}
	if err != nil {
		return Grant{}, err
	}
	return g, nil
}

// GrantFilter narrows a list; empty fields match all.
type GrantFilter struct{ AgentID, AccountID, Connector, Organisation string }

// Grants lists grants.
func (s *View) Grants(ctx context.Context, f GrantFilter, p Page) (List[Grant], error) {
	w := s.Where("r.organisation")
	w.Is("r.organisation", f.Organisation)
	w.Is("r.agent_id", f.AgentID)
	w.Is("r.account_id", f.AccountID)
	w.Is("r.connector", f.Connector)
	return grantList.Read(ctx, s.v.r, w, p)
}

var grantList = database.Listing[Grant]{
	Columns: grantColumns, From: "grants r", Key: "r.id", Kind: "grt", Scan: scanGrant, ID: func(g Grant) string { return g.ID },
}

// GrantEdit is what may be changed; nil leaves a thing as it is.
type GrantEdit struct {
	Scopes []string
	Rules  *[]Rule
	// Operations replace all of them; an empty list means none.
	Operations *[]string
	Budgets    *[]string // likewise
	ExpiresAt  *time.Time
}

// UpdateGrant edits a grant that is at version, or at any if version is 0.
func (s *View) UpdateGrant(ctx context.Context, id string, version int64, e GrantEdit) (Grant, error) {
	return s.editGrant(ctx, id, version, func(t *tx, g *Grant) error {
		return s.writeGrant(ctx, t, g, func() {
			if e.Scopes != nil {
				g.Scopes = sorted(e.Scopes)
			}
			set(&g.Rules, e.Rules)
			set(&g.Operations, e.Operations)
			set(&g.Budgets, e.Budgets)
			set(&g.ExpiresAt, e.ExpiresAt)
		})
	})
}

// writeGrant edits a grant whose row is locked.
func (s *View) writeGrant(ctx context.Context, t *tx, g *Grant, edit func()) error {
	edit()
	g.ExpiresAt = database.Whole(g.ExpiresAt)
	if err := g.check(); err != nil {
		return err
	}
	g.Version++
	g.UpdatedAt = s.v.db.Now()
	_, err := t.Exec(ctx, "UPDATE grants SET scopes = ?, rules = ?, operations = ?, budgets = ?, expires_at = ?, updated_at = ?, version = ? WHERE id = ?",
		database.JSONText(g.Scopes), database.JSONText(g.Rules), database.JSONText(g.Operations), database.JSONText(g.Budgets), database.Micros(g.ExpiresAt), database.Micros(g.UpdatedAt), g.Version, g.ID)
	if err != nil {
		return err
	}
	return s.tellGrant(ctx, t, g, "grant.updated")
}

// Answer decides on an approval. With approval.Rule the grant gets the rule that allows
// what was asked about, before the one that asked, in the same transaction.
func (s *View) Answer(ctx context.Context, id string, x Decision) (a Approval, err error) {
	err = s.v.write(ctx, func(t *tx) error {
		if a, err = s.AnswerIn(ctx, t.Tx, id, x); err != nil || a.Scope != "rule" {
			return err
		}
		g, err := s.ownGrant(database.One(ctx, t, scanGrant, t.Locked("SELECT "+grantColumns+" FROM grants r WHERE r.id = ?"), a.GrantID))
		at := slices.Index(g.Operations, a.Rule)
		if a.Rule == "" { // of a proposal that no rule is in the way of
			at = len(g.Operations)
		}
		if errors.Is(err, ErrNotFound) || err == nil && at < 0 {
			return ErrConflict // it was edited meanwhile
		}
		if err != nil {
			return err
		}
		return s.writeGrant(ctx, t, &g, func() { g.Operations = slices.Insert(g.Operations, at, a.Allow) })
	})
	return a, err
}

// DeleteGrant takes the account away from the agent.
func (s *View) DeleteGrant(ctx context.Context, id string, version int64) error {
	_, err := s.editGrant(ctx, id, version, func(t *tx, g *Grant) error {
		if _, err := t.Exec(ctx, "DELETE FROM grants WHERE id = ?", id); err != nil {
			return err
		}
		return s.tellGrant(ctx, t, g, "grant.deleted")
	})
	return err
}

func (s *View) editGrant(ctx context.Context, id string, version int64, f func(*tx, *Grant) error) (Grant, error) {
	var g Grant
	err := s.v.write(ctx, func(t *tx) (err error) {
		g, err = s.ownGrant(database.One(ctx, t, scanGrant, t.Locked("SELECT "+grantColumns+" FROM grants r WHERE r.id = ?"), id))
		if err != nil {
			return err
		}
		if version != 0 && version != g.Version {
			return ErrConflict
		}
		return f(t, &g)
	})
	if err != nil {
		return Grant{}, err
	}
	return g, nil
}

// Permit is a grant with its account.
type Permit struct {
	Grant   Grant
	Account Account
}

// Permits returns what the agent was granted for a connector and is not over, in
// the order of the accounts' names. The accounts may be in any state: the proxy
// tells the agent why one cannot be used.
func (v *Vault) Permits(ctx context.Context, agentID, connector string) ([]Permit, error) {
	return v.permits(ctx, " AND r.connector = ?", agentID, connector)
}

// AllPermits returns what the agent was granted for all connectors.
func (v *Vault) AllPermits(ctx context.Context, agentID string) ([]Permit, error) {
	return v.permits(ctx, "", agentID)
}

func (v *Vault) permits(ctx context.Context, more string, args ...any) ([]Permit, error) {
	return database.Collect(ctx, v.r.Keep(), func(s database.Scanner) (p Permit, err error) {
		err = s.Scan(append(p.Grant.into(), p.Account.into()...)...)
		return p, err
	}, "SELECT "+grantColumns+", "+accountColumns+` FROM grants r JOIN accounts a ON a.id = r.account_id
		WHERE r.agent_id = ?`+more+` AND (r.expires_at = 0 OR r.expires_at > ?) ORDER BY r.connector, a.name, a.id LIMIT 5000`,
		append(args, database.Micros(v.now()))...)
}

// sorted returns a sorted copy without doubles.
func sorted[S ~string](in []S) []S {
	out := slices.Clone(in)
	slices.Sort(out)
	return slices.Compact(out)
}
