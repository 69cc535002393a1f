package vault

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/printable"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/narrowing"
	"github.com/attache-proxy/attache/resolver/vault/seal"
)

// Agent is who calls through the proxy.
type Agent struct {
	ID           string // agt_…
	Organisation string
	Name         string // unique in its organisation
	Description  string
	// Connectors are the only ones it may use, whatever it was granted; nil
	// means any.
	Connectors []string
	Disabled   bool
	ExpiresAt  time.Time // zero: never
	Metadata   map[string]any
	Budgets    []string // and prices, as package budget has them

	CreatedAt, UpdatedAt time.Time
	Version              int64
}

// MayUse reports whether the agent is not kept from the connector.
func (a *Agent) MayUse(connector string) bool {
	return a.Connectors == nil || slices.Contains(a.Connectors, connector)
}

// Live reports whether the agent may call at all.
func (a *Agent) Live(now time.Time) bool { return !a.Disabled && !seal.Over(a.ExpiresAt, now) }

const agentColumns = `g.id, g.organisation, g.name, g.description, g.connectors, g.disabled, g.expires_at, g.metadata, g.budgets, g.created_at, g.updated_at, g.version`

func (a *Agent) into() []any {
	return []any{&a.ID, &a.Organisation, &a.Name, &a.Description, database.JSON(&a.Connectors), database.Bool(&a.Disabled), database.Time(&a.ExpiresAt),
		database.JSON(&a.Metadata), database.JSON(&a.Budgets), database.Time(&a.CreatedAt), database.Time(&a.UpdatedAt), &a.Version}
}

func scanAgent(s database.Scanner) (a Agent, err error) {
	err = s.Scan(a.into()...)
	a.Description = printable.Text(a.Description)
	return a, err
}

func (a *Agent) check() error {
	if err := database.CheckName("name", a.Name); err != nil {
		return err
	}
	// Door 1 reads user names as agent+account, Basic as agent:token, and
	// file:NAME is how agents of the Caddyfile are called.
	if strings.ContainsAny(a.Name, "+:/@ ") {
		return database.Invalid("name", "must not hold + : / @ or a space")
	}
	if a.Description = printable.Text(a.Description); len(a.Description) > database.MaxText {
		return database.Invalid("description", "is longer than %d bytes", database.MaxText)
	}
	for _, c := range a.Connectors {
		if err := database.CheckName("connectors", c); err != nil {
			return err
		}
	}
	return cmp.Or(narrowing.CheckBudgets("budgets", a.Budgets), checkMetadata(a.Metadata))
}

// NewAgent is what CreateAgent makes an agent of.
type NewAgent struct {
	Organisation, Name, Description string
	Connectors, Budgets             []string
	ExpiresAt                       time.Time
	Metadata                        map[string]any
}

// CreateAgent makes an agent and its first token, which is shown this once.
func (s *View) CreateAgent(ctx context.Context, n NewAgent) (Agent, secret.Value, error) {
	org, err := s.Place(n.Organisation)
	if err != nil {
		return Agent{}, secret.Value{}, err
	}
	now := s.v.db.Now()
	a := Agent{
		ID: database.NewID("agt", now), Organisation: org, Name: n.Name, Description: n.Description, Connectors: n.Connectors,
		ExpiresAt: database.Whole(n.ExpiresAt), Metadata: n.Metadata, Budgets: n.Budgets, CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	if err := a.check(); err != nil {
		return Agent{}, secret.Value{}, err
	}
	var token secret.Value
	err = s.v.write(ctx, func(t *tx) error {
		_, err := t.Exec(ctx, `INSERT INTO agents (id, organisation, name, description, connectors, disabled, expires_at, metadata, budgets, created_at, updated_at, version)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			a.ID, org, a.Name, a.Description, database.JSONText(a.Connectors), database.Bit(a.Disabled), database.Micros(a.ExpiresAt), database.JSONText(a.Metadata), database.JSONText(a.Budgets), database.Micros(now), database.Micros(now), a.Version)
		if err != nil {
			return err
		}
		if token, _, err = t.addAgentToken(ctx, a.ID, "first", time.Time{}); err != nil {
			return err
		}
		return s.tellAgent(ctx, t, &a, "agent.created")
	})
	if err != nil {
		return Agent{}, secret.Value{}, err
	}
	return a, token, nil
}

func (s *View) tellAgent(ctx context.Context, t *tx, a *Agent, code string) error {
	t.Changed(Change{Kind: KindAgent, ID: a.ID, Agent: a.ID})
	e := s.Event(AuditAdmin, code, a.Organisation)
	e.AgentID, e.Detail = a.ID, a.Name
	return audit.Write(ctx, t.Tx, e)
}

// Agent returns one agent, or ErrNotFound.
func (s *View) Agent(ctx context.Context, id string) (Agent, error) {
	return s.ownAgent(database.One(ctx, s.v.r, scanAgent, "SELECT "+agentColumns+" FROM agents g WHERE g.id = ?", id))
}

func (s *View) ownAgent(a Agent, err error) (Agent, error) {
	if err == nil && !s.Sees(a.Organisation) {
		err = ErrNotFound
	}
	if err != nil {
		return Agent{}, err
	}
	return a, nil
}

// AgentFilter narrows a list; empty fields match all.
type AgentFilter struct {
	Organisation, Name string
	// Words is part of a name or a description.
	Words string
}

// Agents lists agents.
func (s *View) Agents(ctx context.Context, f AgentFilter, p Page) (List[Agent], error) {
	w := s.Where("g.organisation")
	w.Is("g.organisation", f.Organisation)
	w.Is("g.name", f.Name)
	w.Words(f.Words, "g.name", "g.description")
	return agentList.Read(ctx, s.v.r, w, p)
}

var agentList = database.Listing[Agent]{
	Columns: agentColumns, From: "agents g", Key: "g.id", Kind: "agt", Scan: scanAgent, ID: func(a Agent) string { return a.ID },
	Name: "g.name", NameOf: func(a Agent) string { return a.Name },
}

// AgentEdit is what may be changed; nil leaves a thing as it is.
type AgentEdit struct {
	Name, Description *string
	// Connectors points to nil to allow any again.
	Connectors *[]string
	Disabled   *bool
	ExpiresAt  *time.Time
	Metadata   map[string]any
	Budgets    *[]string // replaces all of them
}

// UpdateAgent edits an agent that is at version, or at any if version is 0.
func (s *View) UpdateAgent(ctx context.Context, id string, version int64, e AgentEdit) (Agent, error) {
	return s.editAgent(ctx, id, version, func(t *tx, a *Agent) error {
		set(&a.Name, e.Name)
		set(&a.Description, e.Description)
		set(&a.Connectors, e.Connectors)
		set(&a.Disabled, e.Disabled)
		set(&a.ExpiresAt, e.ExpiresAt)
		set(&a.Budgets, e.Budgets)
		a.ExpiresAt = database.Whole(a.ExpiresAt)
		if e.Metadata != nil {
			a.Metadata = e.Metadata
		}
		if err := a.check(); err != nil {
			return err
		}
		a.Version++
		a.UpdatedAt = s.v.db.Now()
		_, err := t.Exec(ctx, `UPDATE agents SET name = ?, description = ?, connectors = ?, disabled = ?, expires_at = ?, metadata = ?, budgets = ?, updated_at = ?, version = ? WHERE id = ?`,
			a.Name, a.Description, database.JSONText(a.Connectors), database.Bit(a.Disabled), database.Micros(a.ExpiresAt), database.JSONText(a.Metadata), database.JSONText(a.Budgets), database.Micros(a.UpdatedAt), a.Version, id)
		if err != nil {
			return err
		}
		return s.tellAgent(ctx, t, a, "agent.updated")
	})
}

// editAgent runs f on a locked agent.
func (s *View) editAgent(ctx context.Context, id string, version int64, f func(*tx, *Agent) error) (Agent, error) {
	var a Agent
	err := s.v.write(ctx, func(t *tx) (err error) {
		a, err = s.ownAgent(database.One(ctx, t, scanAgent, t.Locked("SELECT "+agentColumns+" FROM agents g WHERE g.id = ?"), id))
		if err != nil {
			return err
		}
		if version != 0 && version != a.Version {
			return ErrConflict
		}
		return f(t, &a)
	})
	if err != nil {
		return Agent{}, err
	}
	return a, nil
}

// DeleteAgent deletes an agent with its tokens and grants. Its audit stays.
func (s *View) DeleteAgent(ctx context.Context, id string, version int64) error {
	_, err := s.editAgent(ctx, id, version, func(t *tx, a *Agent) error {
		for _, text := range []string{"DELETE FROM grants WHERE agent_id = ?", "DELETE FROM agents WHERE id = ?"} {
			if _, err := t.Exec(ctx, text, id); err != nil {
				return err
			}
		}
		return s.tellAgent(ctx, t, a, "agent.deleted")
	})
	return err
}

// maxAgentTokens is how many live tokens an agent may have: enough to rotate.
const maxAgentTokens = 20

// AddAgentToken gives an agent a further token, which is shown this once. A zero
// end means that it does not expire.
func (s *View) AddAgentToken(ctx context.Context, agentID, name string, end time.Time) (seal.TokenInfo, secret.Value, error) {
	if err := database.CheckName("name", name); err != nil {
		return seal.TokenInfo{}, secret.Value{}, err
	}
	var info seal.TokenInfo
	var token secret.Value
	_, err := s.editAgent(ctx, agentID, 0, func(t *tx, a *Agent) (err error) {
		var n int
		if err := t.Row(ctx, "SELECT COUNT(*) FROM agent_tokens WHERE agent_id = ?", agentID).Scan(&n); err != nil {
			return err
		}
		if n >= maxAgentTokens {
			return database.Invalid("name", "the agent has %d tokens already; delete one first", n)
		}
		if token, info, err = t.addAgentToken(ctx, agentID, name, end); err != nil {
			return err
		}
		return s.tellAgent(ctx, t, a, "agent.token_created")
	})
	return info, token, err
}

func (t *tx) addAgentToken(ctx context.Context, agentID, name string, end time.Time) (secret.Value, seal.TokenInfo, error) {
	now := t.v.db.Now()
	token, hash, hint := seal.NewToken(seal.AgentToken)
	info := seal.TokenInfo{ID: database.NewID("tok", now), Name: name, Hint: hint, CreatedAt: now, ExpiresAt: database.Whole(end)}
	_, err := t.Exec(ctx, "INSERT INTO agent_tokens (id, agent_id, name, hash, hint, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
		info.ID, agentID, name, hash, hint, database.Micros(now), database.Micros(end))
	return token, info, err
}

// AgentTokens lists an agent's tokens without the tokens themselves.
func (s *View) AgentTokens(ctx context.Context, agentID string) ([]seal.TokenInfo, error) {
	if _, err := s.Agent(ctx, agentID); err != nil {
		return nil, err
	}
	return database.Collect(ctx, s.v.r, func(r database.Scanner) (i seal.TokenInfo, err error) {
		err = r.Scan(&i.ID, &i.Name, &i.Hint, database.Time(&i.CreatedAt), database.Time(&i.ExpiresAt))
		return i, err
	}, "SELECT id, name, hint, created_at, expires_at FROM agent_tokens WHERE agent_id = ? ORDER BY id", agentID)
}

// DeleteAgentToken ends a token at once.
func (s *View) DeleteAgentToken(ctx context.Context, agentID, tokenID string) error {
	_, err := s.editAgent(ctx, agentID, 0, func(t *tx, a *Agent) error {
		n, err := t.Exec(ctx, "DELETE FROM agent_tokens WHERE id = ? AND agent_id = ?", tokenID, agentID)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		return s.tellAgent(ctx, t, a, "agent.token_deleted")
	})
	return err
}

const agentByTokenText = "SELECT " + agentColumns + ", k.expires_at FROM agent_tokens k JOIN agents g ON g.id = k.agent_id WHERE k.hash = ?"

// AgentByToken returns the live agent whose token that is. Until is when the
// token or the agent ends, zero for never: who caches the answer keeps it no
// longer. It returns ErrNotFound for every token that opens nothing.
func (v *Vault) AgentByToken(ctx context.Context, token secret.Value) (a Agent, until time.Time, err error) {
	var end time.Time
	err = v.r.Keep().Row(ctx, agentByTokenText, seal.Hash(token.Reveal())).Scan(append(a.into(), database.Time(&end))...)
	if err != nil {
		return Agent{}, time.Time{}, v.db.Explain(err)
	}
	if now := v.now(); seal.Over(end, now) || !a.Live(now) {
		return Agent{}, time.Time{}, ErrNotFound
	}
	return a, sooner(end, a.ExpiresAt), nil
}

// AgentTokenDigests returns the SHA-256 of each live agent's token that begins
// with these hexadecimal digits. With eight of them there is hardly more than one.
func (v *Vault) AgentTokenDigests(ctx context.Context, prefix string) (digests [][]byte, err error) {
	const most = 8
	// The range is one of the index on hash: no digit is behind f.
	rows, err := v.r.Keep().Query(ctx, "SELECT "+agentColumns+", k.expires_at, k.hash FROM agent_tokens k JOIN agents g ON g.id = k.agent_id WHERE k.hash >= ? AND k.hash < ? LIMIT ?",
		prefix, prefix+"g", most)
	if err != nil {
		return nil, v.db.Explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var a Agent
		var end time.Time
		var hash string
		if err := rows.Scan(append(a.into(), database.Time(&end), &hash)...); err != nil {
			return nil, v.db.Explain(err)
		}
		digest, err := hex.DecodeString(hash)
		if now := v.now(); err != nil || seal.Over(end, now) || !a.Live(now) {
			continue
		}
		digests = append(digests, digest)
	}
	return digests, v.db.Explain(rows.Err())
}

// sooner is the earlier of two ends; zero means never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
