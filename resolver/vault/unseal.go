package vault

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// Unseal returns an account with its secrets, all of one moment.
func (v *Vault) Unseal(ctx context.Context, accountID string) (Unsealed, error) {
	return v.unsealAccount(ctx, v.r.keep(), accountID)
}

func (v *Vault) unsealAccount(ctx context.Context, q querier, id string) (Unsealed, error) {
	// One statement, so that the row and its secrets are of one moment.
	asked := v.now()
	rows, err := q.query(ctx, "SELECT "+accountColumns+", s.field, s.sealed, "+v.leaseNow+`
		FROM accounts a LEFT JOIN secrets s ON s.owner_id = a.id WHERE a.id = ?`, append(v.clockArgs(nil), id)...)
	if err != nil {
		return Unsealed{}, v.explain(err)
	}
	defer rows.Close()
	var u Unsealed
	values, found := secret.Values{}, false
	for rows.Next() {
		var field, sealed sql.NullString
		var now time.Time
		if err := rows.Scan(append(u.Account.into(), &field, &sealed, timeCol{&now})...); err != nil {
			return Unsealed{}, v.explain(err)
		}
		if !found {
			u.read, found = momentOf(asked, v.now(), now), true
		}
		if !field.Valid {
			continue
		}
		if values[field.String], err = v.keys.open(id, field.String, sealed.String); err != nil {
			return Unsealed{}, fmt.Errorf("opening %s of %s: %w", field.String, id, err)
		}
	}
	if err := rows.Err(); err != nil {
		return Unsealed{}, v.explain(err)
	}
	if !found {
		return Unsealed{}, ErrNotFound
	}
	u.fill(values)
	return u, nil
}

// fill sorts the opened values into credential and refresh token.
func (u *Unsealed) fill(values secret.Values) {
	u.RefreshToken = values[FieldRefreshToken]
	u.Credential = secret.Credential{
		Token: values[FieldToken], Expiry: u.read.toLocal(u.Account.ExpiresAt),
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
