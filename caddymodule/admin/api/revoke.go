package api

import (
	"context"

	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Disconnected is an account after it was revoked, and what the service said.
type Disconnected struct {
	Account
	AtService string `json:"at_service" enum:"revoked,cannot_revoke,failed" doc:"revoked: the service forgot the tokens, or there were none. cannot_revoke: it has no way to; remove the access in its own settings. failed: it did not confirm; the tokens may work there until they end."`
}

type disconnectedOut struct {
	ETag string `header:"ETag"`
	Body Disconnected
}

func (a *API) revoke(ctx context.Context, c *signin.Caller, in *actionIn) (*disconnectedOut, error) {
	acct, version, err := a.named(ctx, c, in.ID, in.IfMatch)
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // the caller may hang up; half of it would be the worst
	acct, result, err := a.turns.Disconnect(ctx, c.View, acct, version, in.why(vault.ReasonRevoked))
	if err != nil {
		return nil, err
	}
	shown, err := a.shown(ctx, c, acct)
	if err != nil {
		return nil, err
	}
	return &disconnectedOut{ETag: shown.ETag, Body: Disconnected{shown.Body, result}}, nil
}
