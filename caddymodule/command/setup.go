package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/command/setup"
)

var setupCommand = caddycmd.Command{
	Name:  "setup",
	Usage: strings.Join(setup.Names(), "|") + " [--print] [--undo] [flags]",
	Short: "Sends an agent program through the proxy, however it is started",
	Long: `
Writes into the settings of an agent program what attache exec sets for a command:
the proxy, the certificate to trust, placeholder keys, base URLs. No credential of
any service is in it; the agent's own token is, where the proxy wants one.

--print shows it instead, --undo takes it back: what was there before comes back,
what you changed since stays. Programs without a setup: attache exec -- COMMAND.

Examples:

  attache setup claude
  attache setup codex --print
  attache setup claude --undo
`,
	CobraFunc: func(cmd *cobra.Command) {
		environmentFlags(cmd)
		cmd.Flags().Bool("print", false, "Print what would be written")
		cmd.Flags().Bool("undo", false, "Take it back")
		cmd.Args, cmd.ValidArgs = cobra.ExactArgs(1), setup.Names()
		cmd.RunE = told(runSetup)
	},
}

func runSetup(cmd *cobra.Command, args []string) error {
	p, err := setup.Find(args[0])
	if err != nil {
		return err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	notes := filepath.Join(caddy.AppDataDir(), "attache")
	if undo, _ := cmd.Flags().GetBool("undo"); undo {
		err := p.Undo(home, notes)
		if errors.Is(err, setup.ErrNothing) {
			return fmt.Errorf("%s was not set up here: %w", p.Title, err)
		}
		if err == nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s is as it was: %s\n", p.Title, p.File(home))
		}
		return err
	}
	env, err := compute(cmd, os.Environ())
	if err != nil {
		return err
	}
	verbose, _ := cmd.Flags().GetBool("verbose")
	say(cmd.ErrOrStderr(), cmd.CommandPath(), env, verbose)
	if show, _ := cmd.Flags().GetBool("print"); show {
		text, err := p.Text(env.Set)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%s reads this in %s:\n", p.Title, p.File(home))
		fmt.Fprint(cmd.OutOrStdout(), text)
		return nil
	}
	if err := p.Do(home, notes, env.Set); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s calls through %s from its next start on: %s\nattache setup %s --undo takes it back.\n", p.Title, env.Set["HTTPS_PROXY"], p.File(home), p.Name)
	return nil
}
