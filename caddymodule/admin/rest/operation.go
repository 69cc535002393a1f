package rest

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// MaxBody is the largest request body that any operation takes.
const MaxBody = 16 << 20

// Operation describes one operation.
type Operation struct {
	ID, Method, Path string
	Role             vault.Role
	Open             bool // needs nobody
	// Noun is what the path names, in capitals: ACCOUNT makes ACCOUNT_NOT_FOUND.
	Noun    string
	Summary string
	Detail  string
	Status  int   // of success; 0: 200
	Body    int64 // largest request body in bytes, up to MaxBody; 0: 1 MiB
}

// Register mounts an operation. Whoever's role does not reach gets INVALID_PERMISSIONS;
// errors of f become problems by the one table in problem.go.
func Register[I, O any](a *Server, o Operation, f func(ctx context.Context, c *signin.Caller, in *I) (*O, error)) {
	tag, _, _ := strings.Cut(strings.TrimPrefix(o.Path, "/"), "/")
	needs, security := "\n\nNeeds the role "+string(o.Role)+".", []map[string][]string(nil) // nil: the document's own
	if o.Open {
		needs, security = "", []map[string][]string{}
	}
	huma.Register(a.huma, huma.Operation{
		OperationID: o.ID, Method: o.Method, Path: paths.API + o.Path, Summary: o.Summary,
		Description:   strings.TrimSpace(o.Detail + needs),
		Security:      security,
		Tags:          []string{tag},
		DefaultStatus: o.Status,
		MaxBodyBytes:  o.Body,
		// A deadline would outlast the body and end the context of whatever waits for
		// a token endpoint. How slowly a body may come is Caddy's to say.
		BodyReadTimeout: -1,
		Errors:          []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable},
	}, func(ctx context.Context, in *I) (*O, error) {
		c := signin.CallerOf(ctx)
		if !o.Open && (c == nil || !c.Role.Includes(o.Role)) {
			return nil, problem.New(http.StatusForbidden, "INVALID_PERMISSIONS", "This needs an admin token with the role "+string(o.Role)+"; this one is "+roleName(c)+".")
		}
		out, err := f(ctx, c, in)
		if err != nil {
			return nil, a.Explain(err, o.Noun, c)
		}
		return out, nil
	})
}

func roleName(c *signin.Caller) string {
	if c == nil {
		return "none"
	}
	return string(c.Role)
}
