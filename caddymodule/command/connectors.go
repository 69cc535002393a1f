package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/command/mcp"
	"github.com/attache-proxy/attache/caddymodule/command/operations"
	"github.com/attache-proxy/attache/caddymodule/command/view"
	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/caddymodule/schema"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/printable"
	"github.com/attache-proxy/attache/providers/strictyaml"
)

var connectorsCommand = caddycmd.Command{
	Name:  "connectors",
	Usage: "list|show|operations|operation|create|update|delete|metadata|validate|schema|mcp",
	Short: "Lists, shows and checks connectors",
	Long: `
Connectors say what services look like. Most are built in; one's own are YAML
files in a directory (the option connectors of the Caddyfile).

Examples:

  attache connectors list
  attache connectors list --category crm
  attache connectors list --ending 90d        # what services take away in the next 90 days
  attache connectors show github              # fields, and what to write into the Caddyfile
  attache connectors show zendesk --json
  attache connectors operations github        # what requests to it do
  attache connectors validate connectors/ more/mine.yaml
  attache connectors validate                 # the built-in ones
  attache connectors schema > connector.schema.json
  attache connectors mcp https://mcp.example.com/mcp > connectors/files.yaml

For completion and checks in an editor, begin a file with:

  # yaml-language-server: $schema=connector.schema.json
`,
	CobraFunc: func(cmd *cobra.Command) {
		ofMCP := mcp.Command()
		ofMCP.RunE = told(ofMCP.RunE)
		cmd.AddCommand(listConnectorsCommand(), showConnectorCommand(), validateConnectorsCommand(), ofMCP, &cobra.Command{
			Use: "schema", Short: "Prints the JSON Schema of connector files", Args: cobra.NoArgs,
			RunE: told(func(cmd *cobra.Command, _ []string) error {
				_, err := cmd.OutOrStdout().Write(schema.JSON())
				return err
			}),
		})
		cmd.AddCommand(operations.Commands(operations.Room{Load: loadCatalog, Told: told, JSON: PrintJSON, Flags: dirFlag})...)
		cmd.AddCommand(commands(connectorCalls)...)
	},
}

// dirFlag is the directory of connectors of one's own.
func dirFlag(cmd *cobra.Command) {
	cmd.Flags().String("connectors", "", "A directory of connectors of your own, beside the built-in ones")
}

// loadCatalog compiles the built-in connectors and those of --connectors.
func loadCatalog(cmd *cobra.Command, keys ...string) ([]*providers.Connector, error) {
	dir, _ := cmd.Flags().GetString("connectors")
	defs, broken := config.Definitions(dir, nil)
	if defs == nil {
		return nil, broken
	}
	warn(cmd, broken)
	for i, key := range keys {
		if !defs.Has(key) {
			var err error
			if keys[i], err = config.Meant(defs, key); err != nil {
				return nil, err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "note: there is no connector %q; this is %s\n", key, keys[i])
		}
	}
	all, err := providers.CompileAll(defs, keys)
	if len(keys) > 0 {
		return all, err
	}
	warn(cmd, err)
	return all, nil
}

// warn tells of files with mistakes, which hide none of the others.
func warn(cmd *cobra.Command, err error) {
	_ = strictyaml.Each(err, func(err error) error {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %v\n", err)
		return nil
	})
}

func listConnectorsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list [WORD]", Short: "Lists connectors: key, title, category, ways to connect", Args: cobra.MaximumNArgs(1)}
	cmd.Flags().String("category", "", "Only those of this category")
	cmd.Flags().String("ending", "", "Only those of which something ends within this time (90d), with what and when")
	cmd.Flags().Lookup("ending").NoOptDefVal = "365d"
	cmd.Flags().Bool("json", false, "Print as JSON")
	dirFlag(cmd)
	cmd.RunE = told(func(cmd *cobra.Command, args []string) error {
		all, err := loadCatalog(cmd)
		if err != nil {
			return err
		}
		category, _ := cmd.Flags().GetString("category")
		until, err := endingFlag(cmd)
		if err != nil {
			return err
		}
		var found []view.Connector
		for _, c := range all {
			if (category == "" || c.Category == category) && (len(args) == 0 || c.Mentions(args[0])) && (until.IsZero() || len(c.Ending(until)) > 0) {
				found = append(found, view.Of(c))
			}
		}
		if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
			return PrintJSON(cmd, found)
		}
		if len(found) == 0 {
			return errors.New("no connector is like that")
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		if !until.IsZero() {
			return printEnding(w, all, found, until)
		}
		fmt.Fprintln(w, "KEY\tTITLE\tCATEGORY\tOPTIONS")
		for _, c := range found {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Key, c.Title, c.Category, c.OptionNames())
		}
		return w.Flush()
	})
	return cmd
}

// endingFlag is the time up to which ends are asked for; zero where they are not.
func endingFlag(cmd *cobra.Command) (until time.Time, err error) {
	text, _ := cmd.Flags().GetString("ending")
	if text == "" {
		return until, nil
	}
	within, err := caddy.ParseDuration(text)
	if err != nil || within < 0 {
		return until, fmt.Errorf("--ending %q: want a time such as 90d", text)
	}
	return time.Now().Add(within), nil
}

// printEnding lists what ends, soonest first.
func printEnding(w *tabwriter.Writer, all []*providers.Connector, found []view.Connector, until time.Time) error {
	var lines []string
	for _, c := range all {
		if !slices.ContainsFunc(found, func(s view.Connector) bool { return s.Key == c.Key }) {
			continue
		}
		for _, e := range c.Ending(until) {
			lines = append(lines, fmt.Sprintf("%s\t%s\t%s\t%s\t%s", e.Date, c.Key, e.What(), e.Instead, e.Source))
		}
	}
	slices.Sort(lines)
	fmt.Fprintln(w, "DATE\tKEY\tENDS\tINSTEAD\tSOURCE")
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
	return w.Flush()
}

// validateBuiltIn compiles what is built in, and fails for what is past its end.
func validateBuiltIn(cmd *cobra.Command) error {
	all, err := providers.CompileAll(providers.BuiltIn(), nil)
	if err != nil {
		return err
	}
	past := 0
	for _, c := range all {
		for _, e := range c.Ending(time.Now()) {
			past++
			fmt.Fprintf(cmd.OutOrStdout(), "%s: past its end: %s\n", c.Source, e.String())
		}
	}
	if past > 0 {
		return exitCode(1)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d built-in connectors, no mistakes, none past its end\n", len(all))
	return nil
}

func showConnectorCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show KEY", Short: "Shows a connector: hosts, ways to connect, fields, and an account in the Caddyfile", Args: cobra.ExactArgs(1)}
	cmd.Flags().Bool("json", false, "Print as JSON")
	dirFlag(cmd)
	cmd.RunE = told(func(cmd *cobra.Command, args []string) error {
		found, err := loadCatalog(cmd, args[0])
		if err != nil {
			return err
		}
		shown := view.Of(found[0])
		if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
			return PrintJSON(cmd, shown)
		}
		fmt.Fprint(cmd.OutOrStdout(), shown.Text())
		return nil
	})
	return cmd
}

func validateConnectorsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "validate [FILE_OR_DIR…]", Short: "Finds the mistakes in connector files, with file and line; without any, those of the built-in ones",
		RunE: told(func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return validateBuiltIn(cmd)
			}
			problems, files, err := schema.Validate(args)
			if err != nil {
				return err
			}
			for _, p := range problems {
				fmt.Fprintln(cmd.OutOrStdout(), p)
			}
			if len(problems) > 0 {
				return exitCode(1)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d connectors, no mistakes\n", files)
			return nil
		}),
	}
}

// PrintJSON prints a value as JSON, for people and programs.
func PrintJSON(cmd *cobra.Command, v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := cmd.OutOrStdout().Write(printable.JSON(text.Bytes()))
	return err
}
