// Package mcp writes the connector of a remote MCP server.
package mcp

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/providers/oauth/mcp"
	"github.com/attache-proxy/attache/resolver/connect"
	"github.com/attache-proxy/attache/resolver/egress"
)

// Command is `attache connectors mcp URL`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use: "mcp URL", Short: "Writes the connector of a remote MCP server, from its URL alone", Args: cobra.ExactArgs(1),
		Long: `
Asks the MCP server how its clients are authorized, and writes that down as the
YAML of a connector. It registers no client: put the file into the directory of
connectors, and store a client that was registered by hand with POST /api/v1/apps.
POST /api/v1/connectors with {"name": …, "mcp": URL} does all of it in one call.

  attache connectors mcp https://mcp.example.com/mcp --key files > connectors/files.yaml
`,
	}
	cmd.Flags().String("key", "", "The connector's key; default: made of the server's host")
	cmd.Flags().StringSlice("allow-address", nil, "Addresses or prefixes that may be asked although they are not public")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		key, _ := cmd.Flags().GetString("key")
		addresses, _ := cmd.Flags().GetStringSlice("allow-address")
		allow, err := egress.ParseAllow(addresses)
		if err != nil {
			return fmt.Errorf("--allow-address: %w", err)
		}
		s, err := connect.MCPFinder(&egress.Guard{Allow: allow}).Find(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if key == "" {
			key = keyOfHost(s.URL)
		}
		src, err := mcp.Definition(key, "", s, "")
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "# Found out from %s\n%s", s.URL, src)
		return nil
	}
	return cmd
}

var notInKeys = regexp.MustCompile(`[^a-z0-9]+`)

// keyOfHost makes mcp-example-com of https://mcp.example.com/mcp.
func keyOfHost(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return "mcp"
	}
	key := strings.Trim(notInKeys.ReplaceAllString(strings.ToLower(u.Hostname()), "-"), "-")
	return key[:min(len(key), 63)]
}
