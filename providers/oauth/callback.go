package oauth

import (
	"fmt"
	"net/url"

	"github.com/attache-proxy/attache/providers/secret"
)

// Callback is what a provider's redirect to us brought.
type Callback struct {
	Code secret.Value
	// State must be compared with the session's before anything else is done.
	State    string
	Metadata map[string]string
}

// DeniedError is a callback that says no (RFC 6749 §4.1.2.1).
type DeniedError struct {
	Code        string // access_denied, …
	Description string // cleaned
	State       string
}

func (e *DeniedError) Error() string {
	if e.Description == "" {
		return "authorization refused: " + e.Code
	}
	return "authorization refused: " + e.Code + ": " + e.Description
}

// Callback reads the query of the provider's redirect. Parameters that stand
// twice, an answer of no, and another issuer than the connector's (RFC 9207) are
// errors.
func (c *Config) Callback(q url.Values) (*Callback, error) {
	for name, vs := range q {
		if len(vs) > 1 && (name == "state" || name == "error" || name == "iss" || name == c.codeParam()) {
			return nil, fmt.Errorf("callback: %s stands twice", name)
		}
	}
	// Before everything else: a refusal from another provider is none of ours.
	if iss := q.Get("iss"); iss != "" && c.spec.Issuer != "" && iss != c.spec.Issuer {
		return nil, fmt.Errorf("callback: iss is not that of the connector; the answer is from another provider")
	}
	var hide redactor
	if code := q.Get("error"); code != "" {
		return nil, &DeniedError{Code: hide.code(code), Description: hide.clean(q.Get("error_description")), State: q.Get("state")}
	}
	if q.Get("iss") == "" && c.spec.Callback.IssRequired {
		return nil, fmt.Errorf("callback: iss is missing; the answer may be from another provider")
	}
	cb := &Callback{Code: secret.New(q.Get(c.codeParam())), State: q.Get("state")}
	if cb.Code.IsZero() {
		return nil, fmt.Errorf("callback: there is no %s", c.codeParam())
	}
	for name, param := range c.spec.Callback.Capture {
		if v := q.Get(param); v != "" {
			if cb.Metadata == nil {
				cb.Metadata = map[string]string{}
			}
			cb.Metadata[name] = v
		}
	}
	return cb, nil
}

func (c *Config) codeParam() string { return or(c.spec.Callback.Code, "code") }
