// Command attache is Caddy with Attaché: a proxy that attaches credentials to
// the API calls of agents, so that the agents never hold them.
package main

import (
	"os"
	"runtime/debug"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/attache-proxy/attache/caddymodule"
)

func main() {
	caddy.CustomBinaryName = "attache"
	caddy.CustomLongDescription = "Attaché attaches credentials to the API calls of agents, so that the agents never hold them.\nIt is Caddy with a proxy module and without what serves web sites."
	// A sidecar's heap is some ten megabytes, and collecting it took a seventh of
	// the CPU: half as often costs little memory. GOGC in the environment wins.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
	caddycmd.Main()
}
