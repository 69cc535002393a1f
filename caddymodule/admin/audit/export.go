package audit

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/vault"
)

type exportIn struct {
	Query
	From   time.Time `query:"from" doc:"At or after."`
	To     time.Time `query:"to" doc:"Before."`
	Format string    `query:"format" enum:"jsonl,csv" default:"jsonl"`
	Limit  int       `query:"limit" minimum:"1" maximum:"1000000" default:"100000" doc:"How many events at most."`
}

// export writes events as they are read, so that it needs no memory for them.
func (a resource) export(ctx context.Context, c *signin.Caller, in *exportIn) (*huma.StreamResponse, error) {
	f := in.filter()
	f.From, f.To = in.From, in.To
	first, err := c.Audit(ctx, f, vault.Page{Limit: min(in.Limit, 500)}) // what is wrong with the question is said before it begins
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		kind := map[string]string{"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}[in.Format]
		hctx.SetHeader("Content-Type", kind)
		hctx.SetHeader("Content-Disposition", `attachment; filename="attache-audit.`+in.Format+`"`)
		hctx.SetStatus(http.StatusOK)
		w := hctx.BodyWriter()
		if rw, ok := w.(http.ResponseWriter); ok {
			_ = http.NewResponseController(rw).SetWriteDeadline(time.Time{})
		}
		if in.Format == "csv" {
			err = exportCSV(w, c, hctx.Context(), f, first, in.Limit)
		} else {
			err = exportLines(w, c, hctx.Context(), f, first, in.Limit)
		}
		if err != nil && hctx.Context().Err() == nil {
			a.Log.Warn("exporting the audit", "error", err)
		}
	}}, nil
}

// everyEvent calls do with up to limit events that match f, beginning with a part
// that was read.
func everyEvent(ctx context.Context, c *signin.Caller, f vault.AuditFilter, part vault.List[vault.Event], limit int, do func(Event) error) (err error) {
	for n := 0; ; {
		for _, e := range part.Items {
			if n++; n > limit {
				return nil
			}
			if err := do(EventOf(e)); err != nil {
				return err
			}
		}
		if part.Next == "" {
			return nil
		}
		if part, err = c.Audit(ctx, f, vault.Page{After: part.Next, Limit: 500}); err != nil {
			return err
		}
	}
}

const brokeOff = "the rest could not be read; export it again"

func exportLines(w io.Writer, c *signin.Caller, ctx context.Context, f vault.AuditFilter, first vault.List[vault.Event], limit int) error {
	enc := json.NewEncoder(w)
	err := everyEvent(ctx, c, f, first, limit, func(e Event) error { return enc.Encode(e) })
	if err != nil {
		_ = enc.Encode(map[string]string{"error": brokeOff})
	}
	return err
}

var csvHeads = []string{"id", "at", "kind", "code", "organisation", "actor_kind", "actor", "agent_id", "connector", "account_id", "method", "host", "path", "status", "bytes_in", "bytes_out", "duration_ms", "detail", "operation", "effect", "resource", "run_id"}

func exportCSV(w io.Writer, c *signin.Caller, ctx context.Context, f vault.AuditFilter, first vault.List[vault.Event], limit int) error {
	out := csv.NewWriter(w)
	_ = out.Write(csvHeads)
	err := everyEvent(ctx, c, f, first, limit, func(e Event) error {
		return out.Write([]string{e.ID, e.At.Format(time.RFC3339Nano), e.Kind, cell(e.Code), cell(e.Organisation), e.ActorKind, cell(e.Actor), cell(e.AgentID), cell(e.Connector), cell(e.AccountID),
			cell(e.Method), cell(e.Host), cell(e.Path), strconv.Itoa(e.Status), strconv.FormatInt(e.BytesIn, 10), strconv.FormatInt(e.BytesOut, 10), strconv.FormatFloat(e.Millis, 'f', -1, 64), cell(e.Detail), cell(e.Operation), e.Effect, cell(e.Resource), e.RunID})
	})
	if err != nil {
		_ = out.Write([]string{"#error: " + brokeOff})
	}
	out.Flush()
	return err
}

// cell keeps spreadsheets from computing what an agent chose.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}
