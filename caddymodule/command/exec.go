package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"sync"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/command/process"
	"github.com/attache-proxy/attache/caddymodule/command/relay"
	"github.com/attache-proxy/attache/caddymodule/doctor"
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

An agent with a token is given a listener of the run's own on a loopback address
(Linux), which leads to the proxy and says who calls: no variable holds the token,
clients that send no proxy password work (Java, Chromium …), and what outlives the
command is nobody. It serves this user's programs and ends with the command.

The command's exit code, signals and terminal are its own; without such a
listener (--no-relay, or no token) it replaces this process. If it could not be
started, the exit code is 125 (no proxy, wrong options), 126 (not executable) or
127 (not found).

Examples:

  attache exec -- curl https://demo.localhost/whoami
  attache exec -- claude
  attache exec --config Caddyfile --agent research -- python3 agent.py
  attache exec --token-file /run/secrets/research.token -- sh
  attache exec --account work -- git clone https://github.com/acme/private
`,
	CobraFunc: func(cmd *cobra.Command) {
		environmentFlags(cmd)
		cmd.Flags().Bool("no-relay", false, "Put the agent's token into the command's variables instead of a listener of the run's own: for what is to outlive the command")
		cmd.Flags().SetInterspersed(false) // the command's options are its own
		cmd.RunE = told(runExec)
	},
}

func runExec(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return withCode{exitOurs, errors.New("which command? Write it after --, for example: attache exec -- curl https://demo.localhost/whoami")}
	}
	request, to, err := ask(cmd, os.Environ())
	if err != nil {
		return withCode{exitOurs, err}
	}
	through, err := relayed(cmd, to, &request)
	if err != nil {
		return withCode{exitOurs, err}
	}
	start := process.Replace
	if through != nil {
		defer through.Close()
		start = process.Run
	}
	env, err := client.Compute(request)
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
	err = start(path, args, env.Apply(os.Environ()))
	var ended process.Ended
	if errors.As(err, &ended) {
		return exitCode(ended)
	}
	return withCode{exitNotStarted, err}
}

// relayed starts the run's own relay where it is of use: where variables would hold a
// token or the name of an account, clients would have to speak TLS to the proxy, or
// libraries look for a cloud's machine. It is nil where there is none.
func relayed(cmd *cobra.Command, to *reached, r *client.Request) (*relay.Relay, error) {
	if off, _ := cmd.Flags().GetBool("no-relay"); off || r.Token.IsZero() && r.Account == "" && r.Proxy.Scheme == "http" && !r.About.NeedsListener() {
		return nil, nil
	}
	through, err := relay.Start(caller(to, r))
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil // the variables hold the token
	}
	if err != nil {
		return nil, fmt.Errorf("a listener of the run's own (--no-relay does without): %w", err)
	}
	r.Through = through.URL
	return through, nil
}

func caller(to *reached, r *client.Request) relay.Proxy {
	return relay.Proxy{URL: r.Proxy, Dial: to.client.Dial, Agent: r.About.Agent, Account: r.Account, Token: r.Token}
}

// watched is the environment of a command whose requests are looked at on their way,
// where the system lets a run have a listener of its own.
func watched(to *reached, about *client.About, account string) (env []string, seen func() []doctor.Seen, stop func(), err error) {
	environ := os.Environ()
	files, err := client.WriteFiles("", to.rootPEM(about), client.ExtraRoots(environ), client.SystemRoots(environ))
	if err != nil {
		return nil, nil, nil, err
	}
	r := client.Request{Proxy: to.client.URL, About: about, Token: to.client.Token, Account: account, Files: files, Environ: environ, Secrets: to.secrets}
	from, stop := caller(to, &r), func() {}
	var mu sync.Mutex
	var all []doctor.Seen
	from.Saw = func(method, target string, opened bool) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, doctor.Seen{Method: method, Target: target, Opened: opened})
	}
	if through, err := relay.Start(from); err == nil {
		r.Through, stop = through.URL, func() { _ = through.Close() }
		seen = func() []doctor.Seen {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(all)
		}
	}
	e, err := client.Compute(r)
	if err != nil {
		stop()
		return nil, nil, nil, err
	}
	return e.Apply(environ), seen, stop, nil
}
