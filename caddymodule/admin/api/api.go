// Package api is the REST API's resources over the vault, one noun a file. A
// handler is a function from a Caller and an input to an output; the Caller's View
// sees one organisation or all, so that no handler can forget to look.
package api

import (
	"log/slog"

	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/egress"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Config is what Mount needs. Vault, Catalogue, Log, Guard, Turns and Rest must be
// set.
type Config struct {
	Vault     *vault.Vault
	Catalogue connect.Catalogue
	// Connections refreshes and revokes at services; nil means that neither can
	// be done here.
	Connections connect.Connections
	// Storage presigns URLs and edits buckets' policies; nil means that neither
	// can be done here.
	Storage Storage
	// Declared is what the configuration file says; nil means nothing.
	Declared Declared
	// MCP finds MCP servers out; nil means that no connector is made of one.
	MCP MCP
	// Egress knows which hosts may be called: public ones, and those that the
	// operator named, also by plain HTTP.
	Egress egress.Guard
	Log    *slog.Logger
	// Operations finds connectors' tables; nil means that none has one.
	Operations resolver.Tables

	Guard *signin.Guard
	Turns *connect.Turns
	Rest  *rest.Server
}

// API has the handlers of the resources.
type API struct {
	c     Config
	v     *vault.Vault
	log   *slog.Logger
	guard *signin.Guard
	turns *connect.Turns
	rest  *rest.Server
}
