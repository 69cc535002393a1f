// Package sign places a credential on a request. What to place and where is
// data: a Spec, compiled once into a Signer.
//
// A Signer is pure. It reads the request and its body, never the network, a
// clock or a random source, and remembers nothing: those come in with the Input,
// so that published vectors can fix them, and no account learns from another's answers.
package sign

import (
	"fmt"
	"net/http"
	"time"

	"github.com/attache-proxy/attache/providers/expr"
)

// Input is what a Signer may use beside the request. Request and Placed are set
// by Sign.
type Input struct {
	expr.Vars
	// Memory is what the account has learned from services; nil for signatures
	// that are given out, which go by our own clock.
	Memory *Memory
	// MaxExpires bounds how long a signature in the query works, where the agent
	// asks for longer; zero means no bound.
	MaxExpires time.Duration
	// HeaderOnly says that nothing is signed in the query: the agent may not have
	// a URL that works on its own.
	HeaderOnly bool
	// Placed is what Sign put on the wire, in its order.
	Placed []Placed

	room [3]Placed // most requests need no more
	uses [2]expr.Use
}

// Signer places a credential.
type Signer interface {
	// Sign places the credential on r, which the caller owns, in place. When
	// it changes the body it replaces r.Body, r.ContentLength and in.Body.
	//
	// It returns *Error when this request cannot be signed, and an error that
	// wraps *expr.MissingError when the account lacks a value. Then r may have
	// been changed in part and must not be sent.
	Sign(r *http.Request, in *Input) error
	// Places says what Sign writes; see Strip.
	Places() Places
	// NeedsBody reports whether Sign may need in.Body; see the function
	// NeedsBody for one request.
	NeedsBody() bool
}

// NeedsBody reports whether s needs in.Body to sign r. A body that is hashed or
// framed by the agent's SDK already, as with S3, is streamed instead.
func NeedsBody(s Signer, r *http.Request) bool {
	if each, ok := s.(*signer); ok {
		return each.needsBodyOf(r)
	}
	return s.NeedsBody()
}

// Places are the parts of a request that a Signer writes. Headers are in
// canonical case; JSON holds dotted paths.
type Places struct {
	Headers []string `yaml:"header"`
	Query   []string `yaml:"query"`
	Cookies []string `yaml:"cookie"`
	Form    []string `yaml:"form"`
	JSON    []string `yaml:"json"`
}

// Error says why this request cannot be signed. It never holds a secret.
type Error struct {
	Status int // for the answer: 400 or 413
	Msg    string
}

func (e *Error) Error() string { return e.Msg }

// cannot is an Error that blames the request.
func cannot(format string, args ...any) error {
	return &Error{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// Env is what a Spec is checked against when a connector is loaded.
type Env struct {
	// Fields are the names that {fields.NAME} may use; nil allows any.
	Fields []string
	// Optional are those of Fields that an account may lack. What is placed
	// from them is then left out.
	Optional []string
}
