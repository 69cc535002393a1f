package vault

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// The form of an export is JSON lines: a header, a line per row, an end.
//
//	{"vault":1,"schema":1,"id":"vlt_…","keys":["1f…"],"rows":3,"at":"…"}
//	{"table":"accounts","row":{"id":"acc_…",…}}
//	{"table":"secrets","row":{"owner_id":"acc_…","field":"api_key","sealed":"gAAAA…",…}}
//	{"end":2}
//
// Secrets stay sealed, so that the file is as safe as the database and is worth
// nothing without the keys.
type exportHeader struct {
	Vault  int       `json:"vault"`
	Schema int64     `json:"schema"`
	ID     string    `json:"id"`
	Keys   []string  `json:"keys"`
	Rows   int64     `json:"rows"`
	At     time.Time `json:"at"`
}

type exportLine struct {
	Table string `json:"table,omitempty"`
	Row   row    `json:"row,omitempty"`
	// Account is a line that people write themselves; see PlainAccount.
	Account *PlainAccount `json:"account,omitempty"`
	End     *int64        `json:"end,omitempty"`
}

// row is a row by column. Values are string, int64 or json.Number.
type row map[string]any

const exportVersion = 1

// exported is a table that exports hold: those that last. Sessions, deliveries,
// idempotency keys and changes do not.
type exported struct {
	name    string
	columns []string
	order   string // its primary key
	where   string
}

// exports is in an order in which rows that others refer to come first.
var exports = []exported{
	{"settings", words("name value version updated_at"), "name", "name NOT LIKE 'vault.%'"},
	{"connectors", words(connectorColumns), "id", ""},
	{"apps", words(appColumns), "id", ""},
	{"accounts", words(strings.ReplaceAll(accountColumns, "a.", "")), "id", ""},
	{"agents", words(strings.ReplaceAll(agentColumns, "g.", "")), "id", ""},
	{"agent_tokens", words("id agent_id name hash hint created_at expires_at"), "id", ""},
	{"grants", words(strings.ReplaceAll(grantColumns, "r.", "")), "id", ""},
	{"webhooks", words(webhookColumns), "id", ""},
	{"admin_tokens", words(adminTokenColumns + " hash"), "id", ""},
	{"usage", words("account_id day calls errors auth_errors bytes_in bytes_out last_used last_success last_error_at last_error"), "account_id, day", ""},
	{"secrets", words(sealedColumns + " updated_at"), "owner_id, field", "owner_id <> 'vault' AND owner_id NOT LIKE 'ses~_%' ESCAPE '~'"},
	{"audit", words(auditColumns), "id", ""},
}

// words splits a list of columns.
func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
}

func (x *exported) from() string {
	if x.where == "" {
		return " FROM " + x.name
	}
	return " FROM " + x.name + " WHERE " + x.where
}

// Export writes everything that lasts to w, as of one moment, the audit only if
// asked for. report may be nil.
func (v *Vault) Export(ctx context.Context, w io.Writer, audit bool, report func(Progress)) error {
	t, err := v.r.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: v.d.snapshot})
	if err != nil {
		return v.explain(err)
	}
	defer t.Rollback()
	q := &tx{v: v, sql: t}
	tables := exports
	if !audit {
		tables = tables[:len(tables)-1]
	}
	out := bufio.NewWriterSize(w, 1<<16)
	e := exporter{v: v, q: q, enc: json.NewEncoder(out), report: report}
	if err := e.run(ctx, tables); err != nil {
		return fmt.Errorf("exporting the vault: %w", err)
	}
	return out.Flush()
}

type exporter struct {
	v      *Vault
	q      *tx
	enc    *json.Encoder
	report func(Progress)
	p      Progress
}

func (e *exporter) run(ctx context.Context, tables []exported) error {
	id, err := one(ctx, e.v, e.q, scanText, "SELECT value FROM settings WHERE name = ?", vaultSetting)
	if err != nil {
		return err
	}
	for i := range tables {
		var n int64
		if err := e.q.row(ctx, "SELECT COUNT(*)"+tables[i].from()).Scan(&n); err != nil {
			return e.v.explain(err)
		}
		e.p.Total += n
	}
	err = e.enc.Encode(exportHeader{exportVersion, SchemaVersion, id, e.v.keys.IDs(), e.p.Total, e.v.now().UTC()})
	if err != nil {
		return err
	}
	for i := range tables {
		if err := e.table(ctx, &tables[i]); err != nil {
			return err
		}
	}
	return e.enc.Encode(exportLine{End: &e.p.Done})
}

func (e *exporter) table(ctx context.Context, x *exported) error {
	rows, err := e.q.query(ctx, "SELECT "+strings.Join(x.columns, ", ")+x.from()+" ORDER BY "+x.order)
	if err != nil {
		return e.v.explain(err)
	}
	defer rows.Close()
	values := make([]any, len(x.columns))
	into := make([]any, len(x.columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return e.v.explain(err)
		}
		r := row{}
		for i, c := range x.columns {
			r[c] = values[i]
		}
		if err := e.enc.Encode(exportLine{Table: x.name, Row: r}); err != nil {
			return err
		}
		if e.p.Done++; e.report != nil && e.p.Done%1000 == 0 {
			e.report(e.p)
		}
	}
	if e.report != nil {
		e.report(e.p)
	}
	return e.v.explain(rows.Err())
}
