package resolver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/rule"
)

// MinTokenLen is how short an agent's token may be.
const MinTokenLen = 16

// Static is a Directory that was written down: the agents, accounts and grants
// of a Caddyfile. It does not change after it was built.
type Static struct {
	byName  map[string]*staticAgent
	byToken map[[sha256.Size]byte]*staticAgent
	// accounts are by connector, in the order of the file.
	accounts map[string][]*Account
}

type staticAgent struct {
	Agent
	granted map[string][]Granted // by connector
}

// Grant says that an agent may use an account of a connector; an empty Account
// means every one. Without Write it may only read.
type Grant struct {
	Connector, Account string
	Write              bool
	// Presign is Granted.Presign.
	Presign bool
	// Placeholder is Granted.Placeholder.
	Placeholder bool
	// Confined is Granted.Confined.
	Confined bool
	// Operations and Budgets are Granted's.
	Operations *rule.Set
	Budgets    *budget.Plan
}

// NewStatic makes a directory of accounts; agents are added one by one.
func NewStatic(accounts []*Account) *Static {
	s := &Static{byName: map[string]*staticAgent{}, byToken: map[[sha256.Size]byte]*staticAgent{}, accounts: map[string][]*Account{}}
	for _, a := range accounts {
		s.accounts[a.Connector.Key] = append(s.accounts[a.Connector.Key], a)
	}
	return s
}

// AddAgent adds an agent with its tokens, perhaps none, and grants.
func (s *Static) AddAgent(name string, tokens []secret.Value, grants []Grant) error {
	if _, ok := s.byName[name]; ok {
		return fmt.Errorf("agent %s stands twice", name)
	}
	a := &staticAgent{Agent: Agent{ID: name, Name: name, Organisation: DefaultOrganisation}, granted: map[string][]Granted{}}
	for _, t := range tokens {
		if len(t.Reveal()) < MinTokenLen {
			return fmt.Errorf("agent %s: a token is shorter than %d characters; make one with: openssl rand -hex 32", name, MinTokenLen)
		}
		sum := sha256.Sum256([]byte(t.Reveal()))
		if other, ok := s.byToken[sum]; ok {
			return fmt.Errorf("agents %s and %s have the same token; each agent needs its own", other.Name, name)
		}
		s.byToken[sum] = a
	}
	for _, g := range grants {
		if err := s.grant(a, g); err != nil {
			return fmt.Errorf("agent %s: %w", name, err)
		}
	}
	s.byName[name] = a
	return nil
}

// grant resolves one grant to accounts. A grant of one account by name wins
// over one of all; granting the same twice joins what they allow.
func (s *Static) grant(a *staticAgent, g Grant) error {
	all := s.accounts[g.Connector]
	if len(all) == 0 {
		return fmt.Errorf("grant %s: no account of that connector is declared", g.Connector)
	}
	found := false
	for _, acct := range all {
		if g.Account != "" && g.Account != acct.Name {
			continue
		}
		found = true
		if err := a.add(Granted{Account: acct, Write: g.Write, Presign: g.Presign, Placeholder: g.Placeholder, Confined: g.Confined, Operations: g.Operations, Budgets: g.Budgets}); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("grant %s:%s: the connector has no account %q", g.Connector, g.Account, g.Account)
	}
	return nil
}

func (a *staticAgent) add(g Granted) error {
	list := a.granted[g.Account.Connector.Key]
	for i := range list {
		if list[i].Account == g.Account {
			if list[i].Operations != nil || g.Operations != nil || list[i].Budgets != nil || g.Budgets != nil {
				return fmt.Errorf("grant %s: account %s is granted twice, and one of the grants has rules or budgets; write them into one", g.Account.Connector.Key, g.Account.Name)
			}
			list[i].Write, list[i].Presign = list[i].Write || g.Write, list[i].Presign || g.Presign
			list[i].Placeholder, list[i].Confined = list[i].Placeholder || g.Placeholder, list[i].Confined || g.Confined
			return nil
		}
	}
	a.granted[g.Account.Connector.Key] = append(list, g)
	return nil
}

// TokenDigests implements Directory.
func (s *Static) TokenDigests(_ context.Context, prefix string) (digests [][]byte, err error) {
	for sum := range s.byToken {
		if strings.HasPrefix(hex.EncodeToString(sum[:]), prefix) {
			digests = append(digests, sum[:])
		}
	}
	return digests, nil
}

// AgentByToken implements Directory.
func (s *Static) AgentByToken(_ context.Context, name, token string) (*Agent, error) {
	a, ok := s.byToken[sha256.Sum256([]byte(token))]
	if !ok || name != "" && subtle.ConstantTimeCompare([]byte(name), []byte(a.Name)) != 1 {
		return nil, ErrUnknownAgent
	}
	return &a.Agent, nil
}

// AgentByName implements Directory.
func (s *Static) AgentByName(_ context.Context, name string) (*Agent, error) {
	if a, ok := s.byName[name]; ok {
		return &a.Agent, nil
	}
	return nil, ErrUnknownAgent
}

// AgentByID implements Directory; the name is the id.
func (s *Static) AgentByID(ctx context.Context, id string) (*Agent, error) {
	return s.AgentByName(ctx, id)
}

// Limit sets what an agent that was added has in use, and what it may use.
func (s *Static) Limit(name string, a *limit.Agent, p *budget.Plan) {
	s.byName[name].Limit, s.byName[name].Budgets = a, p
}

// Granted implements Directory.
func (s *Static) Granted(_ context.Context, agent *Agent, connector string) ([]Granted, error) {
	a, ok := s.byName[agent.Name]
	if !ok {
		return nil, nil
	}
	return a.granted[connector], nil
}

// Has reports whether the agent is one of the directory's own.
func (s *Static) Has(agent *Agent) bool {
	a, ok := s.byName[agent.Name]
	return ok && a.ID == agent.ID
}
