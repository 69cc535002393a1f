package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/attache-proxy/attache/caddymodule/admin/paths"
	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

func mountSession(a *API) {
	rest.Register(a.rest, rest.Operation{ID: "get-session", Method: http.MethodGet, Path: "/session", Open: true, Noun: "SESSION", Summary: "How people sign in",
		Detail: "Needs no token."}, a.getSession)
	rest.Register(a.rest, rest.Operation{ID: "end-session", Method: http.MethodDelete, Path: "/session", Role: vault.RoleViewer, Noun: "SESSION", Status: http.StatusNoContent, Summary: "Sign out",
		Detail: "Ends the session of the cookie that came, on every replica. Admin tokens have no session."}, a.endSession)
}

type sessionOut struct {
	Body struct {
		SignInURL string `json:"sign_in_url,omitempty" doc:"Where a browser begins to sign in; absent where only admin tokens open the API."`
		Issuer    string `json:"issuer,omitempty" doc:"The OpenID provider."`
	}
}

func (a *API) getSession(context.Context, *signin.Caller, *struct{}) (*sessionOut, error) {
	out := &sessionOut{}
	if issuer := a.guard.Issuer(); issuer != "" {
		out.Body.SignInURL, out.Body.Issuer = paths.SignIn, issuer
	}
	return out, nil
}

type endSessionOut struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
}

func (a *API) endSession(ctx context.Context, c *signin.Caller, _ *struct{}) (*endSessionOut, error) {
	if c.SignIn == nil {
		return nil, problem.New(http.StatusConflict, "NO_SESSION", "This is an admin token, not a session. DELETE "+paths.API+"/tokens/{id} ends it.")
	}
	if err := c.SignOut(ctx, c.SignIn.ID); err != nil && !errors.Is(err, vault.ErrNotFound) {
		return nil, err
	}
	out := &endSessionOut{}
	k := http.Cookie{Name: c.Cookie, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: -1, Path: paths.API}
	if strings.HasPrefix(c.Cookie, "__Host-") {
		k.Path, k.Secure = "/", true
	}
	out.SetCookie = append(out.SetCookie, k)
	return out, nil
}
