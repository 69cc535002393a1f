// Package tools is `attache tools`: what MCP servers say of their tools.
package tools

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/attache-proxy/attache/caddymodule/admin/tools"
	"github.com/attache-proxy/attache/caddymodule/client"
)

// Room is what the command line lends.
type Room struct {
	// Reach finds the REST API; end must be called when the last request is done.
	Reach func(at, tokenFile string) (api *client.API, end func(), err error)
	// Told wraps what runs; JSON prints.
	Told func(func(*cobra.Command, []string) error) func(*cobra.Command, []string) error
	JSON func(cmd *cobra.Command, v any) error
	// HowToReach ends the help.
	HowToReach string
}

// Command is the noun.
func (r Room) Command() caddycmd.Command {
	return caddycmd.Command{Name: "tools", Usage: "list|show|accept", Short: "Tools of MCP servers, and those that have changed", Long: `
What an MCP server says of a tool is kept when an agent with rules first gets it
in a list. One that says something else later is stopped until somebody has
looked. See docs/rules.md.

Examples:

  attache tools list
  attache tools list --all
  attache tools show tol_0sgcas7
  attache tools accept tol_0sgcas7
` + r.HowToReach, CobraFunc: func(cmd *cobra.Command) { cmd.AddCommand(r.list(), r.show(), r.accept()) }}
}

func (r Room) command(use, short string, args cobra.PositionalArgs, run func(cmd *cobra.Command, api *client.API, args []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: args}
	f := cmd.Flags()
	f.String("admin", "", "Where the REST API is (default: ATTACHE_ADMIN, else the one of Caddyfile.example)")
	f.String("token-file", "", "File with the admin token (default: the token in ATTACHE_ADMIN_TOKEN)")
	f.Bool("json", false, "Print the JSON of the REST API")
	cmd.RunE = r.Told(func(cmd *cobra.Command, args []string) error {
		at, _ := cmd.Flags().GetString("admin")
		file, _ := cmd.Flags().GetString("token-file")
		api, end, err := r.Reach(at, file)
		if err != nil {
			return err
		}
		defer end()
		return run(cmd, api, args)
	})
	return cmd
}

func asJSON(cmd *cobra.Command) bool { v, _ := cmd.Flags().GetBool("json"); return v }

func one(cmd *cobra.Command, api *client.API, id string) (client.Item[tools.Tool], error) {
	return client.Ask[tools.Tool](cmd.Context(), api, http.MethodGet, client.Path("tools", id), nil, nil)
}

func (r Room) list() *cobra.Command {
	cmd := r.command("list", "Lists tools that are stopped, since they say something else than they did", cobra.NoArgs, func(cmd *cobra.Command, api *client.API, _ []string) error {
		q := url.Values{"changed": {"true"}}
		if all, _ := cmd.Flags().GetBool("all"); all {
			q.Del("changed")
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		all := []json.RawMessage{}
		for item, err := range client.List[tools.Tool](cmd.Context(), api, client.Path("tools"), q) {
			if err != nil {
				return err
			}
			if all = append(all, item.JSON); asJSON(cmd) {
				continue
			}
			if len(all) == 1 {
				fmt.Fprintln(w, "ID\tSTATE\tTOOL\tACCOUNT\tHOST")
			}
			t := &item.Value
			state := map[bool]string{true: "changed", false: "known"}[t.Changed]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", client.Printable(t.ID), state, client.Printable(t.Name), client.Printable(t.Connector+":"+t.Account), client.Printable(t.Host))
		}
		if asJSON(cmd) {
			return r.JSON(cmd, map[string]any{"items": all})
		}
		if len(all) == 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "There are none.")
		}
		return w.Flush()
	})
	cmd.Flags().Bool("all", false, "Also those that have not changed")
	return cmd
}

func (r Room) show() *cobra.Command {
	return r.command("show ID", "Shows what a tool said, and what it says now", cobra.ExactArgs(1), func(cmd *cobra.Command, api *client.API, args []string) error {
		item, err := one(cmd, api, args[0])
		if err != nil {
			return err
		}
		if asJSON(cmd) {
			return r.JSON(cmd, item.JSON)
		}
		t, out := &item.Value, cmd.OutOrStdout()
		fmt.Fprintf(out, "tool   %s\nof     %s at %s\nsaid   %s\n", client.Printable(t.Name), client.Printable(t.Connector+":"+t.Account), client.Printable(t.Host), client.Printable(t.Says))
		if t.Changed {
			fmt.Fprintf(out, "says   %s\ndigest %s\n", client.Printable(t.NewSays), client.Printable(t.NewDigest))
		}
		return nil
	})
}

func (r Room) accept() *cobra.Command {
	cmd := r.command("accept ID", "Lets a tool go on with what it says now", cobra.ExactArgs(1), func(cmd *cobra.Command, api *client.API, args []string) error {
		digest, _ := cmd.Flags().GetString("digest")
		if digest == "" {
			item, err := one(cmd, api, args[0])
			if err != nil {
				return err
			}
			if digest = item.Value.NewDigest; digest == "" {
				return fmt.Errorf("the tool %s has not changed", client.Printable(item.Value.Name))
			}
		}
		item, err := client.Ask[tools.Tool](cmd.Context(), api, http.MethodPost, client.Path("tools", args[0], "accept"), nil, map[string]string{"digest": digest})
		if err != nil {
			return err
		}
		if asJSON(cmd) {
			return r.JSON(cmd, item.JSON)
		}
		fmt.Fprintln(cmd.OutOrStdout(), client.Printable(item.Value.Name+" of "+item.Value.Connector+":"+item.Value.Account+" goes on with: "+item.Value.Says))
		return nil
	})
	cmd.Flags().String("digest", "", "Only what was looked at: the digest that show prints")
	return cmd
}
