package vault

import (
	"slices"
	"time"
)

// State is where an account stands.
type State string

const (
	// Pending accounts wait for credentials, or for their first test.
	Pending State = "pending"
	// Active accounts work.
	Active State = "active"
	// Expired accounts need their owner to connect again.
	Expired State = "expired"
	// Revoked accounts were disconnected; their secrets are gone.
	Revoked State = "revoked"
	// Error accounts failed in a way that may need an operator.
	Error State = "error"
	// Suspended accounts were stopped by a person and go on where they were.
	Suspended State = "suspended"
)

// States is every state, for filters and documentation.
var States = []State{Pending, Active, Expired, Revoked, Error, Suspended}

// transitions is every change of state there is.
//
//	pending ──► active ◄──► expired        any but revoked ──► suspended, and back
//	   │          │ ▲          │           any ──► revoked ──► pending
//	   └► error ◄─┘ └─ error ◄─┘
var transitions = map[State][]State{
	Pending: {Active, Error, Revoked, Suspended},
	Active:  {Expired, Error, Revoked, Suspended},
	Expired: {Active, Error, Revoked, Suspended},
	Error:   {Active, Expired, Revoked, Suspended},
	// Back to where it came from only; see change.
	Suspended: {Pending, Active, Expired, Error, Revoked},
	// Only new credentials bring an account back; they are tested again.
	Revoked: {Pending},
}

// CanBecome reports whether the table of transitions leads from s to t.
func (s State) CanBecome(t State) bool { return slices.Contains(transitions[s], t) }

// Reason says why a state changed. It is written to the audit and shown to people.
type Reason struct {
	// Code is stable and machine-readable, such as "invalid_grant".
	Code string
	// Detail is a sentence without secrets; it may be empty.
	Detail string
}

// Codes of reasons that the vault itself knows. Others may be used.
const (
	ReasonCreated            = "created"
	ReasonCredentialsSet     = "credentials_set"
	ReasonConnected          = "connected"
	ReasonActivated          = "activated_by_operator"
	ReasonTestFailed         = "test_failed"
	ReasonRefreshed          = "refreshed"
	ReasonInvalidGrant       = "invalid_grant"
	ReasonInvalidClient      = "invalid_client"
	ReasonClientCorrected    = "client_corrected"
	ReasonRefreshInterrupted = "refresh_interrupted"
	ReasonSuspended          = "suspended_by_operator"
	ReasonResumed            = "resumed_by_operator"
	ReasonRevoked            = "revoked_by_operator"
)

// change moves a to state to: the one place where a state changes. What follows
// from the new state is set with it, so that a row is never half way.
func (a *Account) change(to State, why Reason, now time.Time) error {
	if !a.State.CanBecome(to) || (a.State == Suspended && to != Revoked && to != a.ResumeTo) {
		return &TransitionError{a.State, to}
	}
	if to == Expired && a.ConnectedAt.IsZero() { // what never worked cannot expire
		return &TransitionError{a.State, to}
	}
	from := a.State
	a.State, a.Reason, a.StateSince = to, why, now
	a.ResumeTo = ""
	switch to {
	case Suspended:
		a.ResumeTo = from
	case Active:
		if a.ConnectedAt.IsZero() {
			a.ConnectedAt = now
		}
	case Revoked:
		a.ConnectedAt, a.ExpiresAt, a.Scopes = time.Time{}, time.Time{}, nil
		a.revokeLease()
	}
	return nil
}

// takeAway makes whoever refreshes the account now lose the right to save.
func (a *Account) takeAway() {
	a.Generation++
	a.fence++
	a.leaseOwner, a.leaseUntil = "", 0
	a.intentFence, a.intentGeneration, a.intentAt = 0, 0, time.Time{}
}

// revokeLease is takeAway for an account that has no secrets any more. A holder
// that calls the token endpoint now keeps its lease, so that whoever revoked the
// account can wait for it; one that does not call yet may not begin. What was
// abandoned is not forgotten: the service may have made tokens then.
func (a *Account) revokeLease() {
	a.Generation++
	if a.leaseOwner == "" || a.intentFence != a.fence {
		a.fence++
		a.leaseOwner, a.leaseUntil = "", 0
	}
}

// impossible says what in the account contradicts itself, or nothing. It is
// checked before every write: a wrong row is an error now instead of a riddle
// later.
func (a *Account) impossible() string {
	_, known := transitions[a.State]
	switch {
	case !known:
		return "unknown state " + string(a.State)
	case (a.State == Suspended) != (a.ResumeTo != ""):
		return "a suspended account, and no other, has a state to resume to"
	case a.ResumeTo == Suspended || a.ResumeTo == Revoked:
		return "an account cannot resume to " + string(a.ResumeTo)
	case (a.State == Active || a.State == Expired) && a.ConnectedAt.IsZero():
		return "an account that is " + string(a.State) + " was connected once"
	case (a.State == Pending || a.State == Revoked) && !a.ConnectedAt.IsZero():
		return "an account that is " + string(a.State) + " is not connected"
	case a.State == Revoked && (!a.ExpiresAt.IsZero() || len(a.Scopes) > 0):
		return "a revoked account has no token"
	case a.StateSince.IsZero() || a.Reason.Code == "":
		return "a state has a beginning and a reason"
	case a.intentFence > a.fence:
		return "an intent to refresh belongs to a lease that was given"
	case (a.leaseOwner == "") != (a.leaseUntil == 0):
		return "a lease has an owner and an end"
	}
	return ""
}
