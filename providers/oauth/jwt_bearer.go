package oauth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// jwtBearer trades a JWT that we sign for a token (RFC 7523 §2.1).
func jwtBearer(ctx context.Context, r *run) (*Token, error) {
	u, err := r.c.token.url.eval(&r.vars, false)
	if err != nil {
		return nil, err
	}
	jwt, err := r.c.assertion.sign(r, u.Scheme+"://"+u.Host+u.EscapedPath())
	if err != nil {
		return nil, err
	}
	std := []param{{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"}, {"assertion", jwt}}
	if p, ok := r.scopeParam(); ok {
		std = append(std, p)
	}
	return r.ask(ctx, r.c.token, std)
}

// mintJWT makes a token that is a JWT of our own: nobody is asked.
func mintJWT(_ context.Context, r *run) (*Token, error) {
	jwt, err := r.c.assertion.sign(r, "")
	if err != nil {
		return nil, err
	}
	return r.minted(jwt, r.c.assertion.lifetime), nil
}

// minted is a Token that we signed ourselves.
func (r *run) minted(jwt string, life time.Duration) *Token {
	t := &Token{}
	t.Credential.Token = secret.New(jwt)
	t.Credential.Expiry = r.now.Add(life)
	t.Credential.Scopes = r.scopes()
	return t
}

// githubApp asks for the token of an app's installation. The app proves itself
// with a JWT that it signs; the clock of ours may run ahead of GitHub's by a minute.
// https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-an-installation-access-token-for-a-github-app
func githubApp(ctx context.Context, r *run) (*Token, error) {
	if r.vars.App.Get("client_id").IsZero() {
		return nil, errors.New("the app has no client_id: GitHub's client ID or app ID")
	}
	return r.ask(ctx, r.c.token, nil)
}

// githubDefaults fills in what is the same for every installation. The body is
// JSON, for permissions and repositories.
func githubDefaults(s *Spec) {
	s.TokenURL = or(s.TokenURL, "https://api.github.com/app/installations/{fields.installation_id}/access_tokens")
	s.TokenAuth, s.ContentType = or(s.TokenAuth, "bearer_jwt"), or(s.ContentType, "json")
	if len(s.Response.Status) == 0 {
		s.Response.Status = []int{http.StatusCreated}
	}
	s.Response.AccessToken, s.Response.ExpiresAt = or(s.Response.AccessToken, "token"), or(s.Response.ExpiresAt, "expires_at")
	s.Response.ErrorDescription = or(s.Response.ErrorDescription, "message")
	s.Assertion.Before = Duration(time.Minute)
	if s.Assertion.Claims == nil {
		s.Assertion.Claims = Params{"aud": nil, "sub": nil, "jti": nil}
	}
}
