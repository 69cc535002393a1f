package budget

import (
	"context"
	"errors"
	"time"
)

// Charge is what a request takes of one budget in one window.
type Charge struct {
	// Counter and Slot, when the window began in seconds since 1970, are what it is counted by.
	Counter string
	Slot    int64
	// Until is when the window is over.
	Until time.Time
	// Need must be left of Most, and Add is what is taken; it may be below zero, to give back.
	Need, Add, Most int64
	// Strict says that it is better to refuse than not to know what others have used.
	Strict bool
	// Used is filled in: what is used then, or what was used where it was refused.
	Used int64
}

// fits reports whether what is needed is left.
func (c *Charge) fits(used int64) bool { return used+c.Need <= c.Most }

// Store counts. What it was given may be read and filled in until it returns.
type Store interface {
	// Take takes everything or nothing: ok says which. An error means that neither is sure
	// and that the request must not go on.
	Take(ctx context.Context, charges []Charge) (ok bool, err error)
	// Add adds, whatever is left. What is used is never less than nothing.
	Add(ctx context.Context, charges []Charge) error
	// Used fills in what is used.
	Used(ctx context.Context, charges []Charge) error
}

// ErrAway is the error of a Store that cannot find out what was used.
var ErrAway = errors.New("what was used of the budgets cannot be found out")

// keepPast is how long what was used is remembered after its window: clocks are set back.
const keepPast = 24 * time.Hour

// KeepUntil is until when a charge must be remembered.
func (c *Charge) KeepUntil() time.Time { return c.Until.Add(keepPast) }
