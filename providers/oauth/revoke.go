package oauth

import (
	"context"
	"errors"
)

// ErrCannotRevoke means that the connector declares no way to revoke.
var ErrCannotRevoke = errors.New("the service has no way to revoke; remove the access in its own settings")

// Revoke tells the service to forget the account's tokens: the refresh token if
// there is one, else the access token (RFC 7009 §2.1), or in the connector's own
// way. A service that does not know the token any more has what we want.
func (c *Config) Revoke(ctx context.Context, req Request) error {
	r, err := c.start(&req)
	if err != nil {
		return err
	}
	if c.revoke == nil {
		return ErrCannotRevoke
	}
	token, hint := r.RefreshToken, "refresh_token"
	if token.IsZero() {
		token, hint = r.Token, "access_token"
	}
	if token.IsZero() {
		return nil // nothing was ever given to us
	}
	_, err = c.revoke.exchange(ctx, r, []param{{"token", token.Reveal()}, {"token_type_hint", hint}})
	if e := (*Error)(nil); errors.As(err, &e) && (e.Code == codeInvalidGrant || e.Code == "invalid_token") {
		return nil
	}
	return err
}

// CanRevoke reports whether Revoke has a way.
func (c *Config) CanRevoke() bool { return c.revoke != nil }
