package vault

import (
	"context"

	"github.com/attache-proxy/attache/resolver/vault/audit"
)

// Revocation is an account that was revoked, and what it worked with until then.
type Revocation struct {
	Account Account
	// Had are the secrets that the service may now be asked to forget; they are
	// in the vault no more.
	Had Unsealed
	// Unopened says why Had is empty where the secrets could not be opened. The
	// account is revoked all the same.
	Unopened error
}

// Revoke makes an account revoked and deletes its secrets, in one transaction:
// from then on it is of no use here, whatever the service says. It returns
// *TransitionError for an account that is revoked already.
//
// A call to the token endpoint that runs keeps its lease, which others can wait
// for; what it brings is not stored (ErrRevoked).
func (s *View) Revoke(ctx context.Context, id string, version int64, why Reason) (Revocation, error) {
	var r Revocation
	a, err := s.editAccount(ctx, id, version, func(t *tx, a *Account) error {
		if a.State == Revoked {
			return &TransitionError{a.State, Revoked}
		}
		r.Had, r.Unopened = s.v.unsealAccount(ctx, t, id)
		return s.move(ctx, t, a, Revoked, why)
	})
	if err != nil {
		return Revocation{}, err
	}
	r.Account = a
	return r, nil
}

// Revocation records in the audit what became of a revoked account's tokens at
// the service, and adds the sentence to the reason of its state while it is
// still revoked.
func (s *View) Revocation(ctx context.Context, revoked Account, outcome, sentence string) (Account, error) {
	return s.editAccount(ctx, revoked.ID, 0, func(t *tx, a *Account) error {
		e := s.Event(AuditAdmin, "account.service_revocation", a.Organisation)
		e.AccountID, e.Connector, e.Detail = a.ID, a.Connector, outcome
		if sentence != "" {
			e.Detail += ": " + sentence
		}
		if err := audit.Write(ctx, t.Tx, e); err != nil {
			return err
		}
		if a.State != Revoked || !a.StateSince.Equal(revoked.StateSince) || sentence == "" {
			return nil
		}
		if a.Reason.Detail != "" {
			a.Reason.Detail += " "
		}
		a.Reason.Detail += sentence
		t.Changed(Change{Kind: KindAccount, ID: a.ID, Connector: a.Connector, Organisation: a.Organisation})
		return nil
	})
}
