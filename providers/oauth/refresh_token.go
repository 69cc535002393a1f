package oauth

import (
	"context"

	"github.com/attache-proxy/attache/providers/secret"
)

// refreshToken exchanges a refresh token for a new credential (RFC 6749 §6).
//
// The answer may bring a new refresh token; it then replaces the old one and
// must be saved before the credential is used. If it brings none, or the same,
// the old one stays valid, unless the connector says otherwise.
func refreshToken(ctx context.Context, r *run) (*Token, error) {
	old := r.RefreshToken
	if old.IsZero() {
		old = r.Fields.Get("refresh_token")
	}
	if old.IsZero() {
		return nil, ErrNeedsConsent
	}
	std := []param{{"grant_type", "refresh_token"}, {"refresh_token", old.Reveal()}}
	if r.Scopes != nil { // §6: without it the scopes stay what they were
		if p, ok := r.scopeParam(); ok {
			std = append(std, p)
		}
	}
	a, err := r.c.refresh.exchange(ctx, r, std)
	if err != nil {
		return nil, err
	}
	// An answer without scope means that nothing has changed (§6): the scopes of
	// the account stay, whatever the connector asks for by now.
	t, err := r.c.refresh.response.token(a, r.now, r.Scopes, r.c.spec.ScopeSeparator)
	if err != nil {
		return nil, err
	}
	if t.RefreshToken.IsZero() {
		t.RefreshTokenGone = r.c.spec.Refresh != nil && r.c.spec.Refresh.Replace
	} else if t.RefreshToken.Equal(old) {
		t.RefreshToken = secret.Value{}
	}
	return t, nil
}
