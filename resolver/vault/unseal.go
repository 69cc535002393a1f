package vault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/seal"
)

// Unseal returns an account with its secrets, all of one moment.
func (v *Vault) Unseal(ctx context.Context, accountID string) (Unsealed, error) {
	return v.unsealAccount(ctx, v.r.Keep(), accountID)
}

func (v *Vault) unsealAccount(ctx context.Context, q database.Querier, id string) (Unsealed, error) {
	// One statement, so that the row and its secrets are of one moment.
	asked, since := v.now(), v.seals.Marks.At(id)
	rows, err := q.Query(ctx, v.unsealText(), append(v.db.ClockArgs(nil), id)...)
	if err != nil {
		return Unsealed{}, v.db.Explain(err)
	}
	defer rows.Close()
	var u Unsealed
	values, found := secret.Values{}, false
	for rows.Next() {
		var s sealedField
		if err := rows.Scan(append(u.Account.into(), s.into()...)...); err != nil {
			return Unsealed{}, v.db.Explain(err)
		}
		if !found {
			u.read, u.version, found = database.MomentOf(asked, v.now(), s.now), s.version, true
		}
		if err := s.open(v, u.Account.owner(), since, values); err != nil {
			return Unsealed{}, err
		}
	}
	if err := rows.Err(); err != nil {
		return Unsealed{}, v.db.Explain(err)
	}
	if !found {
		return Unsealed{}, ErrNotFound
	}
	u.fill(values)
	return u, nil
}

func (v *Vault) unsealText() string {
	return "SELECT " + accountColumns + ", " + v.sealedColumns() + `
	FROM accounts a LEFT JOIN secrets s ON s.owner_id = a.id LEFT JOIN seals z ON z.owner_id = a.id WHERE a.id = ?`
}

// openPermitsText: the order brings the rows of one grant together.
func (v *Vault) openPermitsText() string {
	return "SELECT " + grantColumns + ", " + accountColumns + ", " + v.sealedColumns() + `
	FROM grants r JOIN accounts a ON a.id = r.account_id LEFT JOIN secrets s ON s.owner_id = a.id LEFT JOIN seals z ON z.owner_id = a.id
	WHERE r.agent_id = ? AND r.connector = ? AND (r.expires_at = 0 OR r.expires_at > ?)
	ORDER BY a.name, a.id LIMIT 20000`
}

// warm lets the database plan what requests ask from cold.
func (v *Vault) warm(ctx context.Context) {
	v.db.Warm(ctx, map[string][]any{
		agentByTokenText:    {""},
		v.openPermitsText(): append(v.db.ClockArgs(nil), "", "", int64(0)),
		v.unsealText():      append(v.db.ClockArgs(nil), ""),
	})
}

// sealedField is one secret beside its owner's row, which may have none, and the
// database's time.
type sealedField struct {
	field, sealed sql.NullString
	version       int64 // of the row's secrets
	now           time.Time
}

// sealedColumns has one parameter more where the clock is given.
func (v *Vault) sealedColumns() string {
	return "s.field, s.sealed, COALESCE(z.version, 0), " + v.db.LeaseNow()
}

func (s *sealedField) into() []any {
	return []any{&s.field, &s.sealed, &s.version, database.Time(&s.now)}
}

// open adds the secret to values; since is what was known of the row's version
// before it was read.
func (s *sealedField) open(v *Vault, o seal.Owner, since int64, values secret.Values) (err error) {
	if !s.field.Valid {
		return nil
	}
	if values[s.field.String], err = v.seals.Newest(o, s.field.String, s.sealed.String, s.version, since); err != nil {
		return fmt.Errorf("opening %s of %s: %w", s.field.String, o.ID, err)
	}
	return nil
}

// OpenPermit is a grant with its account and the account's secrets.
type OpenPermit struct {
	Grant Grant
	// Account is nil where the caller has it.
	Account *Unsealed
}

// OpenPermits is Permits with the accounts' secrets open, read in one statement:
// what a request costs whose agent is not in memory. Accounts for which has is
// true are left out, and their secrets stay sealed.
func (v *Vault) OpenPermits(ctx context.Context, agentID, connector string, has func(accountID string) bool) ([]OpenPermit, error) {
	asked := v.now()
	rows, err := v.r.Keep().Query(ctx, v.openPermitsText(), append(v.db.ClockArgs(nil), agentID, connector, database.Micros(asked))...)
	if err != nil {
		return nil, v.db.Explain(err)
	}
	defer rows.Close()
	var out []OpenPermit
	var values secret.Values // of the last of out
	for rows.Next() {
		var g Grant
		var a Account
		var s sealedField
		if err := rows.Scan(append(append(g.into(), a.into()...), s.into()...)...); err != nil {
			return nil, v.db.Explain(err)
		}
		if n := len(out); n == 0 || out[n-1].Grant.ID != g.ID {
			closePermit(out, values)
			out, values = append(out, OpenPermit{Grant: g}), secret.Values{}
			if !has(a.ID) {
				out[n].Account = &Unsealed{Account: a, read: database.MomentOf(asked, v.now(), s.now), version: s.version}
			}
		}
		if out[len(out)-1].Account == nil {
			continue
		}
		if err := s.open(v, a.owner(), 0, values); err != nil {
			return nil, err
		}
	}
	closePermit(out, values)
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, v.db.Explain(err)
	}
	return out, v.stillNewest(ctx, out)
}

// stillNewest reads accounts anew that are older than what is known of them: they
// were written while they were read, or put back.
func (v *Vault) stillNewest(ctx context.Context, permits []OpenPermit) error {
	for i := range permits {
		a := permits[i].Account
		if a == nil || a.version >= v.seals.Marks.At(a.Account.ID) {
			continue
		}
		u, err := v.Unseal(ctx, a.Account.ID)
		if err != nil {
			return err
		}
		permits[i].Account = &u
	}
	return nil
}

// closePermit fills in the secrets of the last permit, once all were read.
func closePermit(out []OpenPermit, values secret.Values) {
	if n := len(out); n > 0 && out[n-1].Account != nil {
		out[n-1].Account.fill(values)
	}
}

// fill sorts the opened values into credential and refresh token.
func (u *Unsealed) fill(values secret.Values) {
	u.RefreshToken = values[FieldRefreshToken]
	u.Credential = secret.Credential{
		Token: values[FieldToken], Expiry: u.read.ToLocal(u.Account.ExpiresAt),
		Scopes: u.Account.Scopes, Generation: u.Account.Generation,
	}
	delete(values, FieldToken)
	delete(values, FieldRefreshToken)
	fields := make(secret.Values, len(values)+len(u.Account.Fields))
	for name, value := range u.Account.Fields {
		fields[name] = secret.New(value)
	}
	maps.Copy(fields, values)
	u.Credential.Fields = fields
}

func errImpossible(id, why string) error {
	return fmt.Errorf("account %s would be in an impossible state (%s); nothing was changed", id, why)
}
