// Package run is one run of a command (attache exec): it is opened by an agent, has a
// token of its own by which its requests are known, and ends.
//
// A run's token is the agent's for as long as the run lasts, and nobody's after. It opens
// no other run.
package run

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// A run that is not heard of for Lease is over: whoever kept it was killed. Beat is how
// often it says that it goes on.
const (
	Lease = 30 * time.Second
	Beat  = 10 * time.Second
)

// Run is one.
type Run struct {
	ID           string // run_…
	Organisation string
	// AgentID is as resolver.Agent has it: the name, for an agent of the configuration.
	AgentID, Agent string
	// Program, User and Host are what was started, by whom and where, as exec says:
	// the name of the program, never its arguments.
	Program, User, Host string
	// Confined says that its programs have no way out but us, as somebody says who had the
	// launch key.
	Confined bool
	// Opener is the SHA-256 of the agent's token by which it was opened, in hexadecimal:
	// without that token there is no run. Empty where there was none.
	Opener string

	Began, Seen, Ended time.Time // Ended is zero while it goes on
	// Why says how it ended: exited, or who ended it.
	Why string
	// Calls and Refusals are how many requests it made, and how many of those we refused.
	Calls, Refusals int64
}

// State is how a run stands.
type State string

// The states.
const (
	Running State = "running"
	Ended   State = "ended"
	// Lapsed is one that ended without a word: it was killed, or its machine was away.
	Lapsed State = "lapsed"
)

// Stands is the run's state at a time.
func (r *Run) Stands(now time.Time) State {
	switch {
	case !r.Ended.IsZero():
		return Ended
	case now.Sub(r.Seen) >= Lease:
		return Lapsed
	}
	return Running
}

// Confines reports whether there is a run, and its programs have no way out but us.
func (r *Run) Confines() bool { return r != nil && r.Confined }

// Name is the run's id; empty for none.
func (r *Run) Name() string {
	if r == nil {
		return ""
	}
	return r.ID
}

// Errors of a Store and a Desk.
var (
	// ErrNone is a run that is not there, or lapsed; ErrEnded one that was ended.
	ErrNone  = errors.New("there is no such run, or nobody has heard of it for too long")
	ErrEnded = errors.New("the run has ended")
	// ErrTooMany is an agent with more runs than MaxRuns or MaxHourly.
	ErrTooMany = errors.New("the agent has too many runs")
)

// IsOver reports whether an error says that a run is over, or never was.
func IsOver(err error) bool { return errors.Is(err, ErrNone) || errors.Is(err, ErrEnded) }

// MaxRuns is how many runs one agent may have at a time, and MaxHourly how many it may open
// in an hour: each is written down.
const (
	MaxRuns   = 1000
	MaxHourly = 5000
)

// Note is what is written of a run now and then.
type Note struct {
	ID string
	// Seen is when it was heard of last; zero: not since the last note.
	Seen            time.Time
	Calls, Refusals int64 // since the last note
}

// Store keeps runs. Digests are of their tokens, SHA-256 in hexadecimal.
type Store interface {
	// OpenRun keeps a run, and fills in its id and times. Its error may be ErrTooMany.
	OpenRun(ctx context.Context, r *Run, digest string) error
	// RunOf finds a run, which may be over; else its error is ErrNone.
	RunOf(ctx context.Context, digest string) (Run, error)
	// NoteRuns writes notes; those of runs that are over change their counts alone.
	NoteRuns(ctx context.Context, notes []Note) error
	// CloseRun ends a run; one that is over already stays as it is.
	CloseRun(ctx context.Context, id, why string) error
}

// prefix begins a run's token.
const prefix = "atr_"

const tokenBytes = 32

// newToken makes a token, and its digest.
func newToken() (secret.Value, string) {
	b := make([]byte, tokenBytes)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	text := prefix + base64.RawURLEncoding.EncodeToString(b)
	return secret.New(text), Digest(text)
}

// LooksLikeToken reports whether s has the form of a run's token.
func LooksLikeToken(s string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok || len(rest) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return false
	}
	_, err := base64.RawURLEncoding.DecodeString(rest)
	return err == nil
}

// Digest is what is kept of a token.
func Digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
