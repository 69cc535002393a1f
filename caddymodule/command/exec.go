package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// Exit codes of exec where no command ran, as env(1), nohup(1) and timeout(1)
// have them.
const (
	exitOurs       = 125
	exitNotStarted = 126
	exitNotFound   = 127
)

var execCommand = caddycmd.Command{
	Name:  "exec",
	Usage: "[--agent NAME] [--proxy URL] [--config Caddyfile] [flags] -- COMMAND [ARGS…]",
	Short: "Starts a command that calls through the proxy",
	Long: `
Starts a command with everything that its HTTP clients need to call through a
running Attaché proxy, and without a credential of any service:

  - proxy variables (HTTP_PROXY, HTTPS_PROXY, NO_PROXY …), in both cases;
  - a CA bundle, the proxy's root and the system's, in every variable that
    clients read: curl, git, Python, Node, Deno, Java, Go, cargo, AWS, gcloud …;
  - placeholder keys for SDKs that refuse to start without one, and base URLs
    for SDKs that ignore proxy variables, for the services that the agent may
    use.

Variables that you have set stay as they are, unless they would lead past the
proxy; -v says what was changed. With --config, the variables from which the
proxy takes credentials ({env.NAME}) are taken away from the command;
ATTACHE_ADMIN_TOKEN always is.

The command replaces this process: its exit code, signals and terminal are its
own. If it could not be started, the exit code is 125 (no proxy, wrong options),
126 (not executable) or 127 (not found).

Examples:

  attache exec -- curl https://demo.localhost/whoami
  attache exec -- claude
  attache exec --config Caddyfile --agent research -- python3 agent.py
  attache exec --token-file /run/secrets/research.token -- sh
  attache exec --account work -- git clone https://github.com/acme/private
`,
	CobraFunc: func(cmd *cobra.Command) {
		environmentFlags(cmd)
		cmd.Flags().SetInterspersed(false) // the command's options are its own
		cmd.RunE = told(runExec)
	},
}

func runExec(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return withCode{exitOurs, errors.New("which command? Write it after --, for example: attache exec -- curl https://demo.localhost/whoami")}
	}
	env, err := compute(cmd, os.Environ())
	if err != nil {
		return withCode{exitOurs, err}
	}
	verbose, _ := cmd.Flags().GetBool("verbose")
	say(cmd.ErrOrStderr(), cmd.CommandPath(), env, verbose)
	path, err := exec.LookPath(args[0])
	switch {
	case errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist):
		return withCode{exitNotFound, fmt.Errorf("%s: command not found", args[0])}
	case err != nil:
		return withCode{exitNotStarted, err}
	}
	if err := replaceProcess(path, args, env.Apply(os.Environ())); err != nil {
		return err
	}
	return nil
}
