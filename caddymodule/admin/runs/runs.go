// Package runs is runs of commands (attache exec), as the REST API shows them, and where
// people end one.
package runs

import (
	"context"
	"net/http"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/audit"
	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/run"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Mount registers the resource.
func Mount(s *rest.Server) {
	rest.Register(s, rest.Operation{ID: "list-runs", Method: http.MethodGet, Path: "/runs", Role: vault.RoleViewer, Noun: "RUN", Summary: "List runs of commands, the newest first",
		Detail: "What attache exec started, by whom, and what came of it. The events of one are in the audit: run_id."}, list)
	rest.Register(s, rest.Operation{ID: "get-run", Method: http.MethodGet, Path: "/runs/{id}", Role: vault.RoleViewer, Noun: "RUN", Summary: "Read a run"}, get)
	rest.Register(s, rest.Operation{ID: "end-run", Method: http.MethodPost, Path: "/runs/{id}/end", Role: vault.RoleOperator, Noun: "RUN", Summary: "End a run",
		Detail: "Its programs get no answers of connectors any more, at no replica: what they ask for is refused (run_ended), and their streams are cut. The programs go on. A run that is over stays as it is."}, end)
}

// Run is one run of a command.
type Run struct {
	ID           string     `json:"id"`
	Organisation string     `json:"organisation"`
	State        run.State  `json:"state" enum:"running,ended,lapsed" doc:"lapsed: nobody has heard of it for 30 seconds, as when it was killed."`
	AgentID      string     `json:"agent_id"`
	Agent        string     `json:"agent"`
	Program      string     `json:"program" doc:"The name of the program, without its arguments, as attache exec says."`
	User         string     `json:"user,omitempty" doc:"Who started it, as attache exec says."`
	Host         string     `json:"host,omitempty" doc:"Where, as attache exec says."`
	Confined     bool       `json:"confined" doc:"It has no way out but the proxy, as somebody says who has the launch key."`
	BeganAt      time.Time  `json:"began_at"`
	SeenAt       time.Time  `json:"seen_at" doc:"When it was heard of last."`
	EndedAt      *time.Time `json:"ended_at,omitempty"`
	Why          string     `json:"why,omitempty" doc:"How it ended: exited, lapsed, or who ended it."`
	Calls        int64      `json:"calls" doc:"How many requests it made, refused ones too."`
	Refusals     int64      `json:"refusals"`
}

func shown(r run.Run) Run {
	return Run{ID: r.ID, Organisation: r.Organisation, State: r.Stands(time.Now()), AgentID: audit.Whose("agt_", r.AgentID), Agent: r.Agent, Program: r.Program, User: r.User, Host: r.Host, Confined: r.Confined,
		BeganAt: r.Began, SeenAt: r.Seen, EndedAt: rest.OptionalTime(r.Ended), Why: r.Why, Calls: r.Calls, Refusals: r.Refusals}
}

type listIn struct {
	rest.PageQuery
	State        string `query:"state" enum:"running,ended,lapsed"`
	AgentID      string `query:"agent_id"`
	User         string `query:"user" maxLength:"128"`
	Organisation string `query:"organisation"`
}

func list(ctx context.Context, c *signin.Caller, in *listIn) (*rest.ListOut[Run], error) {
	l, err := c.Runs(ctx, vault.RunFilter{State: run.State(in.State), AgentID: in.AgentID, User: in.User, Organisation: in.Organisation}, in.Page())
	return rest.Listed(l, err, shown)
}

type out struct{ Body Run }

func get(ctx context.Context, c *signin.Caller, in *rest.PathID) (*out, error) {
	r, err := c.Run(ctx, in.ID)
	return &out{shown(r)}, err
}

func end(ctx context.Context, c *signin.Caller, in *rest.PathID) (*out, error) {
	r, err := c.EndRun(ctx, in.ID)
	return &out{shown(r)}, err
}
