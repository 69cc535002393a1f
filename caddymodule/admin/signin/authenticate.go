package signin

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// open are the paths that need no token: the document that describes the API,
// and how people sign in.
var open = map[string]bool{paths.API + "/openapi.json": true, paths.API + "/openapi.yaml": true, paths.API + "/session": true}

// Authenticate finds out who calls.
func (a *Guard) Authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if open[r.URL.Path] && r.Method == http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		c, err := a.identify(r)
		if err != nil {
			a.refuseCaller(w, r, err)
			return
		}
		c.Origin = a.Origin(r)
		c.Conditional = r.Header.Get("If-Match") != ""
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	})
}

func (a *Guard) identify(r *http.Request) (*Caller, error) {
	header := r.Header.Get("Authorization")
	if header == "" && a.c.TrustSocket && overSocket(r) {
		actor := vault.Actor{Kind: "admin", Name: "socket"}
		return &Caller{View: a.v.As(actor, vault.All), Role: vault.RoleAdmin, Name: "socket", TokenID: "socket"}, nil
	}
	if header == "" {
		return a.bySession(r)
	}
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || !vault.LooksLikeAdminToken(token) {
		return nil, errNoToken
	}
	t, err := a.v.AdminByToken(r.Context(), secret.New(token))
	if errors.Is(err, vault.ErrNotFound) {
		return nil, errNoToken
	}
	if err != nil {
		return nil, err
	}
	actor := vault.Actor{Kind: "admin", Name: t.Name}
	return &Caller{View: a.v.As(actor, t.Organisation), Role: t.Role, Name: t.Name, TokenID: t.ID}, nil
}

// refuseCaller answers who may not call. The limit is on failures: whoever has a
// right token is served however many wrong ones come from the same address, so
// that nobody is locked out by a neighbour.
func (a *Guard) refuseCaller(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errCSRF) {
		problem.Write(w, errCSRF)
		return
	}
	if !errors.Is(err, errNoToken) {
		p := problem.Of(err, "TOKEN", a.log)
		problem.Write(w, p)
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="attache"`)
	wait := a.Failures.Count(r.RemoteAddr, time.Now())
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		problem.Write(w, problem.New(http.StatusTooManyRequests, "TOO_MANY_FAILURES", "Too many requests without a right token came from this address. Try again in a minute."))
		return
	}
	_ = a.v.Record(r.Context(), vault.Event{Kind: vault.AuditRefusal, Code: "admin_unauthorized", Actor: vault.Actor{Kind: "admin"},
		Method: r.Method, Host: r.Host, Path: r.URL.Path, Status: http.StatusUnauthorized, Detail: "from " + r.RemoteAddr})
	p := problem.New(http.StatusUnauthorized, "UNAUTHORIZED", "Send an admin token: Authorization: Bearer atm_…; `attache admin token create` makes one.")
	if vault.LooksLikeAgentToken(strings.TrimSpace(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))) {
		p.Detail = "This is an agent's token; it opens nothing here. Send an admin token."
	}
	problem.Write(w, p)
}

const (
	failuresAllowed = 20
	failuresPer     = time.Minute
	failuresKnown   = 10_000
)
