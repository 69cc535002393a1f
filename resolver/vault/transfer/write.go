package transfer

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Write writes the tables to w as they are for t. The header's Rows are counted here.
// report may be nil.
func Write(ctx context.Context, t *database.Tx, w io.Writer, h Header, tables []Table, report func(Progress)) error {
	out := bufio.NewWriterSize(w, 1<<16)
	e := writer{t: t, enc: json.NewEncoder(out), report: report}
	if err := e.run(ctx, h, tables); err != nil {
		return err
	}
	return out.Flush()
}

type writer struct {
	t      *database.Tx
	enc    *json.Encoder
	report func(Progress)
	p      Progress
}

func (e *writer) run(ctx context.Context, h Header, tables []Table) error {
	for i := range tables {
		var n int64
		if err := e.t.Row(ctx, "SELECT COUNT(*)"+tables[i].from()).Scan(&n); err != nil {
			return e.t.Explain(err)
		}
		e.p.Total += n
	}
	h.Rows = e.p.Total
	if err := e.enc.Encode(h); err != nil {
		return err
	}
	for i := range tables {
		if err := e.table(ctx, &tables[i]); err != nil {
			return err
		}
	}
	return e.enc.Encode(Line[struct{}]{End: &e.p.Done})
}

func (e *writer) table(ctx context.Context, x *Table) error {
	rows, err := e.t.Query(ctx, "SELECT "+strings.Join(x.Columns, ", ")+x.from()+" ORDER BY "+x.Order)
	if err != nil {
		return e.t.Explain(err)
	}
	defer rows.Close()
	values := make([]any, len(x.Columns))
	into := make([]any, len(x.Columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return e.t.Explain(err)
		}
		r := Row{}
		for i, c := range x.Columns {
			r[c] = values[i]
		}
		if err := e.enc.Encode(Line[struct{}]{Table: x.Name, Row: r}); err != nil {
			return err
		}
		if e.p.Done++; e.report != nil && e.p.Done%1000 == 0 {
			e.report(e.p)
		}
	}
	if e.report != nil {
		e.report(e.p)
	}
	return e.t.Explain(rows.Err())
}
