package command

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/command/confine"
	"github.com/attache-proxy/attache/caddymodule/command/process"
	"github.com/attache-proxy/attache/caddymodule/command/relay"
	"github.com/attache-proxy/attache/caddymodule/command/runs"
	"github.com/attache-proxy/attache/caddymodule/command/strict"
	"github.com/attache-proxy/attache/caddymodule/doctor"
	"github.com/attache-proxy/attache/providers/secret"
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
		cmd.Flags().Bool("run", false, "Open a run (attache runs) also where the listener has an agent of its own, and nothing of ours would stay beside the command")
		cmd.Flags().String("launch-key", "", "Confined: file that shows the proxy that the run is (default: that of --config, else the one in Caddy's data directory, if it is there)")
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
	proxy := caller(to, &request)
	proxy.Minted = new(atomic.Pointer[secret.Value])
	relayed := false
	if !confined {
		through, err := relayOf(cmd, proxy, &request)
		if err != nil {
			return withCode{process.Ours, err}
		}
		if relayed = through != nil; relayed {
			defer through.Close()
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
	if !confined && !relayed {
		err = process.Replace(path, args, env.Apply(os.Environ()))
		return withCode{process.Code(err), err}
	}
	kept, err := opened(cmd, to, confined, args[0], proxy.Minted)
	if err != nil {
		return withCode{process.Ours, err}
	}
	defer kept.Close()
	if confined {
		err = confine.Start(cmd, request, env, proxy, to.config.never(), path, args, kept.Close)
	} else {
		err = process.Run(path, args, env.Apply(os.Environ()), kept.Close)
	}
	var ended process.Ended
	if errors.As(err, &ended) {
		return exitCode(ended)
	}
	return withCode{process.Code(err), err}
}

// opened opens a run, whose token minted is to hold. It is for commands beside which
// something of ours goes on: nobody else could say that they do.
func opened(cmd *cobra.Command, to *reached, confined bool, program string, minted *atomic.Pointer[secret.Value]) (*runs.Keeper, error) {
	var key secret.Value
	found := false // where nobody said that it is this proxy's
	if confined {
		var err error
		if key, found, err = to.launchKey(cmd); err != nil {
			return nil, err
		}
	}
	tell := func(line string) { fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", cmd.CommandPath(), line) }
	kept, err := runs.Keep(cmd.Context(), to.client, program, key, minted, tell)
	e, ok := errors.AsType[*client.Error](err)
	if ok && found && (e.Code == "unproven" || e.Code == "launch_key_wrong") { // of another proxy
		key = secret.Value{}
		kept, err = runs.Keep(cmd.Context(), to.client, program, key, minted, tell)
		e, ok = errors.AsType[*client.Error](err)
	}
	if ok && key.IsZero() && (e.Code == "vault_unavailable" || e.Code == "too_many_requests") {
		tell("warning: no run is written down: " + e.Error()) // what the configuration grants goes on without the vault
		return nil, nil
	}
	return kept, err
}

// relays reports whether a relay is of use: where variables would hold a token or the
// name of an account, clients would have to speak TLS to the proxy, or libraries look for a
// cloud's machine; and where the run is to be written down.
func relays(cmd *cobra.Command, r *client.Request) bool {
	off, _ := cmd.Flags().GetBool("no-relay")
	asked, _ := cmd.Flags().GetBool("run")
	return !off && (asked || !r.Token.IsZero() || r.Account != "" || r.Proxy.Scheme != "http" || r.About.NeedsListener())
}

// relayOf starts the run's own relay where it is of use. It is nil where there is none.
func relayOf(cmd *cobra.Command, to relay.Proxy, r *client.Request) (*relay.Relay, error) {
	if !relays(cmd, r) {
		return nil, nil
	}
	through, err := relay.Start(to)
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
	files, err := client.Ready("", to.rootPEM(about), environ)
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
