// Package rules is the part of `attache grants` that makes and tries rules: suggest,
// replay, diff and test.
package rules

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/providers"
)

// Room is what the command line lends.
type Room struct {
	// Call makes a command that asks the REST API, and Told one that does not.
	Call func(use, short string, args cobra.PositionalArgs, flags func(*cobra.Command), run func(Asking, []string) error) *cobra.Command
	Told func(func(*cobra.Command, []string) error) func(*cobra.Command, []string) error
	// Load compiles one connector, of which Flags are options.
	Load  func(cmd *cobra.Command, keys ...string) ([]*providers.Connector, error)
	Flags func(cmd *cobra.Command)
	JSON  func(cmd *cobra.Command, v any) error
	// Moment reads a time, or a span before now where sign is -1.
	Moment func(s string, now time.Time, sign int) (time.Time, error)
	// Quiet is an error with an exit code, of which nothing is told any more.
	Quiet func(code int) error
}

// Asking is a command that runs.
type Asking struct {
	Ctx context.Context
	Cmd *cobra.Command
	API *client.API
	// AgentID and AccountID find what was named.
	AgentID, AccountID func(given string) (string, error)
}

func (a Asking) flag(name string) string { v, _ := a.Cmd.Flags().GetString(name); return v }

func (a Asking) on(name string) bool { v, _ := a.Cmd.Flags().GetBool(name); return v }

func (a Asking) print(format string, values ...any) {
	fmt.Fprintln(a.Cmd.OutOrStdout(), client.Printable(fmt.Sprintf(format, values...)))
}

// since is the option of that name as a time; zero where it is not given.
func (r Room) since(a Asking) (t time.Time, err error) {
	if a.flag("since") == "" {
		return t, nil
	}
	if t, err = r.Moment(a.flag("since"), time.Now(), -1); err != nil {
		return t, fmt.Errorf("--since: %w", err)
	}
	return t.UTC(), nil
}

// account is the option of that name as an id; empty where it is not given.
func (a Asking) account() (string, error) {
	if a.flag("account") == "" {
		return "", nil
	}
	id, err := a.AccountID(a.flag("account"))
	if err != nil {
		return "", fmt.Errorf("--account: %w", err)
	}
	return id, nil
}
