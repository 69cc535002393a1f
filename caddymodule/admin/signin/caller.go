package signin

import (
	"cmp"
	"context"

	"github.com/attache-proxy/attache/resolver/vault"
)

// Caller is who called, and the vault as they see it.
type Caller struct {
	*vault.View
	Role vault.Role
	// Name is the token's or the person's, or "socket".
	Name string
	// TokenID tells callers apart, for idempotency keys.
	TokenID string
	// SignIn is the person's, who signed in, and CSRF what its page must send;
	// nil for tokens.
	SignIn *vault.SignIn
	CSRF   string
	Cookie string // the name of the session's cookie
	// Origin is where people reach this server's pages.
	Origin string
	// Conditional says that the request has an If-Match.
	Conditional bool
	// Once are the names of members of the answer that are shown this once.
	Once []string
}

// Placed is the organisation of a row for which org was asked.
func (c *Caller) Placed(org string) string {
	if org == "" && c.Organisation() == vault.All {
		return vault.DefaultOrganisation
	}
	return cmp.Or(org, c.Organisation())
}

// ShownOnce marks members of the answer that a repetition of the request does not get.
func (c *Caller) ShownOnce(names ...string) { c.Once = append(c.Once, names...) }

type callerKey struct{}

// CallerOf is who called, as Authenticate found out; nil for nobody.
func CallerOf(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	return c
}
