// Package secret holds the words that everybody shares: a Value that cannot be
// printed by accident, Values by field name, and the Credential made of them.
package secret

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
	"time"
)

// redacted is what every way of printing a Value shows.
const redacted = "[redacted]"

// Value is a secret string. It prints as [redacted] in fmt, slog, zap and JSON;
// Reveal is the only way out. The zero Value is the empty secret.
//
// The string sits behind a pointer, so that even a Value in an unexported field,
// where fmt cannot call our methods, prints as an address.
type Value struct{ s *string }

// New makes a Value of s.
func New(s string) Value { return Value{&s} }

// Reveal returns the secret itself. Call it only where the secret is used.
func (v Value) Reveal() string {
	if v.s == nil {
		return ""
	}
	return *v.s
}

// IsZero reports whether the secret is empty.
func (v Value) IsZero() bool { return v.s == nil || *v.s == "" }

// Equal compares in time that does not depend on where the two differ.
func (v Value) Equal(w Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.Reveal()), []byte(w.Reveal())) == 1
}

func (v Value) String() string               { return redacted }
func (v Value) GoString() string             { return redacted }
func (v Value) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(redacted)) }
func (v Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
func (v Value) LogValue() slog.Value         { return slog.StringValue(redacted) }

// Values are secrets by field name, as a connector's option names them.
type Values map[string]Value

// Get returns the named secret, or the zero Value.
func (vs Values) Get(name string) Value { return vs[name] }

// Credential is what a signer places: values that are ready to use.
type Credential struct {
	// Token is the access token of an OAuth grant, or the main secret of a
	// pasted credential. It may be zero where a connector needs only Fields.
	Token Value
	// Fields are the account's fields, secret or not.
	Fields Values
	// Expiry is when Token stops working; zero means that it is not known.
	Expiry time.Time
	// RefreshAt is when a new token should be fetched although this one still
	// works; zero where Expiry is.
	RefreshAt time.Time
	// Scopes are the scopes that were granted, where the service says.
	Scopes []string
	// Generation tells two tokens of one account apart: it is different after
	// each refresh, so that a 401 forces at most one refresh per token.
	Generation uint64
}

// Expired reports whether the token has less than margin to live at now.
func (c *Credential) Expired(now time.Time, margin time.Duration) bool {
	return !c.Expiry.IsZero() && !now.Add(margin).Before(c.Expiry)
}
