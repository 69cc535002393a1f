package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/seal"
	"github.com/attache-proxy/attache/resolver/vault/transfer"
)

func (im *importer) putRow(ctx context.Context, t *tx, table string, r transfer.Row) (int64, error) {
	i := slices.IndexFunc(exports, func(x transfer.Table) bool { return x.Name == table })
	if i < 0 {
		return 0, fmt.Errorf("unknown table %q", table)
	}
	x := &exports[i]
	if table == "accounts" {
		a, err := scanAccount(r.Scanner(x.Columns))
		if err != nil {
			return 0, err
		}
		if odd := a.impossible(); odd != "" {
			return 0, errImpossible(a.ID, odd)
		}
	}
	if table == "connectors" && im.schema < database.PayloadReworded {
		if err := reworded(r); err != nil {
			return 0, err
		}
	}
	if table == "grants" && im.schema < database.GrantOperations {
		r["operations"] = "null" // there were none
	}
	if (table == "grants" || table == "agents") && im.schema < database.Budgets {
		r["budgets"] = "null"
	}
	args, err := r.Values(x.Columns)
	if err != nil {
		return 0, err
	}
	if ok, err := im.belongs(ctx, t, table, r); err != nil || !ok {
		return 0, err
	}
	return t.Exec(ctx, "INSERT INTO "+x.Name+" ("+strings.Join(x.Columns, ", ")+") VALUES ("+
		strings.TrimSuffix(strings.Repeat("?, ", len(x.Columns)), ", ")+") ON CONFLICT DO NOTHING", args...)
}

// reworded is a connector's row of an export from the time before.
func reworded(r transfer.Row) (err error) {
	definition, _ := r["definition"].(string)
	form, _ := r["form"].(string)
	r["definition"], r["form"], err = database.Reworded(definition, form)
	return err
}

// parents are the rows that a row of a table belongs to: by which column, in which
// table.
var parents = map[string][][2]string{
	"grants":       {{"account_id", "accounts"}, {"agent_id", "agents"}},
	"agent_tokens": {{"agent_id", "agents"}},
}

// belongs reports whether the rows are there that a row belongs to: they were
// left alone where one of their name was known. A grant must stay within one
// organisation, whatever the file says.
func (im *importer) belongs(ctx context.Context, t *tx, table string, r transfer.Row) (bool, error) {
	for _, p := range parents[table] {
		id, _ := r[p[0]].(string)
		if p[1] == "agents" && strings.HasPrefix(id, FileAgent) {
			continue
		}
		var org string
		err := t.Explain(t.Row(ctx, "SELECT organisation FROM "+p[1]+" WHERE id = ?", id).Scan(&org))
		if errors.Is(err, ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if own, has := r["organisation"].(string); has && own != org {
			return false, fmt.Errorf("%s %v: %w", table, r["id"], ErrOrganisation)
		}
	}
	return true, nil
}

// putSecret seals a secret again, with our first key, if its row was imported.
func (im *importer) putSecret(ctx context.Context, t *tx, r transfer.Row) (int64, error) {
	text := func(column string) string { s, _ := r[column].(string); return s }
	id, field := text("owner_id"), text("field")
	if id == "" || id == seal.OwnOwner {
		return 0, errors.New("a secret without an owner")
	}
	o, err := im.v.ownerOf(ctx, t, id)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	// The version is that of the vault it comes from: what the file holds is
	// believed, and gets a version of this vault.
	value, _, err := im.v.seals.Keys.Unseal(o, field, text("sealed"))
	if err != nil {
		return 0, fmt.Errorf("the secret %s of %s, sealed by key %s: %w (this vault has %s)", field, id, text("key_id"), err, im.v.seals.Keys)
	}
	var n int64
	err = t.Row(ctx, "SELECT COUNT(*) FROM secrets WHERE owner_id = ? AND field = ?", id, field).Scan(&n)
	if err != nil || n > 0 {
		return 0, err
	}
	return 1, t.v.seals.Put(ctx, t.Tx, o, secret.Values{field: value})
}

func (im *importer) putPlain(ctx context.Context, t *tx, p *PlainAccount) (int64, error) {
	s := im.v.System()
	c := &Credentials{
		Fields: p.Fields, Secrets: secret.Values{}, Token: secret.New(p.Token), RefreshToken: secret.New(p.RefreshToken),
		ExpiresAt: p.ExpiresAt, Scopes: p.Scopes,
	}
	for name, value := range p.Secrets {
		c.Secrets[name] = secret.New(value)
	}
	a, err := s.newAccount(NewAccount{
		Organisation: p.Organisation, Connector: p.Connector, Option: p.Option, Name: p.Name, Identifier: p.Identifier, IdentifierType: p.IdentifierType,
		Metadata: p.Metadata, Settings: p.Settings, TestMode: p.TestMode, Credentials: c,
	})
	if err != nil {
		return 0, err
	}
	if p.Active {
		if err := a.change(Active, Reason{Code: "imported"}, a.CreatedAt); err != nil {
			return 0, err
		}
	}
	if odd := a.impossible(); odd != "" {
		return 0, errImpossible(a.Name, odd)
	}
	n, err := t.Exec(ctx, insertAccount+" ON CONFLICT DO NOTHING", a.values()...)
	if err != nil || n == 0 {
		return 0, err
	}
	return 1, t.v.seals.Put(ctx, t.Tx, a.owner(), c.sealed())
}
