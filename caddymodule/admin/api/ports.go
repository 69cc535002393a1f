package api

import (
	"context"
	"time"

	"github.com/attache-proxy/attache/providers/oauth/mcp"
)

// Storage does with object storage what an account's credentials allow. Its
// errors are those of the resolver and of the vault.
type Storage interface {
	// Presign makes a URL that works on its own for a while.
	Presign(ctx context.Context, p Presigning) (Presigned, error)
	// SetAccess says what a service account of Google may do with a bucket.
	SetAccess(ctx context.Context, b BucketAccess) (changed bool, err error)
}

// Presigning is what a URL is wanted for.
type Presigning struct {
	AccountID string
	// AgentID and Agent are who will use it; empty: an operator.
	AgentID, Agent string
	Method, URL    string
	Headers        map[string]string
	Expires        time.Duration
}

// Presigned is the URL, and what was found out on the way, also beside an error.
type Presigned struct {
	URL       string
	ExpiresAt time.Time
	// Connector, Host and Path are for the audit.
	Connector, Host, Path string
}

// BucketAccess is what a service account may do with a bucket.
type BucketAccess struct {
	AccountID, Bucket, Email, Access string
}

// MCP finds out how remote MCP servers authorize their clients, and registers
// clients there. *mcp.Finder is one.
type MCP interface {
	Find(ctx context.Context, server string) (*mcp.Server, error)
	Register(ctx context.Context, s *mcp.Server, c mcp.Client) (*mcp.Registration, error)
}

// Declared is what the configuration file says; it is shown and cannot be edited.
type Declared interface {
	Agents() []DeclaredAgent
	Accounts() []DeclaredAccount
}

// DeclaredAgent is an agent of the configuration file.
type DeclaredAgent struct {
	Name    string
	Tokens  int
	Budgets []string
	Grants  []DeclaredGrant
}

// DeclaredGrant is one of its grants; an empty Account means every account.
type DeclaredGrant struct {
	Connector, Account string
	Write, Presign     bool
	Placeholder        bool
	Confined           bool
	Operations         []string
	Budgets            []string
}

// DeclaredAccount is an account of the configuration file.
type DeclaredAccount struct {
	Connector, Option, Name string
	Default                 bool
	Budgets                 []string
}
