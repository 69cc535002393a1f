package resolver

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/operations"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/approval"
	"github.com/attache-proxy/attache/resolver/budget"
	"github.com/attache-proxy/attache/resolver/carried"
	"github.com/attache-proxy/attache/resolver/deed"
	"github.com/attache-proxy/attache/resolver/operation"
	"github.com/attache-proxy/attache/resolver/override"
	"github.com/attache-proxy/attache/resolver/refusal"
	"github.com/attache-proxy/attache/resolver/reindex"
	"github.com/attache-proxy/attache/resolver/rule"
	"github.com/attache-proxy/attache/resolver/tap"
	"github.com/attache-proxy/attache/resolver/tool"
)

// Resolver decides what happens to a request and sends it. It is safe for
// concurrent use; what it was made of does not change.
type Resolver struct {
	index       atomic.Pointer[providers.Index]
	directory   Directory
	credentials *Credentials
	transports  *transports
	observer    Observer
	moreURL     func(*Account, []string) string
	signURL     URLSigner
	maxBody     int64
	inflate     func(*Call, int64) (func(), error)
	running     *Running
	operations  Tables
	approvals   *approval.Desk
	budgets     *budget.Keeper
	confined    bool
	tools       *tool.Book

	// renewal of the index; nil where it never changes.
	renewal *reindex.Renewal
}

// Config is what a Resolver is made of.
type Config struct {
	// Index finds connectors by host.
	Index *providers.Index
	// Directory knows agents, accounts and grants.
	Directory Directory
	// Credentials obtains tokens.
	Credentials *Credentials
	// Transports say how services are reached.
	Transports Transports
	// Observer hears of every request; nil means nobody.
	Observer Observer
	// Reindex makes the index anew after Resolver.Reindex; nil means that it
	// never changes.
	Reindex func(context.Context) (*providers.Index, error)
	// MoreURL is where a person can approve further scopes for an account, beside
	// those that it has; nil, or an empty URL, where nobody can.
	MoreURL func(a *Account, scopes []string) string
	// SignedBody is up to how many bytes of a body are kept because a signature
	// needs them; zero is DefaultSignedBody.
	SignedBody int64
	// Inflate asks for memory to inflate an answer in, to search it, and returns
	// how to give it back; its error refuses the answer. Nil takes it from the
	// memory that the agent may have in use.
	Inflate func(call *Call, bytes int64) (release func(), err error)
	// Running are the calls that are under way, of earlier resolvers too; nil for
	// one of its own.
	Running *Running
	// SignURL presigns for service accounts of Google; nil means not.
	SignURL URLSigner
	// Operations finds connectors' tables; nil means that none has one.
	Operations Tables
	// Approvals holds requests on which a person decides; nil refuses them.
	Approvals *approval.Desk
	// Budgets counts what is used of budgets; nil where nobody has any.
	Budgets *budget.Keeper
	// Confined is Granted.Confined for every grant.
	Confined bool
	// Tools knows those of MCP servers; nil where nothing is remembered.
	Tools *tool.Book
}

// New makes a Resolver.
func New(c Config) *Resolver {
	r := &Resolver{directory: c.Directory, credentials: c.Credentials, observer: c.Observer, transports: newTransports(c.Transports), moreURL: c.MoreURL, signURL: c.SignURL, maxBody: c.SignedBody, inflate: c.Inflate, running: c.Running, operations: c.Operations, approvals: c.Approvals, budgets: c.Budgets, confined: c.Confined, tools: c.Tools}
	if r.maxBody == 0 {
		r.maxBody = DefaultSignedBody
	}
	if r.observer == nil {
		r.observer = nobody{}
	}
	if r.inflate == nil {
		r.inflate = inflateWithin
	}
	if r.running == nil {
		r.running = new(Running)
	}
	r.index.Store(c.Index)
	if c.Reindex != nil {
		r.renewal = &reindex.Renewal{Make: c.Reindex, Store: r.index.Store}
	}
	return r
}

// Index is the index in force.
func (r *Resolver) Index() *providers.Index {
	r.renewal.Wait()
	return r.index.Load()
}

// Known is the index as it is, for those who may not wait.
func (r *Resolver) Known() *providers.Index { return r.index.Load() }

// Claimed reports whether a host belongs to a connector, as the agent's
// organisation sees it.
func (r *Resolver) Claimed(a *Agent, t Target) bool {
	return r.Index().Known(a.organisation(), t.Host, t.Port)
}

// Reindex says that connectors or accounts have changed. It holds from the next
// request on.
func (r *Resolver) Reindex() { r.renewal.Need() }

// ReindexSoon says the same where nobody waits for it: within two seconds.
func (r *Resolver) ReindexSoon() { r.renewal.Soon() }

// Close drops idle connections.
func (r *Resolver) Close() { r.transports.close() }

// Ask is a request as a door understood it.
type Ask struct {
	Agent  *Agent
	Target Target
	Method string
	// Path is escaped, as on the wire, without query; Query is raw.
	Path, Query string
	// Header is as the agent sent it; it is only read.
	Header http.Header
	// Upgrade says that the connection is to become something else.
	Upgrade bool
	// Body says that the request may have one.
	Body bool
	// Connector is given by the doors that name it; otherwise the host decides.
	Connector string
	// Below are labels of the service's own names, below the host of the connector's
	// base URL: the bucket of a store. Empty means none.
	Below string
	// Account is the agent's choice; empty means none.
	Account string
	// Token is what the agent presented to us; zero where it is known otherwise.
	Token secret.Value

	// explains says that nothing is sent: no limit is used up.
	explains bool
}

// leadsTo is where a door that names the connector leads for an account.
func (a *Ask) leadsTo(acct *Account) (Target, error) {
	t, err := acct.origin()
	if a.Below != "" {
		t.Host = a.Below + "." + t.Host
	}
	return t, err
}

// Call is a request that was permitted: what it may use, and what became of it.
type Call struct {
	Agent *Agent
	// Connector is nil for a host of no connector, and for a URL that somebody
	// else has signed: then nothing is signed.
	Connector *providers.Connector
	Host      *providers.Host
	Account   *Account
	Target    Target
	// HTTPS is whether the service is spoken to over TLS.
	HTTPS bool
	// Door is how the agent came in.
	Door Door
	// Prefix is what stands before the path at the base-URL door: "/github".
	Prefix string
	// Signed is the connector whose host has a URL that somebody else signed.
	Signed *providers.Connector
	// Kept says that the request carries a credential of the client's own, which stays:
	// the account's is not placed.
	Kept bool

	// Token is what the agent presented; zero where it is known otherwise.
	Token secret.Value

	// Method and Path are what was decided on: the method on the wire, or the one by
	// which a header or parameter overrides it; the path is escaped, without query.
	Method, Path string
	// Began is when Begin counted it in.
	Began time.Time
	// Outcome is filled in by Send.
	Outcome Outcome

	run running

	// methods are the method on the wire and those by which it is overridden.
	methods    []string
	mayPresign bool
	// onlyReads says that the method decides what it may do: then a body is watched.
	onlyReads bool
	// writes says that it needs a grant for more than reading.
	writes bool
	// deed is what the grant's rules decide on; nil where it has none, and then does is what
	// the head says.
	deed *deed.Deed
	does operations.Operation
	// grant is the vault's id of the grant, and approval the handle of the question to a
	// person, whom it waits for now where waits is set.
	grant    string
	approval atomic.Pointer[string]
	waits    atomic.Bool
	// head is what its head says of what it does, where that is asked for (Explain).
	head *operation.Head
	// route is whose way of reaching the service is taken where Connector is nil.
	route *providers.Connector
	// spend is what it uses of budgets; nil where it has none.
	spend *budget.Spend
	tap   *tap.Body // reads the tokens of its answer; nil where nobody counts them
	// sending is the first request that is sent for it.
	sending exchange
}

// Decide matches and permits. Its error is a *Refusal.
func (r *Resolver) Decide(ctx context.Context, ask Ask) (*Call, error) {
	call := &Call{Agent: ask.Agent, Target: ask.Target, Method: ask.Method, Path: ask.Path}
	if err := override.CheckMethod(ask.Method); err != nil {
		return call, err
	}
	if ask.Connector == "" {
		if err := r.Index().Unclear(ask.Agent.organisation(), ask.Target.Host, ask.Target.Port, ask.Path); err != nil {
			return call, unclearPath(err)
		}
	}
	var few [4]providers.Entry
	claims, err := r.claims(few[:0], ask)
	if err != nil {
		return call, err
	}
	if len(claims) == 0 {
		call.HTTPS = !ask.Target.Plain
		return call, nil
	}
	call.Connector, call.Host = claims[0].Connector, claims[0].Host // whom a refusal names
	others, err := r.othersURL(ctx, claims, &ask)
	if err != nil {
		return call, err
	}
	if others.is {
		return call, r.passOthersURL(ctx, call, &ask, claims, others)
	}
	g, err := r.choose(ctx, call, ask, claims)
	if err != nil {
		return call, err
	}
	if err := r.permit(ctx, call, ask, g); err != nil {
		return call, err
	}
	if err := call.settle(ask); err != nil {
		return call, err
	}
	call.Kept = g.Placeholder && carried.Own(call.Connector, call.Connector.SignerFor(call.Account.Option, call.Host).Places(), carried.Request{Path: ask.Path, Query: ask.Query, Header: ask.Header, Token: ask.Token})
	return call, nil
}

// unclearPath refuses a path that services may read in different ways, where
// the path decides.
func unclearPath(err error) error {
	return &Refusal{Code: "bad_request", Detail: "the path decides here, and it can be read in different ways: " + err.Error(), Next: "Send the path as the service would resolve it."}
}

// settle fixes the host for doors that name a connector, and the scheme.
func (call *Call) settle(ask Ask) error {
	if ask.Connector != "" {
		t, err := ask.leadsTo(call.Account)
		if err != nil {
			return err
		}
		if err := call.unclear(t, ask.Path); err != nil {
			return unclearPath(err)
		}
		call.Target = t
		call.Host = call.hostFor(t, ask.Path)
		if call.Host == nil {
			return &Refusal{Code: "no_connector", Detail: fmt.Sprintf("path %s of %s is outside what connector %s covers", ask.Path, t.Host, call.Connector.Key),
				Next: "Use a path that the connector covers."}
		}
	}
	vars := call.Account.hostVars()
	if !call.Host.Allows(call.Target.Host, call.Target.Port, vars) {
		return &Refusal{Code: "not_permitted", Detail: fmt.Sprintf("the credential of account %s of connector %s is for another host than %s", call.Account.Name, call.Connector.Key, call.Target.Authority(true)),
			Next: "Call the host that the account was connected for."}
	}
	call.HTTPS = !call.Host.PlainHTTP || !call.Target.Plain
	if call.Target.Port == "80" && call.HTTPS && call.Host.PortFor(vars) == "" {
		call.Target.Port = "443" // the agent may speak plain HTTP to us; we never do
	}
	return nil
}

// origin is where the base-URL door of the account leads.
func (a *Account) origin() (Target, error) {
	a.originOnce.Do(func() { a.originTarget, a.originErr = a.findOrigin() })
	return a.originTarget, a.originErr
}

func (a *Account) findOrigin() (Target, error) {
	bad := func(err error) error {
		return &Refusal{Code: "cannot_sign", Detail: fmt.Sprintf("connector %s, account %s: the base URL cannot be made: %v", a.Connector.Key, a.Name, err),
			Next: "Ask the operator to complete the account's fields, or to correct the connector."}
	}
	u, err := a.Connector.Origin(a.vars())
	if err != nil {
		return Target{}, bad(err)
	}
	plain := u.Scheme == "http"
	t, err := ParseTarget(u.Host, map[bool]string{true: "80", false: "443"}[plain])
	if err != nil {
		return Target{}, bad(err)
	}
	t.Plain = plain
	return t, nil
}

// hostFor finds the connector's own entry for a host that its base URL gave.
func (call *Call) hostFor(t Target, path string) *providers.Host {
	return call.Connector.HostFor(t.Host, t.Port, path, call.Account.hostVars())
}

// unclear says why it is not clear which of the connector's hosts a path belongs to.
func (call *Call) unclear(t Target, path string) error {
	return call.Connector.Unclear(t.Host, t.Port, path, call.Account.hostVars())
}

func vaultAway(err error) error {
	return &Refusal{Code: "vault_unavailable", Err: err,
		Detail: "the list of grants cannot be read at the moment", Next: "Try again in a few seconds."}
}

// permit decides whether the account that was chosen may be used for this.
func (r *Resolver) permit(ctx context.Context, call *Call, ask Ask, g Granted) error {
	c := call.Connector
	call.onlyReads, call.grant = !g.Write, g.ID
	does := ask.does(c)
	call.methods, call.Method = does.Methods, override.Effective(does.Methods)
	if err := override.CheckMethods(does.Methods); err != nil {
		return err
	}
	call.writes = !c.Reads(does)
	head := r.head(call, &ask, g.Account, does)
	call.spend = r.budgets.Of(g.Budgets, g.Account.Budgets, ask.Agent.Budgets)
	if ask.explains {
		asked := head
		call.head = &asked
	}
	if g.Operations != nil {
		if err := call.judge(head, g.Operations); err != nil {
			return err
		}
	} else if !g.Write && head.Spoken() {
		if err := call.judgeRead(head); err != nil {
			return err
		}
	} else if call.does = operation.Glance(&head, !call.writes); call.writes && !g.Write {
		return call.onlyReading(override.Says(does))
	}
	if !g.Allows(call.ruleHost(ask, g.Account), does.Methods, ask.Path) {
		return &Refusal{Code: "not_permitted",
			Detail: fmt.Sprintf("the grant of agent %s for account %s of connector %s does not cover %s %s", ask.Agent.Name, g.Account.Name, c.Key, call.Method, ask.Path),
			Next:   "Do not repeat this request. Ask the operator to widen the grant's rules."}
	}
	if call.deed == nil && call.spend.ByOperation() {
		if err := call.judge(head, rule.Any()); err != nil {
			return err
		}
	}
	if err := usable(g.Account); err != nil {
		return err
	}
	if ask.explains {
		return nil
	}
	return r.take(ctx, g.Account)
}

// ruleHost is the host that rules are compared with. At the doors that name a
// connector it is that of the account's base URL.
func (call *Call) ruleHost(ask Ask, a *Account) string {
	if ask.Target.Host != "" {
		return ask.Target.Host
	}
	t, err := ask.leadsTo(a)
	if err != nil {
		return "" // settle says why
	}
	return t.Host
}

// take counts one request against the account's limit.
func (r *Resolver) take(ctx context.Context, a *Account) error {
	l := budget.Rate{PerMinute: a.Limits.PerMinute, Limited: a.Limits.Limited, Away: a.Limits.Away}
	if l == (budget.Rate{}) {
		return nil
	}
	return l.Take(ctx, r.credentials.Cache, a.ID, func() string { return fmt.Sprintf("account %s of connector %s", a.Name, a.Connector.Key) })
}

// usable refuses accounts that are not active.
func usable(a *Account) error {
	if a.State == StateActive {
		return nil
	}
	about := fmt.Sprintf("account %s of connector %s", a.Name, a.Connector.Key)
	switch a.State {
	case StatePending:
		return &Refusal{Code: "account_not_connected", ConnectURL: a.ConnectURL, Detail: about + " is not connected yet", Next: connectStep(a)}
	case StateSuspended:
		return &Refusal{Code: "account_suspended", Detail: about + " was suspended by an operator", Next: "Do not repeat this request. Ask the operator."}
	case StateExpired, StateRevoked:
		return &Refusal{Code: "account_" + string(a.State), ConnectURL: a.ConnectURL, Detail: fmt.Sprintf("the authorization of %s is %s", about, a.State), Next: connectStep(a)}
	}
	ref := &Refusal{Code: "account_error", ConnectURL: a.ConnectURL, Detail: about + " is in error", Next: connectStep(a)}
	if a.Why.Detail != "" {
		ref.Detail += ": " + a.Why.Detail
	}
	if a.Why.Code == CodeInvalidClient {
		ref.ConnectURL, ref.Next = "", "Do not repeat this request. Ask the operator to correct the OAuth client."
	}
	return ref
}

func connectStep(a *Account) string {
	if a.ConnectURL != "" {
		return "Ask the person to open connect_url and connect the account; then repeat this request."
	}
	return "Ask the operator to connect the account; then repeat this request."
}

// Identify finds the agent by what a client presented: a user name, perhaps
// with +account, and a token. The account is returned beside the agent.
func (r *Resolver) Identify(ctx context.Context, user, token string) (agent *Agent, account string, err error) {
	name, account, _ := strings.Cut(user, "+")
	agent, err = r.directory.AgentByToken(ctx, name, token)
	return agent, account, err
}

// TokenDigests finds tokens by the beginning of their digest, as Directory.
func (r *Resolver) TokenDigests(ctx context.Context, prefix string) ([][]byte, error) {
	return r.directory.TokenDigests(ctx, prefix)
}

// AgentByName finds an agent that is known by other means than a token.
func (r *Resolver) AgentByName(ctx context.Context, name string) (*Agent, error) {
	return r.directory.AgentByName(ctx, name)
}

// Refusal is an answer of ours instead of the service's.
type Refusal = refusal.Refusal

// AsRefusal finds the refusal in an error.
func AsRefusal(err error) (*Refusal, bool) { return refusal.As(err) }

// quoteNames lists names for a sentence.
func quoteNames(names []string) string { return strings.Join(names, ", ") }
