package main

import (
	"fmt"
	"maps"
	"slices"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache"
	"github.com/attache-proxy/attache/caddymodule/command/strict"
	"github.com/attache-proxy/attache/caddymodule/start"
)

const about = `
Attaché attaches credentials to the API calls of agents, so that the agents never
hold them.`

const examples = `  attache run                                  # the proxy, with the built-in example
  attache exec -- curl https://demo.localhost/whoami
  attache connect github                       # from nothing to a call that works
  attache exec -- claude                       # an agent, without a key
  attache audit --follow                       # what it calls`

const footer = `
Documentation: https://github.com/attache-proxy/attache/tree/main/docs
`

// groups are the parts of the help, in order, with the commands of each. A command
// that is in none of them is there and not shown.
var groups = []struct {
	id, title string
	commands  []string
}{
	{"run", "The proxy:", []string{"run", "start", "stop", "reload", "validate", "adapt", "fmt", "doctor"}},
	{"agents", "Agent programs:", []string{"exec", "env", "setup", "import", "ca"}},
	{"connect", "Services and accounts:", []string{"connect", "connectors", "accounts", "apps", "oauth", "links", "sign"}},
	{"access", "Who may what:", []string{"agents", "grants", "audit", "usage"}},
	{"care", "Looking after it:", []string{"admin", "tokens", "vault", "webhooks", "settings", "health"}},
	{"else", "Else:", []string{"version", "completion", "manpage", "help"}},
}

// root is the whole command line: this module's commands, and of Caddy's those
// that a proxy needs.
func root() *cobra.Command {
	cmd := &cobra.Command{
		Use: "attache", Long: about, Example: examples,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	cmd.SetHelpTemplate(cmd.HelpTemplate() + footer)
	for _, g := range groups {
		cmd.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
	}
	all := caddycmd.Commands()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if note, ok := instead[name]; ok {
			cmd.AddCommand(insteadOf(name, note))
			continue
		}
		if name != "version" && name != "completion" && name != "manpage" {
			cmd.AddCommand(ofCaddy(all[name]))
		}
	}
	for name, note := range instead { // those that this binary does not even have
		if _, ok := all[name]; !ok {
			cmd.AddCommand(insteadOf(name, note))
		}
	}
	cmd.AddCommand(versionCommand(), completionCommand(), manpageCommand())
	cmd.SetHelpCommand(helpCommand())
	for _, sub := range cmd.Commands() {
		arrange(sub)
	}
	cmd.SetHelpCommandGroupID("else")
	strict.Strict(cmd)
	return cmd
}

// arrange puts a command into its part of the help.
func arrange(sub *cobra.Command) {
	for _, g := range groups {
		if slices.Contains(g.commands, sub.Name()) {
			sub.GroupID = g.id
			return
		}
	}
	sub.Hidden = true
}

// ofCaddy makes a command as Caddy's own main does, with what errors print.
func ofCaddy(c caddycmd.Command) *cobra.Command {
	cmd := &cobra.Command{Use: c.Name + " " + c.Usage, Short: c.Short, Long: c.Long}
	if c.CobraFunc != nil {
		c.CobraFunc(cmd)
	} else {
		cmd.RunE = caddycmd.WrapCommandFuncForCobra(c.Func)
		cmd.Flags().AddGoFlagSet(c.Flags)
	}
	if said, ok := ours[c.Name]; ok {
		cmd.Short, cmd.Long = said[0], said[1]
	}
	if c.Name == "run" {
		start.Over(cmd, attache.Example)
	}
	telling(cmd)
	return cmd
}

// telling makes errors that nobody printed yet printed: cobra's own way to do so
// would print those of Caddy's logger twice.
func telling(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		telling(sub)
	}
	if cmd.RunE == nil {
		return
	}
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		if err != nil && !cmd.SilenceErrors {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v\n", cmd.CommandPath(), err)
		}
		return err
	}
}

// ours is what the help says of Caddy's commands that stay.
var ours = map[string][2]string{
	"start":    {"Runs the proxy in the background", "Starts `attache run` in the background, and returns when it serves.\n`attache stop` needs Caddy's admin API to end it (never where an agent reaches\nit: admin unix//run/attache/admin.sock|0600); a signal does without.\n"},
	"stop":     {"Stops a proxy that was started in the background", "Stops a running proxy through Caddy's admin API (--address, or that of --config).\nWhere the API is off, as in the example: kill PID.\n"},
	"reload":   {"Gives the running proxy another configuration", "Gives the running proxy a configuration through Caddy's admin API (--address, or\nthat of --config). Open streams go on. Where the API is off, as in the example:\nkill -USR1 PID reads the file again.\n"},
	"validate": {"Says whether a configuration is right", "Loads a configuration without starting anything, and says what is wrong with it.\n"},
	"adapt":    {"Prints a Caddyfile as JSON", "Prints a Caddyfile as the JSON that Caddy makes of it. Secrets that are written as\n{env.NAME} or {file./path} stay placeholders.\n"},
	"fmt":      {"Formats a Caddyfile", "Formats a Caddyfile; with --overwrite in place.\n"},
}
