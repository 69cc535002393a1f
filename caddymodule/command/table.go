package command

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/attache-proxy/attache/caddymodule/command/sign"
)

// All is what this module adds to the command line of Caddy.
var All = []caddycmd.Command{
	execCommand, envCommand, caCommand, doctorCommand,
	connectorsCommand, accountsCommand, agentsCommand, grantsCommand, auditCommand,
	vaultCommand, adminCommand, sign.Command,
}

func init() {
	for _, c := range All {
		caddycmd.RegisterCommand(c)
	}
}
