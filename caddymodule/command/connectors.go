package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/caddymodule/schema"
	"github.com/attache-proxy/attache/providers"
	"github.com/attache-proxy/attache/providers/printable"
)

var connectorsCommand = caddycmd.Command{
	Name:  "connectors",
	Usage: "list|show|validate|schema|mcp",
	Short: "Lists, shows and checks connectors",
	Long: `
Connectors say what services look like. Most are built in; one's own are YAML
files in a directory (the option connectors of the Caddyfile).

Examples:

  attache connectors list
  attache connectors list --category crm
  attache connectors show github              # fields, and what to write into the Caddyfile
  attache connectors show zendesk --json
  attache connectors validate connectors/ more/mine.yaml
  attache connectors schema > connector.schema.json
  attache connectors mcp https://mcp.example.com/mcp > connectors/files.yaml

For completion and checks in an editor, begin a file with:

  # yaml-language-server: $schema=connector.schema.json
`,
	CobraFunc: func(cmd *cobra.Command) {
		cmd.AddCommand(listConnectorsCommand(), showConnectorCommand(), validateConnectorsCommand(), mcpConnectorCommand(), &cobra.Command{
			Use: "schema", Short: "Prints the JSON Schema of connector files", Args: cobra.NoArgs,
			RunE: told(func(cmd *cobra.Command, _ []string) error {
				_, err := cmd.OutOrStdout().Write(schema.JSON())
				return err
			}),
		})
	},
}

// dirFlag is the directory of connectors of one's own.
func dirFlag(cmd *cobra.Command) {
	cmd.Flags().String("connectors", "", "A directory of connectors of your own, beside the built-in ones")
}

// loadCatalog compiles the built-in connectors and those of --connectors.
func loadCatalog(cmd *cobra.Command, keys ...string) ([]*providers.Connector, error) {
	dir, _ := cmd.Flags().GetString("connectors")
	defs, err := config.Definitions(dir, nil)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		if defs[key] == nil {
			if keys[i], err = config.Meant(defs, key); err != nil {
				return nil, err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "note: there is no connector %q; this is %s\n", key, keys[i])
		}
	}
	return providers.CompileAll(defs, keys)
}

func listConnectorsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list [WORD]", Short: "Lists connectors: key, title, category, ways to connect", Args: cobra.MaximumNArgs(1)}
	cmd.Flags().String("category", "", "Only those of this category")
	cmd.Flags().Bool("json", false, "Print as JSON")
	dirFlag(cmd)
	cmd.RunE = told(func(cmd *cobra.Command, args []string) error {
		all, err := loadCatalog(cmd)
		if err != nil {
			return err
		}
		category, _ := cmd.Flags().GetString("category")
		var found []shownConnector
		for _, c := range all {
			if (category == "" || c.Category == category) && (len(args) == 0 || mentions(c, args[0])) {
				found = append(found, showConnector(c))
			}
		}
		if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
			return printJSON(cmd, found)
		}
		if len(found) == 0 {
			return errors.New("no connector is like that")
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "KEY\tTITLE\tCATEGORY\tOPTIONS")
		for _, c := range found {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Key, c.Title, c.Category, c.optionNames())
		}
		return w.Flush()
	})
	return cmd
}

// mentions reports whether a word is in the key, the title or a host.
func mentions(c *providers.Connector, word string) bool {
	text := c.Key + " " + c.Title
	for _, h := range c.Hosts {
		text += " " + h.String()
	}
	return strings.Contains(strings.ToLower(text), strings.ToLower(word))
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
		shown := showConnector(found[0])
		if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
			return printJSON(cmd, shown)
		}
		fmt.Fprint(cmd.OutOrStdout(), shown.text())
		return nil
	})
	return cmd
}

func validateConnectorsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "validate FILE_OR_DIR…", Short: "Finds the mistakes in connector files, with file and line", Args: cobra.MinimumNArgs(1),
		RunE: told(func(cmd *cobra.Command, args []string) error {
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

func printJSON(cmd *cobra.Command, v any) error {
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
