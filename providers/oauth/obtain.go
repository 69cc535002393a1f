package oauth

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/attache-proxy/attache/providers/expr"
)

// compileObtain compiles a login of the provider's own shape.
func compileObtain(c *Config) (err error) {
	if len(c.spec.Obtain) == 0 {
		return errors.New("obtain is missing: list the steps of the login")
	}
	c.obtain, err = c.compileChain("obtain", c.spec.Obtain)
	return err
}

// obtainChain runs the login's steps. What one of them brings, the next may use:
// {token}, {fields.NAME}, {account.NAME}.
func obtainChain(ctx context.Context, r *run) (*Token, error) {
	t := &Token{}
	if err := r.chain(ctx, r.c.obtain, t); err != nil {
		return nil, err
	}
	if t.Credential.Token.IsZero() && t.Credential.Fields == nil {
		return nil, errors.New("obtain: no step brought an access token or a field; declare response.access_token or response.fields")
	}
	return t, nil
}

// chain runs steps one after the other and adds to t what they bring.
func (r *run) chain(ctx context.Context, steps []*step, t *Token) error {
	for _, s := range steps {
		r.see(t)
		a, err := s.exchange(ctx, r, nil)
		if err != nil {
			return fmt.Errorf("%s: %w", s.key, err)
		}
		if err := r.take(s, a, t); err != nil {
			return fmt.Errorf("%s: %w", s.key, err)
		}
	}
	return nil
}

// see lets templates read what t holds so far. The variables are made anew,
// since an expression may remember what it read of the old ones.
func (r *run) see(t *Token) {
	cred := r.credential()
	if !t.Credential.Token.IsZero() {
		cred.Token = t.Credential.Token
	}
	maps.Copy(cred.Fields, t.Credential.Fields)
	if !t.RefreshToken.IsZero() {
		cred.Fields["refresh_token"] = t.RefreshToken
	}
	account := make(map[string]string, len(r.Account)+len(t.Metadata))
	maps.Copy(account, r.Account)
	maps.Copy(account, t.Metadata)
	r.vars = expr.Vars{App: r.vars.App, Account: account, Now: r.now, Cred: cred}
}

// take reads what a step brought. A step that declares what else it is for
// needs no token in its answer.
func (r *run) take(s *step, a *answer, t *Token) error {
	otherUse := len(s.response.capture)+len(s.response.fields) > 0 || s.response.format == formatNone
	if s.response.accessToken.find(a) == nil && otherUse {
		return s.response.keep(a, t)
	}
	next, err := s.response.token(a, r.now, t.Credential.Scopes, r.c.spec.ScopeSeparator)
	if err != nil {
		return err
	}
	t.Credential.Token, t.Credential.Expiry = next.Credential.Token, next.Credential.Expiry
	t.Credential.Scopes = next.Credential.Scopes
	if !next.RefreshToken.IsZero() {
		t.RefreshToken, t.RefreshExpiry, t.RefreshTokenGone = next.RefreshToken, next.RefreshExpiry, false
	}
	return s.response.keep(a, t)
}
