package resolver

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/providers/sign"
	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/echo"
	"github.com/attache-proxy/attache/resolver/limit"
	"github.com/attache-proxy/attache/resolver/rule"
	"github.com/attache-proxy/attache/resolver/run"
)

// Agent is who calls through the proxy.
type Agent struct {
	// ID is unique; agents of the Caddyfile have their name here.
	ID   string
	Name string
	// Organisation is whose it is; empty means DefaultOrganisation.
	Organisation string
	// Only are the connectors that it may use, whatever it was granted; nil
	// means any.
	Only []string
	// Limit is what it has in use; nil where it is not limited.
	Limit *limit.Agent
	// Budgets are its own; nil for none.
	Budgets *budget.Plan
	// Run is the run of a command that calls; nil where none is known.
	Run *run.Run
}

// DefaultOrganisation is that of the configuration file, and of everything that
// names none. The vault's is the same.
const DefaultOrganisation = "default"

// organisation is whose the agent is.
func (a *Agent) organisation() string { return cmp.Or(a.Organisation, DefaultOrganisation) }

// MayUse reports whether the agent is not kept from a connector.
func (a *Agent) MayUse(connector string) bool {
	return a.Only == nil || slices.Contains(a.Only, connector)
}

// State is an account's state.
type State string

// The states of an account.
const (
	StatePending   State = "pending"
	StateActive    State = "active"
	StateExpired   State = "expired"
	StateRevoked   State = "revoked"
	StateError     State = "error"
	StateSuspended State = "suspended"
)

// Account is somebody's connection to a connector, as a request needs it. It
// is not changed after it was made: a changed account is a new value.
type Account struct {
	// ID is unique; accounts of the Caddyfile have connector:name here.
	ID   string
	Name string
	// CacheKey is where its tokens are cached; it changes with what they are
	// obtained with. Empty means ID.
	CacheKey string
	// Organisation is whose it is; empty means DefaultOrganisation.
	Organisation string
	Connector    *providers.Connector
	Option       *providers.Option
	// Fields are the pasted values; App the OAuth client.
	Fields secret.Values
	App    secret.Values
	// Ambient is the machine's own identity, which only accounts of the
	// operator's configuration may use; nil for others.
	Ambient oauth.Ambient
	State   State
	// Why is the reason for the state: a stable code, and a sentence that agents may
	// read; both may be empty.
	Why struct{ Code, Detail string }
	// Generation counts the credentials that a Store has had for it: what is
	// cached of an older one than this belongs to a connection that is over.
	Generation uint64
	// Default marks the account that is used where several are granted and
	// none was chosen.
	Default bool
	// ConnectURL is where a person can connect it again; may be empty.
	ConnectURL string
	// Store remembers the account's tokens and joins replicas; nil for accounts
	// of the Caddyfile, whose tokens are only cached.
	Store Store
	// Limits are what an operator set for the account.
	Limits Limits
	// Budgets are of all who use it; nil for none.
	Budgets *budget.Plan
	// Meta are values for {account.…}: captured from token answers and the like.
	Meta map[string]string

	static  *secret.Credential
	echoes  echo.Memory
	later   atomic.Uint64 // the newest Generation that Saw was told
	learned sign.Memory   // from its services' answers

	originOnce   sync.Once
	originTarget Target
	originErr    error
}

// Prepare fills in what follows from the other fields. It is called once,
// before the account is used.
func (a *Account) Prepare() error {
	if a.CacheKey == "" {
		a.CacheKey = a.ID
	}
	if a.Option.Type != providers.TypeCredentials {
		return nil
	}
	cred, err := a.Option.Credential(a.Fields)
	a.static = cred
	return err
}

// Hold makes the account work with this credential alone, which is not
// refreshed: for trying a token before it is stored.
func (a *Account) Hold(cred *secret.Credential) { a.static = cred }

// Saw tells that the account has had that many credentials by now, so that no
// cached one of an earlier generation is used any more.
func (a *Account) Saw(generation uint64) {
	for old := a.later.Load(); generation > old && !a.later.CompareAndSwap(old, generation); old = a.later.Load() {
	}
}

// oldest is the generation before which a credential is over.
func (a *Account) oldest() uint64 { return max(a.Generation, a.later.Load()) }

// vars is what templates of hosts and URLs may read.
func (a *Account) vars() *expr.Vars {
	return &expr.Vars{Cred: &secret.Credential{Fields: a.Fields}, App: a.App, Account: a.Meta}
}

// hostVars is vars where a host of the connector is a template, and else nil:
// most are not, and this is asked on every request.
func (a *Account) hostVars() *expr.Vars {
	if !a.Connector.HasHostTemplates() {
		return nil
	}
	return a.vars()
}

// Bindings are the exact hosts that the account adds to the index, for agents of
// its organisation: while it is active, or was and waits for somebody to connect
// it again, which its agents are told there. A host that was never proved, or
// that an operator took out of use, is like any other.
func (a *Account) Bindings() []providers.Binding {
	switch a.State {
	case StateActive, StateExpired, StateRevoked, StateError:
		return a.Connector.Bindings(cmp.Or(a.Organisation, DefaultOrganisation), a.vars())
	}
	return nil
}

// Limits narrow what an account is used for. Zero values mean none.
type Limits struct {
	// PerMinute is how many requests may use the account in any minute.
	PerMinute int
	// Timeout is how long a request may wait for its answer to begin.
	Timeout time.Duration
	// NoRefresh says that tokens are not renewed by themselves.
	NoRefresh bool
	// Retries is how often a request that can be sent again is, when the
	// service cannot be reached or answers 502, 503 or 504.
	Retries int
	// TokenLife is taken for a token's life where the service does not say; 0: nothing is.
	TokenLife time.Duration
	// Limited and Away make believe, for accounts in test mode, that the limit is
	// reached and that the service cannot be reached.
	Limited, Away bool
}

// Granted is an account that an agent may use, and for what.
type Granted struct {
	// ID is the vault's; empty for a grant of the Caddyfile.
	ID      string
	Account *Account
	// Write is true where more than reading was granted.
	Write bool
	// Presign lets the agent have URLs that work without the proxy for a while.
	Presign bool
	// Placeholder leaves a credential of the client's own on a request; the account's
	// is placed where there is none, our placeholder or the agent's token.
	Placeholder bool
	// Confined lets it be used in runs alone that have no way out but us.
	Confined bool
	// Rules narrow the grant: one of them must match. None means every request.
	Rules []Rule
	// Operations decide what it may do; nil means reading, or with Write everything.
	Operations *rule.Set
	// Budgets are the grant's; nil for none.
	Budgets *budget.Plan
}

// Rule is a narrowing of a grant.
type Rule = rule.Place

// Allows reports whether the rules cover a request, with each of the methods
// that it may be taken for.
func (g *Granted) Allows(host string, methods []string, path string) bool {
	if len(g.Rules) == 0 {
		return true
	}
	for _, m := range methods {
		if !slices.ContainsFunc(g.Rules, func(r Rule) bool { return r.Covers(host, m, path) }) {
			return false
		}
	}
	return true
}

// ErrUnknownAgent is what a Directory returns where nobody has that token or name.
var ErrUnknownAgent = errors.New("unknown agent")

// Directory is what the resolver asks about agents, accounts and grants. Its
// methods are called on every request and answer from memory.
type Directory interface {
	// AgentByToken returns whose token that is, or ErrUnknownAgent. Where name
	// is not empty the agent must also be called so.
	AgentByToken(ctx context.Context, name, token string) (*Agent, error)
	// TokenDigests returns the SHA-256 of each token that an agent may use now
	// and whose digest begins with these hexadecimal digits, which are lower case.
	TokenDigests(ctx context.Context, prefix string) ([][]byte, error)
	// AgentByName is for agents that a listener, a unix peer or a client
	// certificate stands for.
	AgentByName(ctx context.Context, name string) (*Agent, error)
	// AgentByID returns the agent as it is now, or ErrUnknownAgent where it was
	// deleted or suspended, or has ended.
	AgentByID(ctx context.Context, id string) (*Agent, error)
	// Granted lists the accounts of a connector that the agent may use.
	Granted(ctx context.Context, agent *Agent, connector string) ([]Granted, error)
}
