// Package attache is what xcaddy links into a Caddy of one's own: it imports the
// Caddy modules (see caddymodule), and holds the example.
package attache

import (
	_ "embed"

	_ "github.com/attache-proxy/attache/caddymodule"
)

// Example is the Caddyfile that `attache run` takes where it finds none.
//
//go:embed Caddyfile.example
var Example []byte
