package database

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/pressly/goose/v3"

	"github.com/attache-proxy/attache/providers/reworded"
)

// PayloadReworded is the version of the tables from which on header_as_payload means
// what it says in package reworded.
const PayloadReworded = 6

// GrantOperations is the version from which on grants have rules of operations.
const GrantOperations = 7

// Budgets is the version from which on grants and agents have budgets.
const Budgets = 9

// rewording are the migrations that need more than SQL.
func (d *DB) rewording() []*goose.Migration {
	return []*goose.Migration{goose.NewGoMigration(PayloadReworded, &goose.GoFunc{RunTx: d.rewordConnectors}, nil)}
}

// rewordConnectors rewrites every connector that was made through the API: what it did
// it goes on doing.
func (d *DB) rewordConnectors(ctx context.Context, t *sql.Tx) error {
	rows, err := t.QueryContext(ctx, "SELECT id, definition, form FROM connectors")
	if err != nil {
		return err
	}
	defer rows.Close()
	type connector struct{ id, definition, form string }
	var all []connector
	for rows.Next() {
		var c connector
		if err := rows.Scan(&c.id, &c.definition, &c.form); err != nil {
			return err
		}
		all = append(all, c)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, c := range all {
		definition, form, err := Reworded(c.definition, c.form)
		if err != nil {
			return err
		}
		if _, err := t.ExecContext(ctx, d.dialect.rebind("UPDATE connectors SET definition = ?, form = ? WHERE id = ?"), definition, form, c.id); err != nil {
			return err
		}
	}
	return nil
}

// Reworded is a connector's definition and its form, which is JSON, as they are to be
// written now. A form that is no object stays as it is.
func Reworded(definition, form string) (string, string, error) {
	var filled map[string]any
	if json.Unmarshal([]byte(form), &filled) == nil && filled != nil {
		if err := reworded.Form(filled); err != nil {
			return "", "", err
		}
		form = JSONText(filled)
	}
	return reworded.HeaderAsPayload(definition), form, nil
}
