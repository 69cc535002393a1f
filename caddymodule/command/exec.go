package command

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/command/confine"
	"github.com/attache-proxy/attache/caddymodule/command/process"
	"github.com/attache-proxy/attache/caddymodule/command/relay"
	"github.com/attache-proxy/attache/caddymodule/command/strict"
	"github.com/attache-proxy/attache/caddymodule/doctor"
)

//go:embed exec.txt
var execHelp string

var execCommand = caddycmd.Command{
	Name:  "exec",
	Usage: "[--agent NAME] [--proxy URL] [--config Caddyfile] [flags] -- COMMAND [ARGS…]",
	Short: "Starts a command that calls through the proxy",
	Long:  execHelp,
	CobraFunc: func(cmd *cobra.Command) {
		environmentFlags(cmd)
		cmd.Annotations = map[string]string{strict.CodeOfUsage: strconv.Itoa(process.Ours)}
		cmd.Flags().Bool("no-relay", false, "Put the agent's token into the command's variables instead of a listener of the run's own: for what is to outlive the command")
		confine.AddFlags(cmd.Flags())
		cmd.Flags().SetInterspersed(false) // the command's options are its own
		cmd.RunE = told(runExec)
	},
}

func runExec(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return withCode{process.Ours, errors.New("which command? Write it after --, for example: attache exec -- curl https://demo.localhost/whoami")}
	}
	request, to, err := ask(cmd, os.Environ())
	if err != nil {
		return withCode{process.Ours, err}
	}
	confined, err := confine.Prepare(cmd.Flags(), &request)
	if err != nil {
		return withCode{process.Ours, err}
	}
	start := process.Replace
	if !confined {
		through, err := relayed(cmd, to, &request)
		if err != nil {
			return withCode{process.Ours, err}
		}
		if through != nil {
			defer through.Close()
			start = process.Run
		}
	}
	env, err := client.Compute(request)
	if err != nil {
		return withCode{process.Ours, err}
	}
	verbose, _ := cmd.Flags().GetBool("verbose")
	say(cmd.ErrOrStderr(), cmd.CommandPath(), env, verbose)
	path, err := process.Find(args[0])
	if err != nil {
		return withCode{process.Code(err), err}
	}
	if confined {
		err = confine.Start(cmd, request, env, caller(to, &request), to.config.never(), path, args)
	} else {
		err = start(path, args, env.Apply(os.Environ()))
	}
	var ended process.Ended
	if errors.As(err, &ended) {
		return exitCode(ended)
	}
	return withCode{process.Code(err), err}
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
