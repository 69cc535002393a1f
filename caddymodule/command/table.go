package command

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/command/approvals"
	"github.com/attache-proxy/attache/caddymodule/command/egressrules"
	"github.com/attache-proxy/attache/caddymodule/command/runs"
	"github.com/attache-proxy/attache/caddymodule/command/sign"
	"github.com/attache-proxy/attache/caddymodule/command/store"
	"github.com/attache-proxy/attache/caddymodule/command/strict"
	"github.com/attache-proxy/attache/caddymodule/command/tools"
)

// All is what this module adds to the command line of Caddy.
var All = append([]caddycmd.Command{
	execCommand, envCommand, caCommand, doctorCommand,
	connectorsCommand, accountsCommand, agentsCommand, grantsCommand, auditCommand,
	connectCommand, oauthCommand, setupCommand,
	approvals.Room{Reach: reachAPI, Told: told, JSON: PrintJSON, HowToReach: howToReach}.Command(),
	approvals.Room{Reach: reachAPI, Told: told, JSON: PrintJSON, HowToReach: howToReach}.Proposals(),
	runs.Room{Reach: reachAPI, Told: told, JSON: PrintJSON, HowToReach: howToReach}.Command(),
	tools.Room{Reach: reachAPI, Told: told, JSON: PrintJSON, HowToReach: howToReach}.Command(), store.Vault, store.Admin, sign.Command, egressrules.Import,
}, nouns...)

func init() {
	for _, c := range All {
		build := c.CobraFunc
		c.CobraFunc = func(cmd *cobra.Command) {
			build(cmd)
			strict.Strict(cmd)
		}
		caddycmd.RegisterCommand(c)
	}
}
