package admin

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

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
	// session is the person's, who signed in, and csrf what its page must send;
	// nil for tokens.
	session *vault.SignIn
	csrf    string
	// origin is where people reach this server's pages.
	origin string
	// conditional says that the request has an If-Match.
	conditional bool
	// once are the names of members of the answer that are shown this once.
	once []string
}

// shownOnce marks members of the answer that a repetition of the request does not get.
func (c *Caller) shownOnce(names ...string) { c.once = append(c.once, names...) }

type callerKey struct{}

func callerOf(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	return c
}

// operation describes one operation.
type operation struct {
	id, method, path string
	role             vault.Role
	open             bool // needs nobody
	// noun is what the path names, in capitals: ACCOUNT makes ACCOUNT_NOT_FOUND.
	noun    string
	summary string
	detail  string
	status  int   // of success; 0: 200
	body    int64 // largest request body in bytes; 0: 1 MiB
}

// register mounts an operation. Whoever's role does not reach gets INVALID_PERMISSIONS;
// errors of f become problems by the one table in problem.go.
func register[I, O any](a *API, o operation, f func(ctx context.Context, c *Caller, in *I) (*O, error)) {
	tag, _, _ := strings.Cut(strings.TrimPrefix(o.path, "/"), "/")
	needs, security := "\n\nNeeds the role "+string(o.role)+".", []map[string][]string(nil) // nil: the document's own
	if o.open {
		needs, security = "", []map[string][]string{}
	}
	huma.Register(a.huma, huma.Operation{
		OperationID: o.id, Method: o.method, Path: Base + o.path, Summary: o.summary,
		Description:   strings.TrimSpace(o.detail + needs),
		Security:      security,
		Tags:          []string{tag},
		DefaultStatus: o.status,
		MaxBodyBytes:  o.body,
		Errors:        []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable},
	}, func(ctx context.Context, in *I) (*O, error) {
		c := callerOf(ctx)
		if !o.open && (c == nil || !c.Role.Includes(o.role)) {
			return nil, problem(http.StatusForbidden, "INVALID_PERMISSIONS", "This needs an admin token with the role "+string(o.role)+"; this one is "+roleName(c)+".")
		}
		out, err := f(ctx, c, in)
		if err != nil {
			return nil, a.explain(err, o.noun, c)
		}
		return out, nil
	})
}

func roleName(c *Caller) string {
	if c == nil {
		return "none"
	}
	return string(c.Role)
}
