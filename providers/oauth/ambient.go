package oauth

import (
	"context"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// Ambient is the identity of the machine that we run on: instance metadata,
// files and variables of the clouds' own tools. Only accounts that the operator
// made may use it; those that a person made over the API must not reach it.
type Ambient interface {
	// AWS returns access_key_id, secret_access_key and session_token; expiry is
	// zero for keys that do not expire.
	AWS(ctx context.Context, region string) (fields secret.Values, expiry time.Time, err error)
	// Google returns an access token with these scopes.
	Google(ctx context.Context, scopes []string) (token secret.Value, expiry time.Time, err error)
}

func newSecret(s string) secret.Value { return secret.New(s) }

// literal is the template that evaluates to s.
func literal(s string) string {
	return strings.NewReplacer("{", "{{", "}", "}}").Replace(s)
}
