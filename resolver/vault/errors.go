package vault

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotFound means that no row of that id is there for this caller: a row
	// of another organisation is not found either.
	ErrNotFound = errors.New("not found")
	// ErrConflict means that the row was edited since the caller read it.
	ErrConflict = errors.New("changed by somebody else in the meantime")
	// ErrExists means that the name, key or pair is taken.
	ErrExists = errors.New("already exists")
	// ErrInUse means that something else needs the row.
	ErrInUse = errors.New("in use")
	// ErrOrganisation means that two rows of different organisations would meet.
	ErrOrganisation = errors.New("belongs to another organisation")
	// ErrNotAllowed is what every *TransitionError matches.
	ErrNotAllowed = errors.New("state change not allowed")
	// ErrInvalid is what every *InvalidError matches.
	ErrInvalid = errors.New("invalid")
	// ErrLeased is what every *LeasedError matches.
	ErrLeased = errors.New("account is being refreshed by another replica")
	// ErrFenced means that the lease was lost: another replica took it over, the
	// account was given new credentials, or it was revoked. Nothing was saved.
	ErrFenced = errors.New("the lease on the account was lost")
	// ErrRevoked matches ErrFenced: the account was revoked while it was being
	// refreshed, and what the refresh brought can be stored nowhere.
	ErrRevoked = fmt.Errorf("%w: it was revoked", ErrFenced)
	// ErrWrongKey means that no key of the key ring opens what is sealed.
	ErrWrongKey = errors.New("wrong key")
	// ErrNoKey means that no key was given.
	ErrNoKey = errors.New("no key")
	// ErrNewer means that a newer release wrote the database.
	ErrNewer = errors.New("the database was written by a newer version")
	// ErrUnavailable means that the database cannot be reached or cannot write
	// now (a full disk, a lost connection). The caller may try again later.
	ErrUnavailable = errors.New("the vault is unavailable")
	// ErrUsed means that something that works once was used before.
	ErrUsed = errors.New("already used")
	// ErrExpired means that a token or session is past its end.
	ErrExpired = errors.New("expired")
)

// InvalidError is a value that a row cannot hold.
type InvalidError struct {
	Field string // as in the API: "name", "rules[0].path"
	Msg   string
}

func (e *InvalidError) Error() string        { return e.Field + ": " + e.Msg }
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

func invalid(field, format string, args ...any) error {
	return &InvalidError{field, fmt.Sprintf(format, args...)}
}

// TransitionError is a change of an account's state that the table in state.go
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
