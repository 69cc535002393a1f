// Package approval holds requests on which a person decides: what the person is shown,
// how long is waited for them, and what their answer is good for.
//
// It fails closed. A request goes on only when the store has said so of this very request,
// and of an answer that is good once, only for the one that took it there.
package approval

import (
	"context"
	"errors"
	"slices"
	"time"
)

// State is how an approval stands.
type State string

// The states. Pending is the first, and from Approved it goes on to Used; the others
// are ends.
const (
	Pending   State = "pending"
	Approved  State = "approved"
	Denied    State = "denied"
	Expired   State = "expired"
	Withdrawn State = "withdrawn" // whoever asked is gone
	Used      State = "used"
)

// States are all of them.
var States = []State{Pending, Approved, Denied, Expired, Withdrawn, Used}

// Kind is what people are asked about.
type Kind string

// The kinds.
const (
	// Requested is a request.
	Requested Kind = ""
	// Proposed is a rule that an agent wants in its grant.
	Proposed Kind = "proposal"
)

// Scope is what a yes is good for.
type Scope string

// The scopes. All are for the same agent, account and grant.
const (
	// Once is for the same request, one time.
	Once Scope = "once"
	// Minutes is for the same operation, on the same resource where it has one, for a
	// quarter of an hour, whatever is in the body.
	Minutes Scope = "minutes"
	// Resource is for what the same rule asks about, with the same effect on the same
	// resource, for eight hours.
	Resource Scope = "resource"
	// Rule is Once, and a new rule in the grant that allows the operation from now on.
	Rule Scope = "rule"
)

// How long things are good for.
const (
	// PendingFor is how long a question stays open.
	PendingFor = time.Hour
	// OnceFor is how long a yes waits for its one request.
	OnceFor     = time.Hour
	MinutesFor  = 15 * time.Minute
	ResourceFor = 8 * time.Hour
	// DeniedFor is how long the same request is refused without asking again.
	DeniedFor = 10 * time.Minute
	// ProposedFor is how long a proposal stays open, and RefusedFor how long the same is
	// not asked again after a no.
	ProposedFor = 7 * 24 * time.Hour
	RefusedFor  = 24 * time.Hour
)

// Lasts is how long a question stays open.
func (k Kind) Lasts() time.Duration {
	if k == Proposed {
		return ProposedFor
	}
	return PendingFor
}

// Refuses is for how long the same is not asked again after a no.
func (k Kind) Refuses() time.Duration {
	if k == Proposed {
		return RefusedFor
	}
	return DeniedFor
}

// Lasts is how long a yes is good for.
func (s Scope) Lasts() time.Duration {
	switch s {
	case Minutes:
		return MinutesFor
	case Resource:
		return ResourceFor
	}
	return OnceFor
}

// Request is what a person is asked about. It holds no secret of ours.
type Request struct {
	Kind                    Kind
	Organisation, Connector string
	// AgentID and AccountID are the vault's, or of the configuration file's; Agent and
	// Account are names.
	AgentID, Agent, AccountID, Account string
	// GrantID is empty for a grant of the configuration file.
	GrantID string
	// Operation is the name, empty where there is none; Effect and Resource as package
	// operations has them.
	Operation, Effect, Resource string
	// Method is the one that counts; URL is without query.
	Method, URL string
	// Rule is the one that asks, and Allow the one that would allow exactly this; empty
	// where there is none.
	Rule, Allow string
	// Digest is of the whole request, Act of what it does, and Place of its effect and
	// resource; see Digest. An empty Act or Place is equal to none.
	Digest, Act, Place string
	// Flight says that it can be approved only while it waits: its body was not read to
	// the end, so that none is known to be the same.
	Flight bool
	// Preview is what is in it. The store seals it.
	Preview Preview
}

// Scopes are what a yes may be given for.
func (r *Request) Scopes() []Scope {
	if r.Kind == Proposed {
		return []Scope{Rule}
	}
	out := []Scope{Once}
	if r.Act != "" {
		out = append(out, Minutes)
	}
	if r.Place != "" {
		out = append(out, Resource)
	}
	if r.Allow != "" && r.GrantID != "" {
		out = append(out, Rule)
	}
	return out
}

// Approval is a question to a person, and the answer.
type Approval struct {
	ID string // apr_…
	Request
	State State
	// Scope is of a yes.
	Scope Scope
	// By is who answered, and Reason what they said.
	By, Reason string
	// DecidedAt and UsedAt are zero before. ExpiresAt is when the question, or what the
	// answer is good for, ends.
	RequestedAt, DecidedAt, UsedAt, ExpiresAt time.Time
}

// Stands is its state at a moment.
func (a *Approval) Stands(now time.Time) State {
	if a.Kind == Proposed && a.State == Approved {
		return Approved // what came of it stands in the grant
	}
	if (a.State == Pending || a.State == Approved) && !now.Before(a.ExpiresAt) {
		return Expired
	}
	return a.State
}

// Single reports a yes that is good for one request.
func (a *Approval) Single() bool { return a.Scope == Once || a.Scope == Rule }

// Answer is what a person says.
type Answer struct {
	// Yes approves, for Scope.
	Yes   bool
	Scope Scope
	// Rule, where it is not empty, is put into the grant in the place of what was proposed.
	Rule string
	// Back takes back a yes that still stands; without it one answer wins.
	Back bool
	// Reason is told to the agent where the answer is no.
	Reason string
}

// MaxReason is how long a reason may be, in bytes.
const MaxReason = 500

// May reports whether the answer is one that the approval offers.
func (a *Approval) May(s Scope) bool { return slices.Contains(a.Scopes(), s) }

// Limits bound what one agent can make people look at.
const (
	// MaxPending is how many questions of one agent may be open, and MaxHourly how many
	// it may ask in an hour.
	MaxPending = 100
	MaxHourly  = 300
	// MaxProposals is how many of them may be proposals.
	MaxProposals = 20
)

// Errors of a Store.
var (
	// ErrTooMany means that the agent has asked too much.
	ErrTooMany = errors.New("too many approvals are asked for")
	// ErrGone means that the yes is not good any more, or was used.
	ErrGone = errors.New("the approval is used or over")
)

// Store remembers approvals, for all replicas.
type Store interface {
	// FileApproval finds the answer that there is for a request, or the question that is
	// open, and otherwise asks; filed says so. It returns ErrTooMany.
	FileApproval(ctx context.Context, r *Request) (a Approval, filed bool, err error)
	// ApprovalNow is how it stands.
	ApprovalNow(ctx context.Context, id string) (Approval, error)
	// UseApproval takes a yes that is good once; of all who try, one gets nil and the
	// others ErrGone.
	UseApproval(ctx context.Context, id string) error
	// WithdrawApproval ends a question that is open; nothing where it is not.
	WithdrawApproval(ctx context.Context, id string) error
}
