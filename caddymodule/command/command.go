// Package command is the command line, one file a noun. Most commands ask the
// REST API or the proxy, as any client does; the ones that look after the vault
// open it.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/command/strict"
)

// exitCode is an error that was told already, or needs no telling.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// withCode is an error for which the process ends with another code than 1.
type withCode struct {
	code int
	error
}

func (e withCode) Unwrap() error { return e.error }

// told runs a command's function and prints its error as people read it: what
// happened, and what to do next.
func told(run func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		if err == nil {
			return nil
		}
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		code := 1
		var quiet exitCode
		var own withCode
		switch {
		case errors.As(err, &quiet):
			code = int(quiet)
		case errors.As(err, &own):
			code = own.code
			fallthrough
		default:
			strict.Tell(cmd.ErrOrStderr(), cmd.CommandPath(), err)
		}
		if code == 1 {
			return err
		}
		return strict.Exiting(cmd, code)
	}
}

// say prints what a command did to the environment: warnings always, the rest
// where the user asked for it.
func say(w io.Writer, command string, env *client.Environment, verbose bool) {
	for _, line := range env.Warnings {
		fmt.Fprintf(w, "%s: warning: %s\n", command, line)
	}
	if verbose {
		for _, line := range env.Notes() {
			fmt.Fprintf(w, "%s: %s\n", command, line)
		}
	}
}

// proxyFlags are the options of every command that talks to a proxy.
func proxyFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String("proxy", "", "The proxy's URL (default: ATTACHE_PROXY, else the listener of --config, else "+defaultProxy+")")
	f.String("agent", "", "Who calls, by name: needed where --config knows several agents")
	f.String("token-file", "", "File with the agent's token (default: ATTACHE_TOKEN, else the token in --config)")
	f.String("ca", "", "PEM file with the proxy's root certificate (default: what the proxy says)")
	f.StringP("config", "c", "", "The proxy's Caddyfile: for its address, the agent's token, and which variables hold credentials")
	f.String("adapter", "", "Config adapter of --config, where the file's name does not say it")
}

// environmentFlags are the options of exec and env.
func environmentFlags(cmd *cobra.Command) {
	proxyFlags(cmd)
	f := cmd.Flags()
	f.StringArray("account", nil, "Which account: NAME everywhere, or CONNECTOR:NAME at that connector's base URL (repeatable)")
	f.Bool("no-node-preload", false, "Let Node load nothing of ours (NODE_OPTIONS): clients in Node that read no proxy variable go past the proxy then")
	f.String("dir", "", "Where the CA bundle is written (default: the user's cache directory)")
	f.BoolP("verbose", "v", false, "Say on stderr what is changed of your own variables, and why")
}

// compute asks the proxy and works out a command's environment.
func compute(cmd *cobra.Command, environ []string) (*client.Environment, error) {
	r, _, err := ask(cmd, environ)
	if err != nil {
		return nil, err
	}
	return client.Compute(r)
}

// ask asks the proxy what an environment is worked out from.
func ask(cmd *cobra.Command, environ []string) (r client.Request, to *reached, err error) {
	ctx, cancel := context.WithTimeout(cmd.Context(), askTimeout)
	defer cancel()
	if to, err = reach(cmd, environ); err != nil {
		return r, nil, err
	}
	about, err := to.about(ctx)
	if err != nil {
		return r, nil, err
	}
	dir, _ := cmd.Flags().GetString("dir")
	if len(to.ca) == 0 {
		if err := client.Pin(dir, to.client.URL, []byte(about.CAPEM)); err != nil {
			return r, nil, err
		}
	}
	files, err := client.Ready(dir, to.rootPEM(about), environ)
	if err != nil {
		return r, nil, err
	}
	account, accounts, err := chosenAccounts(cmd)
	if err != nil {
		return r, nil, err
	}
	return client.Request{
		Proxy: to.client.URL, About: about, Token: to.client.Token, Account: account, Accounts: accounts,
		Files: files, Environ: environ, Secrets: to.secrets, NoNodePreload: cmd.Flag("no-node-preload").Value.String() == "true",
	}, to, nil
}

func chosenAccounts(cmd *cobra.Command) (account string, accounts map[string]string, err error) {
	given, _ := cmd.Flags().GetStringArray("account")
	accounts = map[string]string{}
	for _, a := range given {
		key, name, ok := strings.Cut(a, ":")
		switch {
		case !ok && account == "" && a != "":
			account = a
		case ok && key != "" && name != "" && accounts[key] == "":
			accounts[key] = name
		default:
			return "", nil, fmt.Errorf("--account %q: want NAME once, or CONNECTOR:NAME once for each connector", a)
		}
	}
	return account, accounts, nil
}
