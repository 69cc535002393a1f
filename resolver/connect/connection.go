package connect

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"time"

	"github.com/attache-proxy/attache/providers/oauth"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// finishFor bounds what is done with a token that came: a test request and two
// transactions. It is done though the person's browser hangs up.
const finishFor = 90 * time.Second

// finish takes a token that a person's consent brought: it asks the service whose
// it is and whether it works, and only then is the account changed, at once. What
// fails leaves the account as it was.
func (a *Turns) finish(ctx context.Context, s vault.Session, t *Subject, tok *oauth.Token) error {
	cred := tok.Credential
	if cred.Fields == nil {
		cred.Fields = t.Fields
	}
	v, err := a.proveToken(ctx, t, &cred, tok.Metadata)
	if err != nil {
		return err
	}
	if p := SameIdentity(s, &t.Account, v.Provider); p != nil {
		return p
	}
	c := CredentialsOf(t.Connector, t.Option, cred.Fields)
	c.Option, c.Token, c.RefreshToken = t.Option.Name, cred.Token, tok.RefreshToken
	c.ExpiresAt, c.Scopes, c.Captured = cred.Expiry, cred.Scopes, tok.Metadata
	if life := t.Account.Settings.TokenLife; c.ExpiresAt.IsZero() && life > 0 {
		c.ExpiresAt = a.v.Clock(ctx).Add(time.Duration(life) * time.Second)
	}
	if tok.RefreshToken.IsZero() && !tok.RefreshTokenGone {
		if c.RefreshToken, err = a.formerRefreshToken(ctx, t); err != nil {
			return err
		}
	}
	conn := vault.Connection{Credentials: c, AppID: t.AppID}
	if v.Tested {
		conn.Provider = &v.Provider
	}
	_, err = a.Person(t.Account.Organisation).Connect(ctx, t.Account.ID, t.Account.Version, conn)
	if errors.Is(err, vault.ErrConflict) {
		return problem.New(http.StatusConflict, "VERSION_CONFLICT", "Somebody edited the account in the meantime. Begin again.")
	}
	return err
}

// formerRefreshToken is that of an account that works and is only asked for more:
// some services send a refresh token with the first consent alone, and it goes on
// working after the next.
func (a *Turns) formerRefreshToken(ctx context.Context, t *Subject) (secret.Value, error) {
	if t.Account.State != vault.Active || t.Account.AppID != t.AppID || t.Account.Option != t.Option.Name {
		return secret.Value{}, nil
	}
	u, err := a.v.Unseal(ctx, t.Account.ID)
	return u.RefreshToken, err
}

// proveToken runs the test request, which also says whose account it is, with a
// token that is not stored yet.
func (a *Turns) proveToken(ctx context.Context, t *Subject, cred *secret.Credential, captured map[string]string) (Verdict, error) {
	if a.c.Tester == nil {
		return Verdict{}, nil
	}
	v, err := a.c.Tester.Test(ctx, Trial{Connector: t.Connector, Option: t.Option, Fields: maps.Clone(t.Fields), App: t.App, Credential: cred, Meta: t.meta(captured)})
	switch {
	case err != nil:
		a.log.Warn("testing a new token", "account", t.Account.ID, "connector", t.Connector.Key, "error", err)
		return v, problem.New(http.StatusBadGateway, "TEST_FAILED", "The test request could not be sent; the log has the cause. The account is as it was.")
	case !v.Tested || v.OK:
		return v, nil
	case v.Rejected:
		return v, problem.New(http.StatusUnprocessableEntity, "CREDENTIALS_REJECTED", problem.Sentence("the service does not take the token that it gave: "+v.Why()))
	}
	return v, problem.New(http.StatusBadGateway, "TEST_FAILED", problem.Sentence("the test request did not succeed: "+v.Why()))
}

// SameIdentity refuses a token of somebody else than before: an agent that has a
// link must not be able to put another account in its place, and a person who is
// signed in to several should hear of it.
func SameIdentity(s vault.Session, acct *vault.Account, now vault.ProviderAccount) *problem.Problem {
	link := ReachOf(s)
	switch {
	case link == ReachAgent && (acct.State == vault.Revoked || acct.State == vault.Suspended):
		return problem.New(http.StatusConflict, "INVALID_STATE", "The account was "+string(acct.State)+" in the meantime.")
	case bool(s.Data.Other):
		return nil
	case acct.Provider.ID != "" && now.ID == acct.Provider.ID:
		return nil
	case acct.Provider.ID != "" && now.ID != "":
		return problem.New(http.StatusConflict, "OTHER_IDENTITY", "You signed in to the service as somebody else than the account belongs to. The account is as it was. Sign in there as its owner, and try again.")
	case link != ReachAgent || acct.Provider.ID == "" && NeverConnected(acct):
		return nil
	}
	return problem.New(http.StatusConflict, "IDENTITY_UNKNOWN", "The service does not say whose account this is, so that it cannot be connected again by this link. Ask the operator for one.")
}

// NeverConnected reports whether nobody's credentials were in the account yet.
func NeverConnected(acct *vault.Account) bool {
	return acct.State == vault.Pending && acct.ConnectedAt.IsZero() && acct.Generation == 0
}
