package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/client"
)

var envCommand = caddycmd.Command{
	Name:  "env",
	Usage: "[--shell " + strings.Join(client.Shells(), "|") + "] [--agent NAME] [--proxy URL] [flags]",
	Short: "Prints the variables with which commands call through the proxy",
	Long: `
Prints what exec sets, for a shell or a program to read: proxy variables, the CA
bundle for every kind of client, placeholder keys and base URLs.

The default of --shell is fish where $SHELL is, and sh elsewhere. In json a
variable that is to be removed is null. dotenv is for docker run --env-file,
Compose and the like; it cannot remove variables.

Where the agent has a token, it stands in the output.

Examples:

  eval "$(attache env)"
  attache env --shell fish | source
  attache env --shell powershell | Out-String | Invoke-Expression
  attache env --shell dotenv > agent.env
  attache env --shell json | jq -r .HTTPS_PROXY
`,
	CobraFunc: func(cmd *cobra.Command) {
		environmentFlags(cmd)
		cmd.Flags().String("shell", "", "One of "+strings.Join(client.Shells(), ", "))
		cmd.Args = cobra.NoArgs
		cmd.RunE = told(runEnv)
	},
}

func runEnv(cmd *cobra.Command, _ []string) error {
	shell, _ := cmd.Flags().GetString("shell")
	if shell == "" {
		shell = "sh"
		if filepath.Base(os.Getenv("SHELL")) == "fish" {
			shell = "fish"
		}
	}
	if _, err := new(client.Environment).Print(shell); err != nil {
		return err
	}
	env, err := compute(cmd, os.Environ())
	if err != nil {
		return err
	}
	verbose, _ := cmd.Flags().GetBool("verbose")
	say(cmd.ErrOrStderr(), cmd.CommandPath(), env, verbose)
	out, err := env.Print(shell)
	if err != nil {
		return err
	}
	fmt.Fprint(cmd.OutOrStdout(), out)
	return nil
}
