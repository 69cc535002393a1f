// Package strict makes commands refuse what they do not know, and ends them with the code
// of what went wrong.
package strict

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/providers/spelling"
)

// exitUsage is the exit code of a command line that is wrong: an unknown command
// or option, too many words or too few. A command whose annotation CodeOfUsage is
// another has that.
const exitUsage = 2

// CodeOfUsage is the annotation of commands with an exit code of their own for a command
// line that is wrong.
const CodeOfUsage = "exit code of usage"

// Strict makes a command, and all below it, refuse what they do not know: an
// unknown subcommand is an error that says which may have been meant, and its
// exit code is 2, as that of an unknown option is.
func Strict(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		Strict(sub)
	}
	if cmd.Annotations["strict"] != "" {
		return
	}
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations["strict"] = "yes"
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.DisableFlagParsing = true // an option of the command that is meant is none of ours
		cmd.Args, cmd.RunE = cobra.ArbitraryArgs, group
		return
	}
	cmd.SetFlagErrorFunc(Usage)
	if wanted := cmd.Args; wanted != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := wanted(cmd, args)
			switch {
			case err == nil:
				return nil
			case cmd.HasSubCommands() && len(args) > 0:
				err = unknown(cmd, args[0])
			}
			return Usage(cmd, err)
		}
	}
	required(cmd)
}

// required checks the options that must be there before cobra does, whose error
// has no exit code of its own.
func required(cmd *cobra.Command) {
	before := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if before != nil {
			if err := before(cmd, args); err != nil {
				return err
			}
		}
		if err := cmd.ValidateRequiredFlags(); err != nil {
			return Usage(cmd, err)
		}
		return nil
	}
}

// group is what a command does that only has subcommands.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 || slices.Contains(args, "--help") || slices.Contains(args, "-h") {
		return cmd.Help()
	}
	if sub, _, err := cmd.Find([]string{"version"}); err == nil && sub != cmd && (args[0] == "--version" || args[0] == "-v") {
		return sub.RunE(sub, nil)
	}
	for _, arg := range args {
		if !strings.HasPrefix(arg, "-") {
			return Unknown(cmd, arg)
		}
	}
	return Usage(cmd, fmt.Errorf("unknown option %s", args[0]))
}

// Unknown is the end of a command line with a subcommand that there is not.
func Unknown(cmd *cobra.Command, word string) error { return Usage(cmd, unknown(cmd, word)) }

// unknown says that there is no such subcommand, and which may have been meant.
func unknown(cmd *cobra.Command, word string) error {
	if meant := near(cmd, word); meant != "" {
		return fmt.Errorf("there is no command %q here; did you mean %s?", word, meant)
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return fmt.Errorf("there is no command %q here; there are: %s", word, strings.Join(names, ", "))
}

// near is the command that somebody may have meant; empty where none is like it.
func near(cmd *cobra.Command, word string) string {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if name := spelling.Near(word, names); name != "" {
		return cmd.CommandPath() + " " + name
	}
	return ""
}

// Usage tells that the command line is wrong, and what would be right.
func Usage(cmd *cobra.Command, err error) error {
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	Tell(cmd.ErrOrStderr(), cmd.CommandPath(), err)
	fmt.Fprintf(cmd.ErrOrStderr(), "  %s --help says how.\n", cmd.CommandPath())
	code := exitUsage
	if own, err := strconv.Atoi(cmd.Annotations[CodeOfUsage]); err == nil {
		code = own
	}
	return Exiting(cmd, code)
}

// Exiting is an error for which Caddy's main, too, ends with a code.
func Exiting(cmd *cobra.Command, code int) error {
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, nil })(cmd, nil)
}

// ExitCode is the exit code of what a command returned. Caddy's error that has one
// is of a type that it keeps to itself.
func ExitCode(err error) int {
	for e := err; e != nil; e = errors.Unwrap(e) {
		v := reflect.Indirect(reflect.ValueOf(e))
		if v.Kind() != reflect.Struct {
			continue
		}
		if f := v.FieldByName("ExitCode"); f.IsValid() && f.CanInt() {
			return cmp.Or(int(f.Int()), 1)
		}
	}
	if err != nil {
		return 1
	}
	return 0
}

// Tell prints an error as people read it: what happened, and what to do next.
func Tell(w io.Writer, command string, err error) {
	fmt.Fprintf(w, "%s: %v\n", command, err)
	var e *client.Error
	if errors.As(err, &e) && e.Next != "" {
		fmt.Fprintln(w, "  "+e.Next)
	}
}
