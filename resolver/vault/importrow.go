package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/secret"
)

// withoutValue drops what encoding/json quotes of the text, which may be secret.
func withoutValue(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Errorf("%s cannot be %s", kind.Field, strings.Fields(kind.Value + " ?")[0])
	}
	if msg := err.Error(); strings.HasPrefix(msg, "json: unknown field") {
		return err
	}
	return errors.New("not JSON")
}

func (im *importer) putRow(ctx context.Context, t *tx, table string, r row) (int64, error) {
	i := slices.IndexFunc(exports, func(x exported) bool { return x.name == table })
	if i < 0 {
		return 0, fmt.Errorf("unknown table %q", table)
	}
	x := &exports[i]
	if table == "accounts" {
		a, err := scanAccount(rowScanner{x.columns, r})
		if err != nil {
			return 0, err
		}
		if odd := a.impossible(); odd != "" {
			return 0, errImpossible(a.ID, odd)
		}
	}
	args, err := r.values(x.columns)
	if err != nil {
		return 0, err
	}
	if ok, err := im.belongs(ctx, t, table, r); err != nil || !ok {
		return 0, err
	}
	return t.exec(ctx, "INSERT INTO "+x.name+" ("+strings.Join(x.columns, ", ")+") VALUES ("+
		strings.TrimSuffix(strings.Repeat("?, ", len(x.columns)), ", ")+") ON CONFLICT DO NOTHING", args...)
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
func (im *importer) belongs(ctx context.Context, t *tx, table string, r row) (bool, error) {
	for _, p := range parents[table] {
		id, _ := r[p[0]].(string)
		if p[1] == "agents" && strings.HasPrefix(id, FileAgent) {
			continue
		}
		var org string
		err := t.v.explain(t.row(ctx, "SELECT organisation FROM "+p[1]+" WHERE id = ?", id).Scan(&org))
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

// values are the values of columns, all of which must be there.
func (r row) values(columns []string) ([]any, error) {
	if len(r) != len(columns) {
		return nil, fmt.Errorf("has %d columns instead of %d", len(r), len(columns))
	}
	out := make([]any, len(columns))
	for i, c := range columns {
		switch x := r[c].(type) {
		case string:
			out[i] = x
		case json.Number:
			n, err := x.Int64()
			if err != nil {
				return nil, fmt.Errorf("column %s is not a whole number", c)
			}
			out[i] = n
		default:
			return nil, fmt.Errorf("column %s is missing, or neither text nor a number", c)
		}
	}
	return out, nil
}

// putSecret seals a secret again, with our first key, if its row was imported.
func (im *importer) putSecret(ctx context.Context, t *tx, r row) (int64, error) {
	text := func(column string) string { s, _ := r[column].(string); return s }
	id, field := text("owner_id"), text("field")
	if id == "" || id == vaultOwner {
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
	value, _, err := im.v.keys.open(o, field, text("sealed"))
	if err != nil {
		return 0, fmt.Errorf("the secret %s of %s, sealed by key %s: %w (this vault has %s)", field, id, text("key_id"), err, im.v.keys)
	}
	var n int64
	err = t.row(ctx, "SELECT COUNT(*) FROM secrets WHERE owner_id = ? AND field = ?", id, field).Scan(&n)
	if err != nil || n > 0 {
		return 0, err
	}
	return 1, t.putSecrets(ctx, o, secret.Values{field: value})
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
	n, err := t.exec(ctx, insertAccount+" ON CONFLICT DO NOTHING", a.values()...)
	if err != nil || n == 0 {
		return 0, err
	}
	return 1, t.putSecrets(ctx, a.owner(), c.sealed())
}

// rowScanner scans a row of an import as if it came from the database.
type rowScanner struct {
	columns []string
	row     row
}

func (r rowScanner) Scan(dest ...any) error {
	values, err := r.row.values(r.columns)
	if err != nil {
		return err
	}
	for i, d := range dest {
		if err := assign(d, values[i]); err != nil {
			return fmt.Errorf("column %s: %w", r.columns[i], err)
		}
	}
	return nil
}

// assign is the part of database/sql's conversions that accounts need.
func assign(dest, value any) error {
	if s, ok := dest.(interface{ Scan(any) error }); ok {
		return s.Scan(value)
	}
	text, isText := value.(string)
	n, isNumber := value.(int64)
	switch d := dest.(type) {
	case *string:
		*d = text
	case *State:
		*d = State(text)
	case *int64:
		*d = n
		isText = isNumber
	case *uint64:
		*d = uint64(n)
		isText = isNumber && n >= 0
	default:
		return fmt.Errorf("cannot hold %T", dest)
	}
	if !isText {
		return errors.New("has the wrong type")
	}
	return nil
}
