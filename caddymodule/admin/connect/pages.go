// Package connect is the pages on which people connect accounts: by the links that
// operators make and agents are given, to the service and back. What is done with
// what they bring is package resolver/connect.
package connect

import (
	"log/slog"

	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/vault"
)

// Config is what New needs. All but Links and PublicURL must be set.
type Config struct {
	Vault *vault.Vault
	// PublicURL is the origin at which people reach these pages; empty: the host
	// by which they came.
	PublicURL string
	// Links says what the links do that agents are given: LinksOpen when empty.
	Links string
	Log   *slog.Logger

	Guard *signin.Guard
	Turns *connect.Turns
}

// Pages are what people see.
type Pages struct {
	c               Config
	v               *vault.Vault
	log             *slog.Logger
	guard           *signin.Guard
	turns           *connect.Turns
	starts, greeted starts
}

// maxForm bounds a form: keys and certificates are larger than passwords.
const maxForm = 256 << 10
