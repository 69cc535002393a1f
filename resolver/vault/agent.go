package vault

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/printable"
	"github.com/attache-proxy/attache/providers/secret"
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

	CreatedAt, UpdatedAt time.Time
	Version              int64
}

// MayUse reports whether the agent is not kept from the connector.
func (a *Agent) MayUse(connector string) bool {
	return a.Connectors == nil || slices.Contains(a.Connectors, connector)
}

// Live reports whether the agent may call at all.
func (a *Agent) Live(now time.Time) bool { return !a.Disabled && !over(a.ExpiresAt, now) }

const agentColumns = `g.id, g.organisation, g.name, g.description, g.connectors, g.disabled, g.expires_at, g.metadata, g.created_at, g.updated_at, g.version`

func (a *Agent) into() []any {
	return []any{&a.ID, &a.Organisation, &a.Name, &a.Description, jsonCol{&a.Connectors}, bitCol{&a.Disabled}, timeCol{&a.ExpiresAt},
		jsonCol{&a.Metadata}, timeCol{&a.CreatedAt}, timeCol{&a.UpdatedAt}, &a.Version}
}

func scanAgent(s scanner) (a Agent, err error) {
	err = s.Scan(a.into()...)
	a.Description = printable.Text(a.Description)
	return a, err
}

func (a *Agent) check() error {
	if err := checkName("name", a.Name); err != nil {
		return err
	}
	// Door 1 reads user names as agent+account, Basic as agent:token, and
	// file:NAME is how agents of the Caddyfile are called.
	if strings.ContainsAny(a.Name, "+:/@ ") {
		return invalid("name", "must not hold + : / @ or a space")
	}
	if a.Description = printable.Text(a.Description); len(a.Description) > maxText {
		return invalid("description", "is longer than %d bytes", maxText)
	}
	for _, c := range a.Connectors {
		if err := checkName("connectors", c); err != nil {
			return err
		}
	}
	return checkMetadata(a.Metadata)
}

// NewAgent is what CreateAgent makes an agent of.
type NewAgent struct {
	Organisation, Name, Description string
	Connectors                      []string
	ExpiresAt                       time.Time
	Metadata                        map[string]any
}

// CreateAgent makes an agent and its first token, which is shown this once.
func (s *View) CreateAgent(ctx context.Context, n NewAgent) (Agent, secret.Value, error) {
	org, err := s.place(n.Organisation)
	if err != nil {
		return Agent{}, secret.Value{}, err
	}
	now := s.v.moment()
	a := Agent{
		ID: newID("agt", now), Organisation: org, Name: n.Name, Description: n.Description, Connectors: n.Connectors,
		ExpiresAt: whole(n.ExpiresAt), Metadata: n.Metadata, CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	if err := a.check(); err != nil {
		return Agent{}, secret.Value{}, err
	}
	var token secret.Value
	err = s.v.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO agents (id, organisation, name, description, connectors, disabled, expires_at, metadata, created_at, updated_at, version)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			a.ID, org, a.Name, a.Description, jsonText(a.Connectors), bit(a.Disabled), micros(a.ExpiresAt), jsonText(a.Metadata), micros(now), micros(now), a.Version)
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
	t.changed(Change{Kind: KindAgent, ID: a.ID, Agent: a.ID})
	e := s.event(AuditAdmin, code, a.Organisation)
	e.AgentID, e.Detail = a.ID, a.Name
	return t.audit(ctx, e)
}

// Agent returns one agent, or ErrNotFound.
func (s *View) Agent(ctx context.Context, id string) (Agent, error) {
	return s.ownAgent(one(ctx, s.v, s.v.r, scanAgent, "SELECT "+agentColumns+" FROM agents g WHERE g.id = ?", id))
}

func (s *View) ownAgent(a Agent, err error) (Agent, error) {
	if err == nil && !s.sees(a.Organisation) {
		err = ErrNotFound
	}
	if err != nil {
		return Agent{}, err
	}
	return a, nil
}

// AgentFilter narrows a list; empty fields match all.
type AgentFilter struct{ Organisation, Name string }

// Agents lists agents.
func (s *View) Agents(ctx context.Context, f AgentFilter, p Page) (List[Agent], error) {
	w := s.where("g.organisation")
	w.is("g.organisation", f.Organisation)
	w.is("g.name", f.Name)
	return agentList.read(ctx, s.v, w, p)
}

var agentList = listing[Agent]{
	columns: agentColumns, from: "agents g", key: "g.id", kind: "agt", scan: scanAgent, id: func(a Agent) string { return a.ID },
}

// AgentEdit is what may be changed; nil leaves a thing as it is.
type AgentEdit struct {
	Name, Description *string
	// Connectors points to nil to allow any again.
	Connectors *[]string
	Disabled   *bool
	ExpiresAt  *time.Time
	Metadata   map[string]any
}

// UpdateAgent edits an agent that is at version, or at any if version is 0.
func (s *View) UpdateAgent(ctx context.Context, id string, version int64, e AgentEdit) (Agent, error) {
	return s.editAgent(ctx, id, version, func(t *tx, a *Agent) error {
		set(&a.Name, e.Name)
		set(&a.Description, e.Description)
		set(&a.Connectors, e.Connectors)
		set(&a.Disabled, e.Disabled)
		set(&a.ExpiresAt, e.ExpiresAt)
		a.ExpiresAt = whole(a.ExpiresAt)
		if e.Metadata != nil {
			a.Metadata = e.Metadata
		}
		if err := a.check(); err != nil {
			return err
		}
		a.Version++
		a.UpdatedAt = s.v.moment()
		_, err := t.exec(ctx, `UPDATE agents SET name = ?, description = ?, connectors = ?, disabled = ?, expires_at = ?, metadata = ?, updated_at = ?, version = ? WHERE id = ?`,
			a.Name, a.Description, jsonText(a.Connectors), bit(a.Disabled), micros(a.ExpiresAt), jsonText(a.Metadata), micros(a.UpdatedAt), a.Version, id)
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
		a, err = s.ownAgent(one(ctx, s.v, t, scanAgent, t.locked("SELECT "+agentColumns+" FROM agents g WHERE g.id = ?"), id))
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
			if _, err := t.exec(ctx, text, id); err != nil {
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
func (s *View) AddAgentToken(ctx context.Context, agentID, name string, end time.Time) (TokenInfo, secret.Value, error) {
	if err := checkName("name", name); err != nil {
		return TokenInfo{}, secret.Value{}, err
	}
	var info TokenInfo
	var token secret.Value
	_, err := s.editAgent(ctx, agentID, 0, func(t *tx, a *Agent) (err error) {
		var n int
		if err := t.row(ctx, "SELECT COUNT(*) FROM agent_tokens WHERE agent_id = ?", agentID).Scan(&n); err != nil {
			return err
		}
		if n >= maxAgentTokens {
			return invalid("name", "the agent has %d tokens already; delete one first", n)
		}
		if token, info, err = t.addAgentToken(ctx, agentID, name, end); err != nil {
			return err
		}
		return s.tellAgent(ctx, t, a, "agent.token_created")
	})
	return info, token, err
}

func (t *tx) addAgentToken(ctx context.Context, agentID, name string, end time.Time) (secret.Value, TokenInfo, error) {
	now := t.v.moment()
	token, hash, hint := newToken(agentTokenPrefix)
	info := TokenInfo{ID: newID("tok", now), Name: name, Hint: hint, CreatedAt: now, ExpiresAt: whole(end)}
	_, err := t.exec(ctx, "INSERT INTO agent_tokens (id, agent_id, name, hash, hint, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
		info.ID, agentID, name, hash, hint, micros(now), micros(end))
	return token, info, err
}

// AgentTokens lists an agent's tokens without the tokens themselves.
func (s *View) AgentTokens(ctx context.Context, agentID string) ([]TokenInfo, error) {
	if _, err := s.Agent(ctx, agentID); err != nil {
		return nil, err
	}
	return collect(ctx, s.v, s.v.r, func(r scanner) (i TokenInfo, err error) {
		err = r.Scan(&i.ID, &i.Name, &i.Hint, timeCol{&i.CreatedAt}, timeCol{&i.ExpiresAt})
		return i, err
	}, "SELECT id, name, hint, created_at, expires_at FROM agent_tokens WHERE agent_id = ? ORDER BY id", agentID)
}

// DeleteAgentToken ends a token at once.
func (s *View) DeleteAgentToken(ctx context.Context, agentID, tokenID string) error {
	_, err := s.editAgent(ctx, agentID, 0, func(t *tx, a *Agent) error {
		n, err := t.exec(ctx, "DELETE FROM agent_tokens WHERE id = ? AND agent_id = ?", tokenID, agentID)
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
	err = v.r.keep().row(ctx, agentByTokenText, hashToken(token.Reveal())).Scan(append(a.into(), timeCol{&end})...)
	if err != nil {
		return Agent{}, time.Time{}, v.explain(err)
	}
	if now := v.now(); over(end, now) || !a.Live(now) {
		return Agent{}, time.Time{}, ErrNotFound
	}
	return a, sooner(end, a.ExpiresAt), nil
}

// AgentTokenDigests returns the SHA-256 of each live agent's token that begins
// with these hexadecimal digits. With eight of them there is hardly more than one.
func (v *Vault) AgentTokenDigests(ctx context.Context, prefix string) (digests [][]byte, err error) {
	const most = 8
	// The range is one of the index on hash: no digit is behind f.
	rows, err := v.r.keep().query(ctx, "SELECT "+agentColumns+", k.expires_at, k.hash FROM agent_tokens k JOIN agents g ON g.id = k.agent_id WHERE k.hash >= ? AND k.hash < ? LIMIT ?",
		prefix, prefix+"g", most)
	if err != nil {
		return nil, v.explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var a Agent
		var end time.Time
		var hash string
		if err := rows.Scan(append(a.into(), timeCol{&end}, &hash)...); err != nil {
			return nil, v.explain(err)
		}
		digest, err := hex.DecodeString(hash)
		if now := v.now(); err != nil || over(end, now) || !a.Live(now) {
			continue
		}
		digests = append(digests, digest)
	}
	return digests, v.explain(rows.Err())
}

// sooner is the earlier of two ends; zero means never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
