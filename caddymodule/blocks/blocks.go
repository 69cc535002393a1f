// Package blocks reads the blocks of the Caddyfile that say what connectors and limits
// are, into the words of package config. It starts nothing.
package blocks

import (
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// OneArg reads exactly one argument.
func OneArg(d *caddyfile.Dispenser, into *string) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	*into = d.Val()
	if d.NextArg() {
		return d.ArgErr()
	}
	return nil
}

// Source is the place of the current token, for messages that come later.
func Source(d *caddyfile.Dispenser) string { return fmt.Sprintf("%s:%d", d.File(), d.Line()) }
