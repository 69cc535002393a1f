package oauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/attache-proxy/attache/providers/oauth/unreached"
	"github.com/attache-proxy/attache/providers/secret"
)

// ErrInvalidGrant matches an *Error whose code is invalid_grant: the refresh
// token, code or assertion is not valid any more, and only a person can help.
var ErrInvalidGrant = errors.New("the grant is not valid any more")

// ErrNeedsConsent means that there is nothing to obtain a token with: the
// account was never connected, or its refresh token is gone.
var ErrNeedsConsent = errors.New("a person must connect this account")

// ErrInvalidClient matches an *Error about who asks and not about what is asked: the
// OAuth client's id or secret is wrong, or it may not use the grant type. It is the
// same for every account of that client until somebody corrects it.
var ErrInvalidClient = errors.New("the OAuth client is refused")

// clientCodes are the codes of RFC 6749 §5.2 that say so, and words that GitHub, Slack,
// HubSpot, Salesforce and Google use for the same; in lower case.
var clientCodes = map[string]bool{
	"invalid_client": true, "unauthorized_client": true,
	"incorrect_client_credentials": true, "bad_client_id": true, "bad_client_secret": true, "invalid_client_id": true,
	"invalid_client_secret": true, "client_identifier_invalid": true, "deleted_client": true, "disabled_client": true,
}

// Codes of RFC 6749 §5.2 and RFC 8628 §3.5 that somebody here branches on.
const (
	codeInvalidGrant = "invalid_grant"
	codePending      = "authorization_pending"
	codeSlowDown     = "slow_down"
)

// Error is what became of a request to a token endpoint that brought no token.
// It holds no secret and nothing of the answer but its error code and a cleaned
// description.
type Error struct {
	// Endpoint is the host that was asked, without the path.
	Endpoint string
	// Status is that of the answer, 0 when none came.
	Status int
	// Code is the error code of RFC 6749 §5.2, or empty.
	Code string
	// Description is short and printable; it may be empty.
	Description string
	// Temporary says that the same request may work later: no answer, 429, 5xx.
	Temporary bool
	// Unsent says that the request did not leave: nothing happened at the endpoint.
	Unsent bool
	// RetryAfter is how long the endpoint asks to be left alone, 0 if it doesn't.
	RetryAfter time.Duration
	// Interval is the new polling interval that came with slow_down, 0 for none.
	Interval time.Duration

	challenged bool // 401 to us, without a code: only the client authenticates there

	cause  error
	inside secret.Value // does not print by itself
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "token endpoint %s", e.Endpoint)
	if e.Status != 0 {
		fmt.Fprintf(&b, " answered %d", e.Status)
	}
	if e.Code != "" {
		b.WriteString(", " + e.Code)
	}
	if e.Description != "" {
		b.WriteString(": " + e.Description)
	}
	return b.String()
}

// Is makes errors.Is(err, ErrInvalidGrant) and ErrInvalidClient work. An endpoint that
// is out of order promises nothing, whatever code it sends.
func (e *Error) Is(target error) bool {
	switch {
	case e.Temporary:
		return false
	case target == ErrInvalidGrant:
		return e.Code == codeInvalidGrant
	case target == ErrInvalidClient:
		return clientCodes[strings.ToLower(e.Code)] || e.challenged && e.Code == ""
	}
	return false
}

// Unwrap returns a context's error, and nothing that could hold a URL.
func (e *Error) Unwrap() error { return e.cause }

// temporaryStatus reports whether a status promises nothing about the next try.
func temporaryStatus(status int) bool {
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// unsent is the Error for a request that got no answer. What net says of it has
// addresses of our network, and the URL may have secrets in its query: only why in
// our own words is told.
func unsent(endpoint string, err error, hide *redactor) *Error {
	e := &Error{Endpoint: endpoint, Temporary: true, Unsent: neverLeft(err), Description: unreached.Why(err)}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			e.cause = known
		}
	}
	var wrapped *url.Error
	for errors.As(err, &wrapped) {
		err, wrapped = wrapped.Err, nil
	}
	e.inside = secret.New(hide.clean(err.Error()))
	return e
}

// Inside is what was seen from here where no answer came, addresses of our network
// and all, without secrets: for the operator's own log and nobody else.
func (e *Error) Inside() string { return e.inside.Reveal() }

// neverLeft reports whether an error of a Doer means that nothing was sent: no
// connection was made, or the Doer says so.
func neverLeft(err error) bool {
	var op *net.OpError
	var doer interface{ NeverLeft() bool }
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &doer) && doer.NeverLeft()
}

// redactor takes secrets out of texts that come from outside.
type redactor struct{ secrets []string }

// add remembers secrets, in the encodings in which an endpoint may echo them.
// Shorter ones than four characters are not told from ordinary words.
func (h *redactor) add(secrets ...string) {
	for _, s := range secrets {
		if len(s) < 4 {
			continue
		}
		h.secrets = append(h.secrets, s, url.QueryEscape(s), url.PathEscape(s))
	}
	slices.SortFunc(h.secrets, func(a, b string) int { return len(b) - len(a) })
}

const maxDescription = 200

// longWord is what a token looks like that we do not know: an endpoint may
// put one into its error text.
var longWord = regexp.MustCompile(`[A-Za-z0-9._~+/=%-]{16,}`)

// clean makes a text from outside short, printable and free of secrets.
func (h *redactor) clean(s string) string {
	for _, secret := range h.secrets {
		s = strings.ReplaceAll(s, secret, "[redacted]")
	}
	s = longWord.ReplaceAllStringFunc(s, func(w string) string {
		if strings.ContainsAny(w, "0123456789") {
			return "[redacted]"
		}
		return w
	})
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxDescription {
		s = string(r[:maxDescription]) + "…"
	}
	return s
}

var codeChars = regexp.MustCompile(`^[A-Za-z0-9_.:/ -]+$`)

// code is an error code from outside, or "unknown_error" when it is not one.
func (h *redactor) code(s string) string {
	if s == "" || len(s) > 64 || !codeChars.MatchString(s) || h.clean(s) != s {
		return "unknown_error"
	}
	return s
}
