package oauth

import (
	"context"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// clientCredentials asks for a token in the client's own name (RFC 6749 §4.4).
// A refresh token in the answer is dropped, as §4.4.3 expects: the client's
// secret does the same.
func clientCredentials(ctx context.Context, r *run) (*Token, error) {
	std := []param{{"grant_type", "client_credentials"}}
	if p, ok := r.scopeParam(); ok {
		std = append(std, p)
	}
	t, err := r.ask(ctx, r.c.token, std)
	if err != nil {
		return nil, err
	}
	t.RefreshToken, t.RefreshExpiry = secret.Value{}, time.Time{}
	return t, nil
}

// ask sends a step and reads a token from its answer.
func (r *run) ask(ctx context.Context, s *step, std []param) (*Token, error) {
	a, err := s.exchange(ctx, r, std)
	if err != nil {
		return nil, err
	}
	return s.response.token(a, r.now, r.scopes(), r.c.spec.ScopeSeparator)
}

// scopes are what this run asks for.
func (r *run) scopes() []string {
	if r.Scopes != nil {
		return r.Scopes
	}
	return r.c.spec.Scopes
}

// scopeParam is the scope as the connector writes it, and false without one.
func (r *run) scopeParam() (param, bool) {
	s := strings.Join(r.scopes(), r.c.spec.ScopeSeparator)
	return param{"scope", s}, s != ""
}
