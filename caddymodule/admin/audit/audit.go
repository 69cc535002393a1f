// Package audit is what happened, as the REST API shows it: lists, a stream, a file.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Config is what Mount needs.
type Config struct {
	Vault *vault.Vault
	Log   *slog.Logger
}

type resource struct{ Config }

// Mount registers the resource.
func Mount(s *rest.Server, c Config) {
	a := resource{c}
	rest.Register(s, rest.Operation{ID: "list-audit", Method: http.MethodGet, Path: "/audit", Role: vault.RoleViewer, Noun: "EVENT", Summary: "What happened, the newest first"}, a.list)
	rest.Register(s, rest.Operation{ID: "export-audit", Method: http.MethodGet, Path: "/audit/export", Role: vault.RoleViewer, Noun: "EVENT", Summary: "What happened, as a file",
		Detail: "The newest first, as lines of JSON (application/jsonl) or as CSV. A cell of CSV that a spreadsheet would take for a formula begins with an apostrophe. An answer that breaks off is not whole: its last line then is {\"error\": …} or begins with #error."}, a.export)
	rest.Register(s, rest.Operation{ID: "stream-events", Method: http.MethodGet, Path: "/events", Role: vault.RoleViewer, Noun: "EVENT", Summary: "What happens, as it happens",
		Detail: "Server-sent events: one per audit event, of every replica, with its id. Send the last one as Last-Event-ID to go on after it."}, a.follow)
}

// Event is something that happened.
type Event struct {
	ID           string    `json:"id"`
	At           time.Time `json:"at"`
	Kind         string    `json:"kind" enum:"use,open,refusal,refresh,state,admin,system"`
	Code         string    `json:"code,omitempty" doc:"What happened, such as account.expired; for refusals their code."`
	Organisation string    `json:"organisation"`
	ActorKind    string    `json:"actor_kind,omitempty" doc:"admin, agent, person or system."`
	Actor        string    `json:"actor,omitempty"`
	AgentID      string    `json:"agent_id,omitempty"`
	Connector    string    `json:"connector,omitempty"`
	AccountID    string    `json:"account_id,omitempty"`
	Method       string    `json:"method,omitempty"`
	Host         string    `json:"host,omitempty"`
	Path         string    `json:"path,omitempty" doc:"Without its query."`
	Status       int       `json:"status,omitempty" doc:"What the agent got."`
	BytesIn      int64     `json:"bytes_in,omitempty"`
	BytesOut     int64     `json:"bytes_out,omitempty"`
	Millis       float64   `json:"duration_ms,omitempty"`
	Detail       string    `json:"detail,omitempty"`
	Operation    string    `json:"operation,omitempty" doc:"What the request does, such as issues/create; several are joined by \" + \"."`
	Effect       string    `json:"effect,omitempty" doc:"read, write, delete, admin, money or unknown."`
	Resource     string    `json:"resource,omitempty" doc:"What it is done to, such as acme/private."`
	RunID        string    `json:"run_id,omitempty" doc:"The run of a command in which it was."`
}

// EventOf shows an event.
func EventOf(e vault.Event) Event {
	return Event{ID: e.ID, At: e.At, Kind: e.Kind, Code: e.Code, Organisation: e.Organisation, ActorKind: e.Actor.Kind, Actor: e.Actor.Name,
		AgentID: Whose("agt_", e.AgentID), Connector: e.Connector, AccountID: Whose("acc_", e.AccountID), Method: e.Method, Host: e.Host, Path: e.Path, Status: e.Status,
		BytesIn: e.BytesIn, BytesOut: e.BytesOut, Millis: float64(e.Duration.Microseconds()) / 1000, Detail: e.Detail,
		Operation: e.Operation, Effect: e.Effect, Resource: e.Resource, RunID: e.Run}
}

// Whose is the id that others know an agent or account by, of which the audit has an id:
// those of the configuration file have no prefix there.
func Whose(prefix, id string) string {
	if id == "" || strings.HasPrefix(id, prefix) {
		return id
	}
	return vault.FileAgent + id
}

// Query are the filters of lists and streams of events.
type Query struct {
	Kind         string `query:"kind" enum:"use,open,refusal,refresh,state,admin,system"`
	Code         string `query:"code"`
	Organisation string `query:"organisation"`
	AgentID      string `query:"agent_id"`
	AccountID    string `query:"account_id"`
	Connector    string `query:"connector"`
	Actor        string `query:"actor"`
	Outcome      string `query:"outcome" enum:"ok,failed,refused" doc:"Of calls and refreshes."`
	Operation    string `query:"operation" maxLength:"512" doc:"One whole name, such as issues/create."`
	RunID        string `query:"run_id"`
	Path         string `query:"path" maxLength:"512" doc:"A method, the beginning of a path, or both: GET /v1/orders. With it or actor a part of the list may be empty and yet have a next."`
}

func (in *Query) filter() vault.AuditFilter {
	f := vault.AuditFilter{Kind: in.Kind, Code: in.Code, Organisation: in.Organisation, AgentID: in.AgentID, AccountID: in.AccountID, Connector: in.Connector, Actor: in.Actor, Outcome: in.Outcome, Operation: in.Operation, Run: in.RunID}
	f.Path = strings.TrimSpace(in.Path)
	if !strings.HasPrefix(f.Path, "/") {
		f.Method, f.Path, _ = strings.Cut(f.Path, " ")
		f.Method, f.Path = strings.ToUpper(f.Method), strings.TrimSpace(f.Path)
	}
	return f
}

type listIn struct {
	rest.PageQuery
	Query
	From time.Time `query:"from" doc:"At or after."`
	To   time.Time `query:"to" doc:"Before."`
}

func (a resource) list(ctx context.Context, c *signin.Caller, in *listIn) (*rest.ListOut[Event], error) {
	f := in.filter()
	f.From, f.To = in.From, in.To
	l, err := c.Audit(ctx, f, in.Page())
	return rest.Listed(l, err, EventOf)
}

const (
	tailEvery = 400 * time.Millisecond
	// beatEvery keeps the connection from looking dead.
	beatEvery = 15 * time.Second
)

type streamIn struct {
	Query
	LastEventID string `header:"Last-Event-ID"`
}

func (a resource) follow(_ context.Context, c *signin.Caller, in *streamIn) (*huma.StreamResponse, error) {
	tail := c.Tail(in.filter(), in.LastEventID)
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "text/event-stream")
		ctx.SetHeader("X-Accel-Buffering", "no")
		ctx.SetStatus(http.StatusOK)
		w, ok := ctx.BodyWriter().(http.ResponseWriter)
		if !ok {
			return
		}
		s := stream{w: w, rc: http.NewResponseController(w)}
		_ = s.rc.SetWriteDeadline(time.Time{})
		a.write(ctx.Context(), c, tail, &s)
	}}, nil
}

// write writes events until the caller hangs up, or is no longer allowed to see
// them.
func (a resource) write(ctx context.Context, c *signin.Caller, tail *vault.Tail, s *stream) {
	look, beat := time.NewTicker(tailEvery), time.NewTicker(beatEvery)
	defer look.Stop()
	defer beat.Stop()
	if s.say(": connected\n\n") != nil {
		return
	}
	for {
		events, err := tail.Next(ctx)
		if err != nil && ctx.Err() == nil {
			a.Log.Warn("reading events for a stream", "error", err)
		}
		for i := range events {
			if s.send(&events[i]) != nil {
				return
			}
		}
		if len(events) > 0 && s.flush() != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		case <-beat.C:
			if !a.stillAllowed(ctx, c) || s.say(": still here\n\n") != nil {
				return
			}
		}
	}
}

// stillAllowed reports whether the caller's token was not deleted since.
func (a resource) stillAllowed(ctx context.Context, c *signin.Caller) bool {
	if c.TokenID == "socket" {
		return true
	}
	lives := a.Vault.AdminTokenLives
	if c.SignIn != nil {
		lives = a.Vault.SignInLives
	}
	ok, err := lives(ctx, c.TokenID)
	return ok || err != nil
}

// stream writes server-sent events.
type stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func (s *stream) send(e *vault.Event) error {
	b, err := json.Marshal(EventOf(*e))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.w, "id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.Kind, b)
	return err
}

func (s *stream) say(text string) error {
	if _, err := fmt.Fprint(s.w, text); err != nil {
		return err
	}
	return s.flush()
}

func (s *stream) flush() error { return s.rc.Flush() }
