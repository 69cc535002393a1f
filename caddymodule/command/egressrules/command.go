package egressrules

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// maxFile bounds a file of rules, in bytes.
const maxFile = 4 << 20

// Import is `attache import`.
var Import = caddycmd.Command{
	Name: "import", Usage: "egress-rules FILE",
	Short: "Makes a configuration of what others wrote",
	Long: `
	attache import egress-rules FILE`,
	CobraFunc: func(cmd *cobra.Command) { cmd.AddCommand(rulesCommand()) },
}

func rulesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "egress-rules FILE", Short: "Makes a Caddyfile block of a sandbox platform's egress rules", Args: cobra.ExactArgs(1),
		Long: `
Reads rules that put headers on a sandbox's requests by host (E2B's network.rules,
Vercel's networkPolicy, lists of hosts with headers; JSON or YAML, - is standard
input) and prints the block of a Caddyfile that does the same: a connector for each
host and an agent with a grant for each.

The values of the headers are not in the block. It takes them from variables, whose
names are told on stderr; --env writes them to a file that you alone can read. What
narrows a rule (paths, methods) is not carried over but refused.

Examples:

  attache import egress-rules network.json > Caddyfile
  attache import egress-rules network.json --agent sandbox-1 --env attache.env`,
		SilenceUsage: true,
	}
	cmd.Flags().String("agent", "sandbox", "The agent's name")
	cmd.Flags().String("env", "", "File for the variables, NAME=value; it must not be there yet")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		agent, _ := cmd.Flags().GetString("agent")
		if !keyed(agent) {
			return fmt.Errorf("--agent %q: want letters in lower case, digits, - and _", agent)
		}
		text, err := read(cmd.InOrStdin(), args[0])
		if err != nil {
			return err
		}
		rules, allowed, err := Read(text)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		block, variables := Caddyfile(rules, agent)
		if file, _ := cmd.Flags().GetString("env"); file != "" {
			if err := write(file, variables); err != nil {
				return fmt.Errorf("--env: %w", err)
			}
		}
		fmt.Fprint(cmd.OutOrStdout(), Format("{\n"+block+"}\n"))
		tell(cmd.ErrOrStderr(), variables, allowed)
		return nil
	}
	return cmd
}

func keyed(s string) bool {
	return s != "" && keyOf(strings.ReplaceAll(s, "_", "-")) == strings.ReplaceAll(s, "_", "-")
}

func read(stdin io.Reader, name string) ([]byte, error) {
	var in io.Reader = stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(in, maxFile+1))
	if err == nil && n > maxFile {
		err = fmt.Errorf("it is longer than %d bytes", maxFile)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b.Bytes(), nil
}

// write writes the variables that the rules had values for.
func write(file string, variables []Variable) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for _, v := range variables {
		if v.Value != "" {
			fmt.Fprintf(f, "%s=%s\n", v.Name, v.Value)
		}
	}
	return f.Close()
}

func tell(w io.Writer, variables []Variable, allowed []string) {
	fmt.Fprintln(w, "Set these before you start the proxy:")
	for _, v := range variables {
		fmt.Fprintln(w, "  "+v.Name)
	}
	if len(allowed) > 0 {
		fmt.Fprintln(w, "Allowed without a header, and in no connector:", strings.Join(allowed, ", "))
		fmt.Fprintln(w, "  They are tunnelled unless the listener says: attache { unmatched deny }")
	}
}
