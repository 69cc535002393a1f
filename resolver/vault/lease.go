package vault

import (
	"context"
	"fmt"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Lease is the right to refresh one account until it ends. Of all replicas, one
// holds it at a time, by the database's clock. The order of a refresh is
//
//	Lease  →  Begin  →  the call to the token endpoint  →  Save or Fail or Release
//
// Save stores only while the lease is ours, so that a replica that was stopped
// for longer than its lease cannot overwrite what another one stored since.
type Lease struct {
	v *Vault
	// Account with its secrets, read when the lease was given.
	Unsealed
	// Abandoned is when a former holder began a call whose outcome nobody
	// knows; zero where there is none. The refresh token may be used up then.
	Abandoned time.Time
	// Orphan says that this holder never gave the lease back: it died, or it was
	// stopped or cut off and may still come with an answer (SaveLate).
	Orphan bool

	owner string
	fence int64
}

// Lease takes the right to refresh an account for ttl. owner tells whom others
// wait for; the lease is not given twice, not to the same owner either.
//
// It returns *LeasedError while another one holds it. The secrets are read after
// the lease was taken: they are those that the last holder stored.
func (v *Vault) Lease(ctx context.Context, accountID, owner string, ttl time.Duration) (*Lease, error) {
	if owner == "" {
		owner = v.Instance()
	}
	l := &Lease{v: v, owner: owner}
	var intentFence, intentGeneration int64
	var intentAt time.Time
	err := v.write(ctx, func(t *tx) error {
		args := v.db.ClockArgs(nil)
		args = append(args, ttl.Microseconds(), owner, accountID)
		args = v.db.ClockArgs(args)
		err := t.Row(ctx, `UPDATE accounts SET lease_until = `+v.db.LeaseNow()+` + ?, lease_owner = ?, fence = fence + 1
			WHERE id = ? AND lease_until <= `+v.db.LeaseNow()+`
			RETURNING fence, intent_fence, intent_generation, intent_at`, args...).Scan(&l.fence, &intentFence, &intentGeneration, database.Time(&intentAt))
		if err = v.db.Explain(err); err != nil {
			if err == ErrNotFound {
				return v.leased(ctx, t, accountID)
			}
			return err
		}
		l.Unsealed, err = v.unsealAccount(ctx, t, accountID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if intentFence != 0 {
		l.Abandoned, l.Orphan = intentAt, intentGeneration != 0
	}
	return l, nil
}

// leased says who holds the lease on an account.
func (v *Vault) leased(ctx context.Context, q database.Querier, id string) error {
	e := &LeasedError{}
	var left int64
	err := q.Row(ctx, "SELECT lease_owner, lease_until - "+v.db.LeaseNow()+" FROM accounts WHERE id = ?",
		append(v.db.ClockArgs(nil), id)...).Scan(&e.Owner, &left)
	if err != nil {
		return v.db.Explain(err)
	}
	e.Left = max(0, time.Duration(left)*time.Microsecond)
	return e
}

// held is the condition under which a lease is still ours. Its end does not
// matter: as long as nobody else took it, our answer is the newest there is.
const held = " WHERE id = ? AND fence = ? AND lease_owner = ?"

func (l *Lease) update(ctx context.Context, set string, args ...any) error {
	return l.v.write(ctx, func(t *tx) error {
		n, err := t.Exec(ctx, "UPDATE accounts SET "+set+held, append(args, l.Account.ID, l.fence, l.owner)...)
		if err == nil && n == 0 {
			err = ErrFenced
		}
		return err
	})
}

// Extend makes the lease end ttl from now. It returns ErrFenced.
func (l *Lease) Extend(ctx context.Context, ttl time.Duration) error {
	return l.update(ctx, "lease_until = "+l.v.db.LeaseNow()+" + ?", append(l.v.db.ClockArgs(nil), ttl.Microseconds())...)
}

// Begin writes the intent to call the token endpoint. Should this process die
// before Save, the next holder finds it as Abandoned. It returns ErrFenced.
func (l *Lease) Begin(ctx context.Context) error {
	return l.update(ctx, "intent_fence = fence, intent_generation = generation, intent_at = ?", database.Micros(l.v.now()))
}

// Release ends the lease without a result: the token endpoint was not called, or
// it answered that it changed nothing (a 500, a refused connection). With
// uncertain set the intent stays, because nobody knows what the call did (no
// answer came); the next holder finds it as Abandoned, but not as Orphan.
func (l *Lease) Release(ctx context.Context, uncertain bool) error {
	set := "lease_owner = '', lease_until = 0, intent_generation = 0"
	if !uncertain {
		set += ", intent_fence = 0, intent_at = 0"
	}
	return l.update(ctx, set)
}

// Save stores what the token endpoint answered and ends the lease. When it
// returns nil the tokens are on disk and may be used. Token and ExpiresAt are
// replaced; a zero RefreshToken keeps the old one (RFC 6749 §6), nil Scopes keep
// the old ones, and Captured is added to.
//
// An expired or failed account becomes active. A suspended one stays suspended,
// and goes on as active when resumed.
//
// It returns ErrFenced, and has then stored nothing; see SaveLate. ErrRevoked is
// that too: Release then tells who revoked the account that the call is over.
func (l *Lease) Save(ctx context.Context, c Credentials) (Account, error) {
	return l.save(ctx, c, func(a *Account) bool { return a.fence == l.fence && a.leaseOwner == l.owner })
}

// SaveLate stores an answer that came after the lease was lost, if the account
// still has the refresh token that this answer replaced. That token is used up,
// so the row cannot get worse, and an account that another replica gave up as
// refresh_interrupted comes back. The other replica's own answer, should it
// still come, is then refused (ErrFenced). Since that one may have used the old
// refresh token meanwhile, and a service that notices such things then ends the
// new one too, the next holder finds this call as Abandoned.
func (l *Lease) SaveLate(ctx context.Context, c Credentials) (Account, error) {
	return l.save(ctx, c, func(a *Account) bool { return a.Generation == l.Account.Generation })
}

func (l *Lease) save(ctx context.Context, c Credentials, may func(*Account) bool) (Account, error) {
	if err := c.check(); err != nil {
		return Account{}, err
	}
	s := l.v.As(Refresher(ctx), All)
	var a Account
	err := l.v.write(ctx, func(t *tx) (err error) {
		if a, err = t.lockAccount(ctx, l.Account.ID); err != nil {
			return err
		}
		if a.State == Revoked {
			return ErrRevoked
		}
		if !may(&a) || a.State == Pending && a.Generation != l.Account.Generation {
			return ErrFenced
		}
		late := a.fence != l.fence
		a.takeAway() // counts the generation, ends the lease and the intent
		if late {
			a.intentFence, a.intentAt = a.fence, l.v.now()
		}
		a.ExpiresAt = database.Whole(l.read.ToDatabase(c.ExpiresAt))
		if c.Scopes != nil {
			a.Scopes = c.Scopes
		}
		a.addCaptured(c.Captured)
		if err := t.v.seals.Put(ctx, t.Tx, a.owner(), c.sealed()); err != nil {
			return err
		}
		return s.refreshed(ctx, t, &a)
	})
	if err != nil {
		return Account{}, err
	}
	return a, nil
}

type byHand struct{}

// ByHand says, in a context, who asked for a refresh that is made with it.
func ByHand(ctx context.Context, who Actor) context.Context {
	return context.WithValue(ctx, byHand{}, who)
}

// Refresher is who that was, and else the program itself: the audit names it.
func Refresher(ctx context.Context) Actor {
	if who, ok := ctx.Value(byHand{}).(Actor); ok {
		return who
	}
	return Actor{Kind: "system"}
}

// refreshed brings a refreshed account to the state it belongs in and stores it.
func (s *View) refreshed(ctx context.Context, t *tx, a *Account) error {
	why := Reason{Code: ReasonRefreshed}
	switch {
	case a.State == Suspended && (a.ResumeTo == Expired || a.ResumeTo == Error):
		a.ResumeTo = Active
		if a.ConnectedAt.IsZero() {
			a.ConnectedAt = s.v.db.Now()
		}
		a.Version++
	case a.State == Expired || a.State == Error:
		if err := s.move(ctx, t, a, Active, why); err != nil {
			return err
		}
		a.Version++
		return t.storeAccount(ctx, a)
	}
	t.Changed(Change{Kind: KindAccount, ID: a.ID, Connector: a.Connector, Refreshed: true, Generation: a.Generation})
	e := s.Event(AuditRefresh, "account.refreshed", a.Organisation)
	e.AccountID, e.Connector = a.ID, a.Connector
	if err := audit.Write(ctx, t.Tx, e); err != nil {
		return err
	}
	return t.storeAccount(ctx, a)
}

// Fail ends the lease after the service refused for good: the account becomes
// Expired, Revoked or Error with that reason. A suspended account stays
// suspended and goes on there when resumed.
//
// It returns ErrFenced where the lease was lost, or where the account got other
// credentials since: the refusal was not about those. ErrRevoked leaves the lease
// to be released.
func (l *Lease) Fail(ctx context.Context, to State, why Reason) (Account, error) {
	if to != Expired && to != Revoked && to != Error {
		return Account{}, fmt.Errorf("a refresh cannot make an account %s", to)
	}
	s := l.v.As(Refresher(ctx), All)
	var a Account
	err := l.v.write(ctx, func(t *tx) (err error) {
		if a, err = t.lockAccount(ctx, l.Account.ID); err != nil {
			return err
		}
		if a.State == Revoked {
			return ErrRevoked
		}
		if a.fence != l.fence || a.leaseOwner != l.owner || a.Generation != l.Account.Generation {
			return ErrFenced
		}
		a.leaseOwner, a.leaseUntil = "", 0
		a.intentFence, a.intentGeneration, a.intentAt = 0, 0, time.Time{}
		if err := s.fail(ctx, t, &a, to, why); err != nil {
			return err
		}
		a.Version++
		return t.storeAccount(ctx, &a)
	})
	if err != nil {
		return Account{}, err
	}
	return a, nil
}

func (s *View) fail(ctx context.Context, t *tx, a *Account, to State, why Reason) error {
	if to == Expired && a.ConnectedAt.IsZero() {
		to = Error // what was never connected cannot expire
	}
	if a.State == Suspended && to != Revoked {
		a.ResumeTo = to
		return nil
	}
	if a.State == to { // the newest reason is the one to read
		a.Reason = why
		return nil
	}
	return s.move(ctx, t, a, to, why)
}
