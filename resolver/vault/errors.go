package vault

import (
	"errors"
	"fmt"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/access"
	"github.com/attache-proxy/attache/resolver/vault/approval"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/seal"
)

// Errors of every room. Each says in its own package what it means.
var (
	ErrNotFound     = database.ErrNotFound
	ErrConflict     = database.ErrConflict
	ErrExists       = database.ErrExists
	ErrInvalid      = database.ErrInvalid
	ErrOrganisation = database.ErrOrganisation
	ErrUsed         = database.ErrUsed
	ErrExpired      = database.ErrExpired
	ErrNewer        = database.ErrNewer
	ErrUnavailable  = database.ErrUnavailable
	ErrNoKey        = seal.ErrNoKey
	ErrWrongKey     = seal.ErrWrongKey
	ErrMoved        = seal.ErrMoved
	ErrRolledBack   = seal.ErrRolledBack
	ErrKeyReused    = access.ErrKeyReused
	ErrDecided      = approval.ErrDecided
	ErrScope        = approval.ErrScope
)

// InvalidError is a value that a row cannot hold.
type InvalidError = database.InvalidError

var (
	// ErrInUse means that something else needs the row.
	ErrInUse = errors.New("in use")
	// ErrNotAllowed is what every *TransitionError matches.
	ErrNotAllowed = errors.New("state change not allowed")
	// ErrLeased is what every *LeasedError matches.
	ErrLeased = errors.New("account is being refreshed by another replica")
	// ErrFenced means that the lease was lost: another replica took it over, the
	// account was given new credentials, or it was revoked. Nothing was saved.
	ErrFenced = errors.New("the lease on the account was lost")
	// ErrRevoked matches ErrFenced: the account was revoked while it was being
	// refreshed, and what the refresh brought can be stored nowhere.
	ErrRevoked = fmt.Errorf("%w: it was revoked", ErrFenced)
)

// TransitionError is a change of an account's state that the table in accountstate.go
// does not have.
type TransitionError struct{ From, To State }

func (e *TransitionError) Error() string {
	if e.From == e.To {
		return fmt.Sprintf("the account is %s already", e.To)
	}
	return fmt.Sprintf("an account that is %s cannot become %s", e.From, e.To)
}
func (e *TransitionError) Is(target error) bool { return target == ErrNotAllowed }

// NotSuspendedError is a Resume of an account that was not suspended.
type NotSuspendedError struct{ State State }

func (e *NotSuspendedError) Error() string {
	return fmt.Sprintf("only a suspended account is resumed; this one is %s", e.State)
}
func (e *NotSuspendedError) Is(target error) bool { return target == ErrNotAllowed }

// LeasedError says who holds the lease and for how much longer at most.
type LeasedError struct {
	Owner string
	Left  time.Duration
}

func (e *LeasedError) Error() string {
	return fmt.Sprintf("%v (%s, for %s at most)", ErrLeased, e.Owner, e.Left.Round(time.Millisecond))
}
func (e *LeasedError) Is(target error) bool { return target == ErrLeased }
