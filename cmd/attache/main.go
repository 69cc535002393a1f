// Command attache is Caddy with Attaché: a proxy that attaches credentials to
// the API calls of agents, so that the agents never hold them.
package main

import (
	"os"
	"runtime/debug"

	"github.com/caddyserver/caddy/v2"

	"github.com/attache-proxy/attache/caddymodule/command/strict"
)

func main() {
	caddy.CustomBinaryName = "attache"
	// A sidecar's heap is some ten megabytes, and collecting it took a seventh of
	// the CPU: half as often costs little memory. GOGC in the environment wins.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
	os.Exit(strict.ExitCode(root().Execute()))
}
