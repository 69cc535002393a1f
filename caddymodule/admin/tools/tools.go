// Package tools is the tools of MCP servers, as the REST API shows them, and where people
// accept those that have changed.
package tools

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Mount registers the resource.
func Mount(s *rest.Server) {
	rest.Register(s, rest.Operation{ID: "list-tools", Method: http.MethodGet, Path: "/tools", Role: vault.RoleViewer, Noun: "TOOL", Summary: "List tools of MCP servers, the newest first",
		Detail: "Those that were in a list which an agent with rules was given. One that says something else than it did is stopped until somebody accepts it."}, list)
	rest.Register(s, rest.Operation{ID: "get-tool", Method: http.MethodGet, Path: "/tools/{id}", Role: vault.RoleViewer, Noun: "TOOL", Summary: "Read a tool, with what it says"}, get)
	rest.Register(s, rest.Operation{ID: "accept-tool", Method: http.MethodPost, Path: "/tools/{id}/accept", Role: vault.RoleOperator, Noun: "TOOL", Summary: "Let a tool that has changed go on"}, accept)
}

// Tool is one of an MCP server's.
type Tool struct {
	ID           string     `json:"id"`
	Organisation string     `json:"organisation"`
	Connector    string     `json:"connector"`
	AccountID    string     `json:"account_id"`
	Account      string     `json:"account"`
	Host         string     `json:"host"`
	Name         string     `json:"name"`
	Changed      bool       `json:"changed" doc:"It is stopped: it says something else than it did."`
	ReadOnly     bool       `json:"read_only" doc:"The server says so. Nobody has checked it."`
	Destructive  bool       `json:"destructive" doc:"The server says so."`
	Says         string     `json:"says" doc:"What it said when it was first seen, or last accepted: its definition in JSON. The server's words."`
	NewSays      string     `json:"new_says,omitempty" doc:"What it says now; absent where that is the same."`
	NewDigest    string     `json:"new_digest,omitempty" doc:"Of what it says now: accept wants it."`
	SeenAt       time.Time  `json:"seen_at"`
	ChangedAt    *time.Time `json:"changed_at,omitempty"`
	AcceptedBy   string     `json:"accepted_by,omitempty"`
	AcceptedAt   *time.Time `json:"accepted_at,omitempty"`
}

func shown(t vault.Tool) Tool {
	return Tool{ID: t.ID, Organisation: t.Organisation, Connector: t.Connector, AccountID: t.AccountID, Account: t.Account, Host: t.Host, Name: t.Name, Changed: t.NewDigest != "", ReadOnly: t.Hints.ReadOnly, Destructive: t.Hints.Destructive,
		Says: t.Says, NewSays: t.NewSays, NewDigest: t.NewDigest, SeenAt: t.SeenAt, ChangedAt: rest.OptionalTime(t.ChangedAt), AcceptedBy: t.AcceptedBy, AcceptedAt: rest.OptionalTime(t.AcceptedAt)}
}

type listIn struct {
	rest.PageQuery
	Changed      bool   `query:"changed" doc:"Only those that are stopped."`
	AccountID    string `query:"account_id"`
	Connector    string `query:"connector"`
	Organisation string `query:"organisation"`
}

func list(ctx context.Context, c *signin.Caller, in *listIn) (*rest.ListOut[Tool], error) {
	l, err := c.ListTools(ctx, vault.ToolFilter{Changed: in.Changed, AccountID: in.AccountID, Connector: in.Connector, Organisation: in.Organisation}, in.Page())
	return rest.Listed(l, err, shown)
}

type out struct{ Body Tool }

func get(ctx context.Context, c *signin.Caller, in *rest.PathID) (*out, error) {
	t, err := c.Tool(ctx, in.ID)
	return &out{shown(t)}, err
}

type acceptIn struct {
	rest.PathID
	Body struct {
		Digest string `json:"digest" minLength:"1" maxLength:"64" doc:"new_digest of what was looked at."`
	}
}

func accept(ctx context.Context, c *signin.Caller, in *acceptIn) (*out, error) {
	t, err := c.AcceptTool(ctx, in.ID, in.Body.Digest)
	if errors.Is(err, vault.ErrConflict) {
		return nil, problem.New(http.StatusConflict, "VERSION_CONFLICT", "The tool does not say that now. Look at it again.")
	}
	return &out{shown(t)}, err
}
