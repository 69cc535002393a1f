package api

import (
	"context"
	"errors"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// orUntested adds to a test that failed how to do without.
func orUntested(err error) error {
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != "TEST_FAILED" {
		return err
	}
	told := *p
	told.Detail += " Nothing was stored. Try again, or send \"test\": false to store the credentials untested: POST …/test tests them later, POST …/activate lets them work without."
	return &told
}

type setCredentialsIn struct {
	rest.PathID
	rest.IfMatch
	Body struct {
		Credentials map[string]string `json:"credentials" writeOnly:"true" doc:"All of the option's fields."`
		Option      string            `json:"option,omitempty" doc:"Another way to authenticate; default: the account's."`
		Test        *bool             `json:"test,omitempty" doc:"Whether they are tested first; default true."`
		Version     int64             `json:"version,omitempty" doc:"The version that is edited; or use If-Match."`
	}
}

func (a *API) setCredentials(ctx context.Context, c *signin.Caller, in *setCredentialsIn) (*accountOut, error) {
	if err := a.editable(in.ID); err != nil {
		return nil, err
	}
	version, err := in.EditVersion(in.Body.Version)
	if err != nil {
		return nil, err
	}
	acct, err := c.Account(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if acct.State == vault.Suspended {
		return nil, connect.ErrSuspended
	}
	name := in.Body.Option
	if name == "" {
		name = acct.Option
	}
	con, opt, err := a.turns.Option(ctx, c.View, acct.Connector, name)
	if err != nil {
		return nil, err
	}
	values, err := connect.Validated(opt, in.Body.Credentials)
	if err != nil {
		return nil, err
	}
	var proof *vault.Connection
	if in.Body.Test == nil || *in.Body.Test {
		if proof, err = a.turns.Prove(ctx, con, opt, values, acct.Organisation, acct.AppID); err != nil {
			return nil, orUntested(err)
		}
	}
	if version == 0 {
		version = acct.Version // the account that was looked at
	}
	cred := connect.CredentialsOf(con, opt, values)
	cred.Option = opt.Name
	if proof == nil {
		acct, err = c.SetCredentials(ctx, in.ID, version, *cred)
	} else {
		proof.Credentials = cred
		acct, err = c.Connect(ctx, in.ID, version, *proof)
	}
	if err != nil {
		return nil, err
	}
	return a.shown(ctx, c, acct)
}
