package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/attache-proxy/attache/caddymodule/command"
	"github.com/attache-proxy/attache/caddymodule/command/strict"
	"github.com/attache-proxy/attache/caddymodule/version"
)

// instead is what to do instead of those commands of Caddy's that do not belong
// here: this binary has not the modules they need, or they change the machine in a
// way that the proxy never wants.
var instead = map[string]string{
	"upgrade":        "Install another release, or build one: https://github.com/attache-proxy/attache#install",
	"add-package":    "Build a Caddy with Attaché and the plug-in: ./xcaddy.sh --with MODULE, in a checkout.",
	"remove-package": "Build a Caddy with Attaché and without the plug-in: ./xcaddy.sh, in a checkout.",
	"trust":          "The proxy's certificate is for agents alone, never for the whole machine: `attache exec -- COMMAND` makes a command trust it, `attache ca instructions` says how elsewhere.",
	"untrust":        "Nothing of ours is in the system's trust store: `attache ca instructions` says who trusts what.",
	"file-server":    "attache is a proxy; Caddy serves files (https://caddyserver.com).",
	"respond":        "attache is a proxy; Caddy answers (https://caddyserver.com), or the directive respond in a Caddyfile.",
	"reverse-proxy":  "Write it into a Caddyfile: reverse_proxy is there. `attache run` starts the proxy for agents.",
	"hash-password":  "Agents have tokens, which `attache agents create NAME` makes; nothing here has passwords.",
	"storage":        "`attache vault export` is the backup of what people made, `attache ca export` of the certificates. The CA's key is in Caddy's data directory.",
}

func insteadOf(name, note string) *cobra.Command {
	return &cobra.Command{Use: name, Short: "Not here", Long: note, Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				if arg == "--help" || arg == "-h" {
					return cmd.Help()
				}
			}
			return strict.Usage(cmd, errors.New("this command of Caddy's is not here.\n  "+note))
		}}
}

func versionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "version [--json]", Short: "Prints which Attaché this is, and which Caddy is in it", Args: cobra.NoArgs,
		Long: "Prints the version of Attaché, and of the Caddy in it. A running proxy says its own\nat /.well-known/attache, and in the metric attache_build_info.\n\nExamples:\n\n  attache version\n  attache version --json | jq -r .version\n"}
	cmd.Flags().Bool("json", false, "Print as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
			return command.PrintJSON(cmd, version.Get())
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "attache", version.Get())
		return err
	}
	return cmd
}

var shells = map[string]func(root *cobra.Command) error{
	"bash":       func(root *cobra.Command) error { return root.GenBashCompletionV2(root.OutOrStdout(), true) },
	"zsh":        func(root *cobra.Command) error { return root.GenZshCompletion(root.OutOrStdout()) },
	"fish":       func(root *cobra.Command) error { return root.GenFishCompletion(root.OutOrStdout(), true) },
	"powershell": func(root *cobra.Command) error { return root.GenPowerShellCompletionWithDesc(root.OutOrStdout()) },
}

func completionCommand() *cobra.Command {
	return &cobra.Command{Use: "completion bash|zsh|fish|powershell", Short: "Prints what makes a shell complete attache's commands",
		Long:      "Prints a script for a shell to read. Packages install it.\n\nExamples:\n\n  source <(attache completion bash)\n  attache completion fish > ~/.config/fish/completions/attache.fish\n",
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"}, Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs), DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error { return shells[args[0]](cmd.Root()) }}
}

func manpageCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "manpage --directory DIR", Short: "Writes the manual pages", Args: cobra.NoArgs,
		Long: "Writes a page of the manual for each command into a directory, which is made where\nit is missing. Packages install them.\n"}
	dir := cmd.Flags().StringP("directory", "o", "", "The directory")
	_ = cmd.MarkFlagRequired("directory")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := os.MkdirAll(*dir, 0o755); err != nil {
			return err
		}
		cmd.Root().DisableAutoGenTag = true
		return doc.GenManTree(cmd.Root(), &doc.GenManHeader{Title: "ATTACHE", Section: "1", Source: "Attaché " + version.Get().Version}, *dir)
	}
	return cmd
}

// helpCommand is cobra's, but that what it does not know is an error.
func helpCommand() *cobra.Command {
	return &cobra.Command{Use: "help [COMMAND]", Short: "Says how a command is used",
		RunE: func(cmd *cobra.Command, args []string) error {
			found := cmd.Root()
			for _, word := range args {
				sub, _, err := found.Find([]string{word})
				if err != nil || sub == found {
					return strict.Unknown(found, word)
				}
				found = sub
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		}}
}
